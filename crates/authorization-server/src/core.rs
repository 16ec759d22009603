//! What every endpoint shares: the stores, the clock, the paper trail and the settings.

use std::sync::Arc;

use portcullis_audit::{Event, Trail};
use portcullis_database::{Change, ChangeFeed, ChangeKind, Database, DatabaseError};
use portcullis_limits::{Limiter, Quota};
use portcullis_oauth::{Clock, GrantId, PublicUrl, ResourceRegistry, Seconds, Timestamp};
use portcullis_outbound::Outbound;
use portcullis_vault::Vault;

use crate::attempt::Journal;
use crate::directory::ConnectionDirectory;
use crate::document::Documents;
use crate::dpop::Dpop;
use crate::guard::{Guard, Share};
use crate::key_sets::KeySets;
use crate::password::PasswordCheck;
use crate::resources::KnownResources;
use crate::settings::Settings;
use crate::signing::Signing;
use crate::store::{
    AccessTokens, Assertions, Attempts, Clients, Codes, Devices, EnterpriseGrants, Grants, Identities,
    Invitations, KnownBrowsers, LogoutNotices, Machines, PushedRequests, RefreshTokens, Registrations,
    Requests, Resources, Revoked, Setup, SignIns, SigningKeys, TrustedIssuers, Users,
};
use crate::work::Work;
use portcullis_database::Remembered;

/// What an authorization server is made of.
pub struct AuthorizationServerParts {
    /// Where its tables are.
    pub database: Database,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub trail: Trail,
    /// How the caches of this process learn of a revocation at once.
    pub changes: ChangeFeed,
    /// The resources that tokens may be for, and the issuer.
    pub registry: ResourceRegistry,
    /// Lifetimes and switches.
    pub settings: Settings,
    /// What the consent page must know of connections.
    pub connections: Arc<dyn ConnectionDirectory>,
    /// How addresses are read that strangers name.
    pub outbound: Outbound,
    /// What seals private keys at rest.
    pub vault: Vault,
}

impl std::fmt::Debug for AuthorizationServerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServerParts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The shared state of the endpoints.
pub(crate) struct Core {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trail: Trail,
    pub(crate) changes: ChangeFeed,
    pub(crate) registry: ResourceRegistry,
    pub(crate) resources: KnownResources,
    pub(crate) settings: Settings,
    pub(crate) connections: Arc<dyn ConnectionDirectory>,
    pub(crate) users: Users,
    pub(crate) clients: Clients,
    pub(crate) documents: Documents,
    pub(crate) key_sets: KeySets,
    pub(crate) assertions: Assertions,
    pub(crate) trusted_issuers: TrustedIssuers,
    pub(crate) enterprise_grants: EnterpriseGrants,
    /// Whether anybody's identity assertions are taken: asked for with every reading of the metadata.
    trusts_somebody: Remembered<bool>,
    pub(crate) setup: Setup,
    pub(crate) sign_ins: SignIns,
    pub(crate) known_browsers: KnownBrowsers,
    pub(crate) requests: Requests,
    pub(crate) pushed_requests: PushedRequests,
    pub(crate) codes: Codes,
    pub(crate) grants: Grants,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) machines: Machines,
    pub(crate) devices: Devices,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) signing: Signing,
    pub(crate) identities: Identities,
    pub(crate) logout_notices: LogoutNotices,
    /// The client for addresses that strangers name.
    pub(crate) outbound: Outbound,
    pub(crate) dpop: Arc<Dpop>,
    pub(crate) passwords: PasswordCheck,
    /// By source alone, and wide: behind one address may stand a whole office.
    pub(crate) sign_in_source_guard: Guard,
    pub(crate) secret_guard: Guard,
    /// Guesses at user codes: by person, and by source.
    pub(crate) user_code_guard: Guard,
    pub(crate) user_code_source_guard: Guard,
    /// Unknown tokens, by the resource server that asks for them.
    pub(crate) introspection_misses: Share,
    /// Token requests that fail although their client is known; and what clients sign, each of which is a row.
    pub(crate) failed_token_requests: Guard,
    pub(crate) signed_assertions: Guard,
    pub(crate) registrations: Registrations,
    pub(crate) invitations: Invitations,
    pub(crate) registration_limit: Limiter,
    pub(crate) authorizations: Limiter,
    pub(crate) device_authorizations: Share,
    /// What authorization attempts met, and its way into the table.
    pub(crate) attempts: Attempts,
    pub(crate) journal: Journal,
    pub(crate) work: Work,
}

impl Core {
    pub(crate) fn new(parts: AuthorizationServerParts) -> Self {
        let (database, clock) = (parts.database, parts.clock);
        let signing_keys = SigningKeys::new(database.clone(), clock.clone(), &parts.vault);
        let resources = Resources::new(database.clone(), clock.clone());
        let journal = Journal::new(database.clone());
        Self {
            resources: KnownResources::new(parts.registry.clone(), resources, parts.changes.clone())
                .with_openid(parts.settings.openid),
            users: Users::new(database.clone(), clock.clone()),
            clients: Clients::new(database.clone(), clock.clone()),
            key_sets: KeySets::new(parts.outbound.clone()),
            documents: Documents::new(parts.outbound.clone()),
            outbound: parts.outbound,
            assertions: Assertions::new(database.clone()),
            trusted_issuers: TrustedIssuers::new(database.clone(), clock.clone()),
            enterprise_grants: EnterpriseGrants::new(database.clone()),
            trusts_somebody: Remembered::new(ChangeKind::Issuer, parts.changes.clone()),
            setup: Setup::new(database.clone(), clock.clone()),
            sign_ins: SignIns::new(database.clone(), clock.clone()),
            known_browsers: KnownBrowsers::new(database.clone()),
            requests: Requests::new(database.clone()),
            pushed_requests: PushedRequests::new(database.clone()),
            codes: Codes::new(database.clone()),
            grants: Grants::new(database.clone()),
            access_tokens: AccessTokens::new(database.clone()),
            machines: Machines::new(database.clone()),
            devices: Devices::new(database.clone()),
            refresh_tokens: RefreshTokens::new(database.clone()),
            signing: Signing::new(signing_keys, parts.changes.clone()),
            identities: Identities::new(database.clone()),
            logout_notices: LogoutNotices::new(database.clone()),
            dpop: Dpop::new(&parts.settings, database.clone(), &parts.vault),
            passwords: PasswordCheck::default(),
            sign_in_source_guard: Guard::new(Quota::per_minute(parts.settings.sign_ins_per_minute)),
            secret_guard: Guard::new(Quota::per_minute(20)),
            user_code_guard: Guard::new(Quota::per(5, Seconds::minutes(5))),
            user_code_source_guard: Guard::new(Quota::per(60, Seconds::minutes(5))),
            device_authorizations: Share::new(Quota::per_minute(60), Quota::per_minute(600)),
            registrations: Registrations::new(database.clone()),
            invitations: Invitations::new(database.clone(), clock.clone()),
            registration_limit: Limiter::new(
                Quota::per_minute(parts.settings.registrations_per_minute),
                10_000,
            ),
            authorizations: Limiter::new(Quota::per_minute(parts.settings.authorizations_per_minute), 10_000),
            introspection_misses: Share::new(Quota::per_minute(120), Quota::per_minute(600)),
            failed_token_requests: Guard::new(Quota::per_minute(120)),
            signed_assertions: Guard::new(Quota::per_minute(600)),
            attempts: Attempts::with(database.clone(), journal.clone()),
            journal,
            work: Work::default(),
            trail: parts.trail,
            changes: parts.changes,
            registry: parts.registry,
            settings: parts.settings,
            connections: parts.connections,
            database,
            clock,
        }
    }

    /// The issuer and the base of every link.
    pub(crate) fn public_url(&self) -> &PublicUrl {
        self.registry.public_url()
    }

    /// Whether identity assertions are taken (IDJAG-7.2-1).
    pub(crate) async fn trusts_somebody(&self) -> Result<bool, DatabaseError> {
        let read = async { Ok(Arc::new(!self.trusted_issuers.list().await?.is_empty())) };
        self.trusts_somebody.get(read).await.map(|trusts| *trusts)
    }

    /// Revokes a grant and tells this process's caches before anybody is answered.
    pub(crate) async fn revoke_grant(
        &self,
        grant: &GrantId,
        because: &'static str,
        now: Timestamp,
    ) -> Result<Revoked, DatabaseError> {
        let revoked = self.grants.revoke(grant, because, now).await?;
        if revoked == Revoked::Now {
            self.changes.publish(&Change::new(ChangeKind::Grant, grant.as_str()));
        }
        Ok(revoked)
    }

    /// Commits an event whose answer leaves in any case.
    pub(crate) async fn note(&self, event: Event) {
        self.trail.note(event).await;
    }
}
