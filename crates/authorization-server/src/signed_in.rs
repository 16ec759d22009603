//! Who is signed in at this browser, as far as they still may be.

use portcullis_web::{Browser, SignedIn};

use crate::Core;
use crate::attempt::{self, Reason, Step};
use crate::page_error::PageError;
use crate::store::User;

/// The signed-in user. One who was disabled meanwhile is signed out; the flows of the browser stay, so that another
/// account can go on with them.
pub(crate) async fn signed_in(core: &Core, browser: &Browser) -> Result<Option<User>, PageError> {
    Ok(sign_in(core, browser).await?.map(|(user, _)| user))
}

/// The same, with when and in which session they did.
pub(crate) async fn sign_in(core: &Core, browser: &Browser) -> Result<Option<(User, SignedIn)>, PageError> {
    let Some(signed_in) = browser.signed_in().await? else { return Ok(None) };
    let user = core.users.find(&signed_in.principal).await?.filter(|user| user.disabled_at.is_none());
    if user.is_none() {
        attempt::person(&signed_in.principal);
        attempt::refused((Step::Session, Reason::UserDisabled), "an account that is open", "a disabled one");
        browser.sign_out(true).await?;
    }
    Ok(user.map(|user| (user, signed_in)))
}
