//! Mail about a call that waits: to its user, or to everybody who may decide for others where somebody else has to. It names
//! the tool, the code and the page, and nothing that the call says: mail is read in many places.

use std::fmt;
use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::{AsyncSmtpTransport, Error as SmtpError};
use lettre::{AsyncTransport, Message, Tokio1Executor};
use portcullis_authorization_server::{Groups, User, Users};
use portcullis_oauth::BoxFuture;
use portcullis_resource_server::{APPROVERS, Notice, Notifier};
use tokio::task::JoinSet;

use crate::Problem;
use crate::config::MailSettings;

/// So long the server may take for one step.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many approvers are told of one call.
const APPROVERS_TOLD: usize = 20;

/// The way by mail.
pub(super) struct Mail {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    users: Users,
    groups: Groups,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail")
    }
}

impl Mail {
    /// By the server of these settings, to people among `users`.
    ///
    /// # Errors
    /// When the server's address is not understood.
    pub(super) fn by(settings: &MailSettings, users: Users, groups: Groups) -> Result<Self, Problem> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(settings.url.expose());
        // Without the value: it may hold a password.
        let builder =
            builder.map_err(|_| Problem::configuration("smtp_url is no address of a mail server"))?;
        let server = builder.timeout(Some(PATIENCE)).build();
        Ok(Self { server, from: settings.from.clone(), users, groups })
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), String> {
        let people = self.people(notice).await?;
        if people.is_empty() {
            return Err("nobody who may decide about it can be told".to_owned());
        }
        // One mail each: nobody reads who else is told. All at once: a slow server keeps the last from nothing.
        let mut mails = JoinSet::new();
        let mut failed = None;
        for user in &people {
            match self.mail(notice, user) {
                Ok(mail) => {
                    let server = self.server.clone();
                    mails.spawn(async move { server.send(mail).await });
                }
                Err(why) => failed = Some(why),
            }
        }
        while let Some(sent) = mails.join_next().await {
            if let Err(why) =
                sent.map_err(|error| error.to_string()).and_then(|sent| sent.map_err(|error| cause(&error)))
            {
                failed = Some(why);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Who may decide about it and can sign in to do so.
    async fn people(&self, notice: &Notice) -> Result<Vec<User>, String> {
        let unreadable = |error: &dyn fmt::Display| format!("the store failed: {error}");
        if !notice.needs_another {
            let owner = self.users.find(&notice.owner).await.map_err(|error| unreadable(&error))?;
            return Ok(owner.into_iter().filter(can_sign_in).collect());
        }
        let groups = self.groups.list().await.map_err(|error| unreadable(&error))?;
        if !groups.iter().any(|group| group.name == APPROVERS) {
            return Ok(Vec::new());
        }
        let members = self.groups.members(APPROVERS).await.map_err(|error| unreadable(&error))?;
        let mut people = Vec::new();
        for member in members.iter().filter(|member| member.principal != notice.owner) {
            let user = self.users.find(&member.principal).await.map_err(|error| unreadable(&error))?;
            people.extend(user.filter(can_sign_in));
            if people.len() == APPROVERS_TOLD {
                break;
            }
        }
        Ok(people)
    }

    fn mail(&self, notice: &Notice, to: &User) -> Result<Message, String> {
        let to = to.email.parse().map(|address| Mailbox::new(None, address));
        let to = to.map_err(|_| "somebody's e-mail address is none that mail can be sent to".to_owned())?;
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(format!("A call waits for your approval (code {})", notice.code))
            .header(ContentType::TEXT_PLAIN)
            .body(body(notice))
            .map_err(|error| error.to_string())
    }
}

fn can_sign_in(user: &User) -> bool {
    user.disabled_at.is_none()
}

impl Notifier for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn tell<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.deliver(notice))
    }
}

fn body(notice: &Notice) -> String {
    let Notice { alias, tool, code, page, .. } = notice;
    format!(
        "{alias}: {tool} waits for your approval. Nobody decides by answering this mail.\n\n\
         Look at what the call says, compare the code {code}, and decide here within five minutes:\n{page}\n"
    )
}

/// What happened, without what the server said: that may name people.
fn cause(error: &SmtpError) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server took too long".to_owned(),
        None if error.is_tls() => "there is no TLS with the mail server".to_owned(),
        None => "the mail server could not be reached".to_owned(),
    }
}
