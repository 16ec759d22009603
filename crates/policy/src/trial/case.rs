//! A case of a file, ready to be decided. What the file does not say is the ordinary.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};
use toml::value::{Datetime, Offset};

use super::file::{ClientEntry, ConnectionEntry, Entry, ToolEntry, Who};
use crate::{
    Arguments, Assurance, Case, Circumstances, Client, Connection, Hints, Moment, Pin, Principal,
    PrincipalKind, Registration, Risk, Ruling, ServerKind, Subject, Target, Tool,
};

/// Every permission there is.
const PERMISSIONS: [&str; 4] =
    ["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read", "mcp.connections.manage"];

/// A case ready to be decided.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) subject: Subject,
    pub(super) target: Target,
    circumstances: Circumstances,
    pub(super) expected: Ruling,
    pub(super) rule: Option<String>,
    pub(super) listed: Option<bool>,
}

impl Prepared {
    pub(super) fn of(entry: Entry) -> Result<Self, String> {
        let target = target(&entry)?;
        let principal = principal(entry.who);
        let (connection, granted) = connection(entry.connection, &principal.id)?;
        Ok(Self {
            target,
            expected: expected(&entry.expect)?,
            subject: Subject { principal, client: client(entry.client)?, connection, granted },
            circumstances: Circumstances {
                assurance: assurance(entry.assurance)?,
                arguments: Arguments::of(&entry.arguments),
                time: entry.time.map(moment).transpose()?.unwrap_or_default(),
                address: entry.address,
                authentication: entry.authentication,
            },
            name: entry.name,
            rule: entry.rule,
            listed: entry.listed,
        })
    }

    pub(super) fn case(&self) -> Case<'_> {
        Case { subject: &self.subject, target: &self.target, circumstances: &self.circumstances }
    }
}

fn target(entry: &Entry) -> Result<Target, String> {
    let mut targets = Vec::new();
    targets.extend(entry.tool.as_ref().map(tool).transpose()?.map(Target::Tool));
    targets.extend(entry.prompt.clone().map(|name| Target::Prompt {
        name,
        pin: Pin::Active,
        blocked: false,
    }));
    targets.extend(entry.resource.clone().map(|uri| Target::Resource {
        uri,
        pin: Pin::Active,
        blocked: false,
    }));
    targets.extend(entry.manage.then_some(Target::ManageConnection));
    targets.extend(entry.list.then_some(Target::ListTools));
    match (targets.pop(), targets.is_empty()) {
        (Some(target), true) => Ok(target),
        _ => {
            Err("name exactly one of `tool`, `prompt`, `resource`, `manage = true` and `list = true`"
                .to_owned())
        }
    }
}

fn tool(entry: &ToolEntry) -> Result<Tool, String> {
    let hints = entry.hints.as_ref().map(|hints| Hints {
        read_only: hints.read_only,
        destructive: hints.destructive,
        idempotent: hints.idempotent,
        open_world: hints.open_world,
    });
    let mut tool = Tool { pin: Pin::Active, blocked: entry.blocked, ..Tool::new(&entry.name, hints) };
    if let Some(risk) = &entry.risk {
        let all =
            [Risk::Read, Risk::Unknown, Risk::Change, Risk::Destructive].map(|risk| (risk.as_str(), risk));
        tool.risk = one_of("risk", risk, &all)?;
        tool.approval = tool.risk.approval();
    }
    if let Some(pin) = &entry.pin {
        let all = [
            ("active", Pin::Active),
            ("new", Pin::New),
            ("changed", Pin::Changed),
            ("removed", Pin::Removed),
        ];
        tool.pin = one_of("pin", pin, &all)?;
    }
    if let Some(level) = entry.approval {
        tool.approval = assurance(level)?;
    }
    Ok(tool)
}

fn principal(who: Who) -> Principal {
    let all = || PERMISSIONS.map(str::to_owned).to_vec();
    Principal {
        kind: if who.machine { PrincipalKind::Machine } else { PrincipalKind::User },
        id: who.id.or_else(|| who.email.clone()).unwrap_or_else(|| "somebody".to_owned()),
        email: who.email,
        groups: who.groups,
        permissions: who.permissions.unwrap_or_else(all),
    }
}

fn client(entry: ClientEntry) -> Result<Client, String> {
    let all = [
        ("admin", Registration::Admin),
        ("document", Registration::Document),
        ("dynamic", Registration::Dynamic),
        ("unknown", Registration::Unknown),
    ];
    let registration = entry.registration.as_deref().unwrap_or("admin");
    Ok(Client {
        id: entry.id.unwrap_or_else(|| "client".to_owned()),
        registration: one_of("registration", registration, &all)?,
        host: entry.host,
    })
}

fn connection(entry: ConnectionEntry, principal: &str) -> Result<(Connection, bool), String> {
    let all = [("http", ServerKind::Http), ("stdio", ServerKind::Stdio), ("sandbox", ServerKind::Sandbox)];
    let owner = if entry.own.unwrap_or(true) { principal } else { "somebody else" };
    let connection = Connection {
        id: "connection".to_owned(),
        alias: entry.alias.unwrap_or_else(|| "work".to_owned()),
        owner: owner.to_owned(),
        server: entry.server.unwrap_or_else(|| "server".to_owned()),
        kind: one_of("kind", entry.kind.as_deref().unwrap_or("http"), &all)?,
    };
    Ok((connection, entry.granted.unwrap_or(true)))
}

fn expected(text: &str) -> Result<Ruling, String> {
    Ruling::parse(text)
        .ok_or_else(|| format!("expect = \"{text}\" is none of allow, deny, needs 1, needs 2, needs 3"))
}

fn assurance(level: u8) -> Result<Assurance, String> {
    Assurance::from_level(level).ok_or_else(|| format!("{level} is no assurance: they are 0, 1, 2 and 3"))
}

/// A time with its offset from UTC, which says what the clock on the wall shows.
fn moment(written: Datetime) -> Result<Moment, String> {
    let (Some(date), Some(time), Some(offset)) = (written.date, written.time, written.offset) else {
        return Err("write the time with date and offset: 2026-11-30T09:00:00+01:00".to_owned());
    };
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i32::from(minutes),
    };
    let at = || {
        let date =
            Date::from_calendar_date(date.year.into(), Month::try_from(date.month).ok()?, date.day).ok()?;
        let time = Time::from_hms(time.hour, time.minute, time.second).ok()?;
        let offset = UtcOffset::from_whole_seconds(minutes * 60).ok()?;
        Some(PrimitiveDateTime::new(date, time).assume_offset(offset).unix_timestamp())
    };
    let unix = at().ok_or_else(|| format!("{written} is no time"))?;
    Ok(Moment { unix, offset: minutes * 60 })
}

fn one_of<T: Copy>(what: &str, written: &str, all: &[(&str, T)]) -> Result<T, String> {
    all.iter().find(|(name, _)| *name == written).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        format!("{what} = \"{written}\" is none of {}", names.join(", "))
    })
}
