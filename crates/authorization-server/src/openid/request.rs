//! What a request says of the sign-in itself (OpenID Connect Core §3.1.2.1): `nonce`, `prompt`, `max_age`, `login_hint`.

use portcullis_oauth::{Error, ErrorCode, Form, Seconds, Timestamp};
use portcullis_web::SignedIn;

/// What a client may have us remember for it.
const MAXIMUM_NONCE: usize = 2_048;
/// No address is longer.
const MAXIMUM_HINT: usize = 254;

/// A request's wishes about the sign-in, judged. They hold whether or not the client is told who signed in.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenIdRequest {
    /// Told again in the ID token, byte for byte.
    pub(crate) nonce: Option<String>,
    /// Who will probably sign in: fills in the form, and counts for nothing.
    pub(crate) login_hint: Option<String>,
    /// Nobody may be asked anything (`prompt=none`).
    pub(crate) is_silent: bool,
    /// However lately somebody signed in (`prompt=login`).
    anew: bool,
    max_age: Option<Seconds>,
}

impl OpenIdRequest {
    /// Reads and judges them. What `prompt` says beyond what is understood is passed over; `consent` and `select_account`
    /// are so anyway, since consent is asked every time, on a page that names the account and offers another.
    pub(crate) fn read(form: &Form) -> Result<Self, Error> {
        let one = |name| form.one(name).ok().flatten();
        let invalid = |text: &'static str| Error::new(ErrorCode::InvalidRequest, text);
        let prompts: Vec<&str> =
            one("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()).collect();
        let is_silent = prompts.contains(&"none");
        if is_silent && prompts.len() > 1 {
            return Err(invalid("prompt is none or something else, not both"));
        }
        let nonce = one("nonce").map(str::to_owned);
        if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAXIMUM_NONCE) {
            return Err(invalid("nonce is longer than 2048 bytes"));
        }
        let max_age = match one("max_age").map(str::parse::<u32>) {
            None => None,
            Some(Ok(seconds)) => Some(Seconds(seconds.into())),
            Some(Err(_)) => return Err(invalid("max_age is not a number of seconds")),
        };
        let login_hint = one("login_hint").filter(|hint| hint.len() <= MAXIMUM_HINT).map(str::to_owned);
        Ok(Self { nonce, login_hint, is_silent, anew: prompts.contains(&"login"), max_age })
    }

    /// What it demands of the sign-in, where `present` is the one that stands when it comes.
    pub(crate) fn demand(&self, present: Option<&SignedIn>) -> SignInDemand {
        let max_age = self.max_age.filter(|age| age.0 > 0 && !self.anew);
        let any_does = self.max_age.is_none() && !self.anew;
        let nobody = Timestamp::from_micros(0);
        SignInDemand {
            stale_sign_in: (!any_does).then(|| present.map_or(nobody, |sign_in| sign_in.authenticated_at)),
            max_age: max_age.map(|age| age.0),
        }
    }
}

/// Which sign-in a request accepts (OIDC-C-3-1). Kept with the request, and judged at each of its pages: a step that was
/// not taken is asked for again, whatever address somebody opens (A47).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct SignInDemand {
    /// The one that stood when the request came does not do; `None` when any does.
    pub(crate) stale_sign_in: Option<Timestamp>,
    /// Unless it is not older than so many seconds.
    pub(crate) max_age: Option<i64>,
}

impl SignInDemand {
    /// Whether `sign_in` does at `now`. A browser has one session, so a sign-in other than the one that stood came later.
    pub(crate) fn is_met(self, sign_in: &SignedIn, now: Timestamp) -> bool {
        let Some(stale) = self.stale_sign_in else { return true };
        let is_new = sign_in.authenticated_at != stale;
        is_new || self.max_age.is_some_and(|age| now <= sign_in.authenticated_at.plus(Seconds(age)))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::PrincipalId;

    use super::*;

    fn read(query: &str) -> Result<OpenIdRequest, Error> {
        OpenIdRequest::read(&Form::parse(query.as_bytes()).unwrap())
    }

    fn at(seconds: i64) -> SignedIn {
        let authenticated_at = Timestamp::from_micros(seconds * 1_000_000);
        SignedIn { principal: PrincipalId::from("user_1".to_owned()), authenticated_at, sid: None }
    }

    /// OIDC-C-3-1: which of two sign-ins does, at 100 s and at 200 s, for a request that came at 150 s
    #[test]
    fn a_sign_in_does_or_does_not() {
        for (query, old_does, new_does) in [
            ("", true, true),
            ("prompt=consent", true, true),
            ("prompt=select_account+create", true, true),
            ("prompt=login", false, true),
            ("prompt=consent+login", false, true),
            ("max_age=0", false, true),
            ("max_age=40", false, true),
            ("max_age=150", true, true),
            ("max_age=150&prompt=login", false, true),
        ] {
            let demand = read(query).unwrap().demand(Some(&at(100)));
            let now = Timestamp::from_micros(250_000_000);
            assert_eq!(
                (demand.is_met(&at(100), now), demand.is_met(&at(200), now)),
                (old_does, new_does),
                "{query}"
            );
            let fresh = read(query).unwrap().demand(None);
            assert!(fresh.is_met(&at(200), now), "{query}: nobody was signed in");
        }
    }

    /// OIDC-C-3-1
    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in
            ["prompt=none+login", "prompt=none+none", "max_age=-1", "max_age=soon", "max_age=4294967296"]
        {
            assert_eq!(read(bad).unwrap_err().code, ErrorCode::InvalidRequest, "{bad}");
        }
        assert!(read(&format!("nonce={}", "n".repeat(2_049))).is_err());
        assert!(read("prompt=none").unwrap().is_silent);
        assert_eq!(read("login_hint=a%40b").unwrap().login_hint.as_deref(), Some("a@b"));
    }
}
