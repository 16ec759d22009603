//! The tables of the authorization server, one file a table: one SQL text for both engines, verbs that are few.

mod access_tokens;
mod assertions;
mod attempts;
mod client_keys;
mod clients;
mod codes;
mod connection_grants;
mod devices;
mod documents;
mod dpop_proofs;
mod enterprise_grants;
mod grant_ends;
mod grants;
mod groups;
mod identities;
mod invitations;
mod known_browsers;
mod logout_notices;
mod machines;
mod minted;
mod passwords;
mod pushed_requests;
mod refresh_tokens;
mod registrations;
mod requests;
mod resources;
mod revocations;
mod setup;
mod sign_ins;
mod signing_keys;
mod targets;
mod trusted_issuers;
mod users;

pub(crate) use access_tokens::{AccessTokens, Exchange, TokenRow, mint_in as mint_access_token_in};
pub(crate) use assertions::Assertions;
pub(crate) use attempts::insert_legs;
pub use attempts::{
    Attempt, AttemptCursor, AttemptFilter, AttemptLeg, AttemptStep, AttemptSummary, Attempts,
};
pub use clients::{Client, ClientOrigin, Clients, NewClient};
pub(crate) use codes::{CodeRow, Codes, NewCode, Redemption, create_in as create_code_in};
pub use connection_grants::{ConnectionClient, ConnectionGrants};
pub(crate) use devices::{
    DeviceRow, Devices, NewDevice, decide_in as decide_device_in, grant_in as grant_device_in,
    redeem_in as redeem_device_in,
};
pub(crate) use documents::NewDocument;
pub use documents::{ClientDocument, ClientTrust};
pub(crate) use dpop_proofs::DpopProofs;
pub use enterprise_grants::RefusedClient;
pub(crate) use enterprise_grants::{ENDED_BY_USER, EnterpriseGrants, Standing, Vouched};
pub use grants::{GrantSummary, Grants};
pub(crate) use grants::{NewGrant, Revoked, create_in as create_grant_in};
pub use groups::{Group, GroupError, Groups, Member};
pub(crate) use identities::{Identities, IdentityRow, record_sign_in_in};
pub use invitations::{Invitation, Invitations};
pub(crate) use known_browsers::KnownBrowsers;
pub(crate) use logout_notices::{LogoutNotice, LogoutNotices, end_sid_in};
pub(crate) use machines::Machines;
pub(crate) use minted::{MintedAccess, MintedRefresh};
pub(crate) use passwords::{Credentials, Ending};
pub(crate) use pushed_requests::PushedRequests;
pub(crate) use refresh_tokens::{
    NewRefreshToken, RefreshRow, RefreshTokens, Successor, create_in as create_refresh_token_in,
};
pub(crate) use registrations::{Registered, Registrations, Replaced, change_of};
pub(crate) use requests::{NewRequest, PendingRequest, Requests, decide_in as decide_request_in};
pub use resources::{NewResource, RegisteredResource, ResourceError, ResourceScope, Resources};
pub use revocations::{Ended, Revocations};
pub use setup::Setup;
pub(crate) use sign_ins::{Bucket, Counted};
pub use sign_ins::{SignInStanding, SignIns};
pub use signing_keys::{KeptKey, SigningKeyError, SigningKeys};
pub(crate) use targets::{Target, Targets};
pub use trusted_issuers::{IssuerError, IssuerId, TrustedIssuer, TrustedIssuers};
pub use users::{NewUser, User, UserError, Users};
