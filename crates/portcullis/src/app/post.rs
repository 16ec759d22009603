//! Posting to an address of the operator's: by https, or by http on this computer. Whoever names the address in the settings
//! may name a private one.

use portcullis_audit::SinkError;
use portcullis_oauth::Secret;
use portcullis_outbound::{Outbound, Outgoing, Policy};
use url::Url;

use crate::Problem;
use crate::config::Config;

/// An answer is not looked at, but it is read: in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// An address, and what authorises us there. `Debug` shows neither.
#[derive(Debug)]
pub(in crate::app) struct Post {
    url: Secret,
    authorization: Option<Secret>,
    outbound: Outbound,
}

impl Post {
    /// To this address.
    ///
    /// # Errors
    /// When no client can be made for it.
    pub(in crate::app) fn to(
        url: Secret,
        authorization: Option<Secret>,
        config: &Config,
    ) -> Result<Self, Problem> {
        let host = Url::parse(url.expose()).ok().and_then(|url| url.host_str().map(str::to_owned));
        let policy = Policy {
            loopback: true,
            private_hosts: host.into_iter().collect(),
            time: config.outbound_time,
            ..Policy::default()
        };
        let outbound = Outbound::new(policy).map_err(|error| Problem::caused(&error))?;
        Ok(Self { url, authorization, outbound })
    }

    /// Posts, and finds out whether it was taken: answered with a 2xx.
    pub(in crate::app) async fn send(&self, kind: &'static str, body: String) -> Result<(), SinkError> {
        let request = Outgoing::post(self.url.expose(), kind, body)
            .accepting("*/*")
            .at_most(LONGEST_ANSWER)
            .authorized(self.authorization.as_ref().map(Secret::expose));
        match self.outbound.send(request).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(SinkError(format!("it answered {}", answer.status))),
            Err(error) => Err(SinkError(error.cause.to_string())),
        }
    }
}
