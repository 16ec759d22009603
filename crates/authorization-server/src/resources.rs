//! Every resource that a token may be for: our own gateway's, which are implicit, and those that an admin registered,
//! kept in memory and forgotten through the `change` table. A stranger's URI costs no look-up in the database.

use std::sync::Arc;

use portcullis_database::{ChangeFeed, ChangeKind, DatabaseError};
use portcullis_oauth::{ClientId, Resource, ResourceRegistry, ResourceUri};

use crate::openid;
use crate::store::{RegisteredResource, Resources};
use portcullis_database::Remembered;

/// The registered resources as last read.
type Snapshot = Arc<[RegisteredResource]>;

/// The resources of this deployment.
pub(crate) struct KnownResources {
    own: ResourceRegistry,
    /// Where OpenID Connect is on.
    userinfo: Option<Resource>,
    store: Resources,
    snapshot: Remembered<[RegisteredResource]>,
}

impl KnownResources {
    pub(crate) fn new(own: ResourceRegistry, store: Resources, changes: ChangeFeed) -> Self {
        Self { own, userinfo: None, store, snapshot: Remembered::new(ChangeKind::Resource, changes) }
    }

    /// The same with `UserInfo`, if OpenID Connect is on.
    pub(crate) fn with_openid(mut self, is_on: bool) -> Self {
        self.userinfo = is_on.then(|| openid::userinfo(self.own.public_url())).flatten();
        self
    }

    /// `UserInfo`; `None` where OpenID Connect is off.
    pub(crate) fn userinfo(&self) -> Option<&Resource> {
        self.userinfo.as_ref()
    }

    /// Where the registered ones are kept.
    pub(crate) fn store(&self) -> &Resources {
        &self.store
    }

    /// The resource with this identifier. Our own come first: nobody can register over them.
    pub(crate) async fn find(&self, uri: &ResourceUri) -> Result<Option<Resource>, DatabaseError> {
        if let Some(own) = self.own.find(uri) {
            return Ok(Some(own));
        }
        if let Some(userinfo) = self.userinfo().filter(|userinfo| userinfo.uri == *uri) {
            return Ok(Some(userinfo.clone()));
        }
        Ok(self.registered(uri).await?.map(|resource| resource.resource()))
    }

    /// The registered resource with this identifier; `None` for our own.
    pub(crate) async fn registered(
        &self,
        uri: &ResourceUri,
    ) -> Result<Option<RegisteredResource>, DatabaseError> {
        if self.is_own(uri) {
            return Ok(None);
        }
        Ok(self.all().await?.iter().find(|resource| resource.what.uri == *uri).cloned())
    }

    /// The resource whose server is this client; never one of our own, whatever was registered over it.
    pub(crate) async fn of_client(
        &self,
        client: &ClientId,
    ) -> Result<Option<RegisteredResource>, DatabaseError> {
        let found = self.all().await?.iter().find(|resource| resource.client_id == *client).cloned();
        Ok(found.filter(|resource| !self.is_own(&resource.what.uri)))
    }

    fn is_own(&self, uri: &ResourceUri) -> bool {
        self.own.has(uri) || self.userinfo().is_some_and(|userinfo| userinfo.uri == *uri)
    }

    async fn all(&self) -> Result<Snapshot, DatabaseError> {
        self.snapshot.get(async { self.store.list().await.map(Arc::from) }).await
    }
}
