//! The secrets in use, and what is prepared with them.

use suntap::platform::{Service, etrnl::Etrnl, ixkio::Ixkio};

use crate::registry::{Caches, Registry};
use crate::secrets::Secrets;
use crate::store::Store;

/// The secrets in use, with the documents that were parsed with them. A request keeps the ones that it began with, so that a
/// reload changes nothing in the middle of a request. When the last of these requests ends, the old secrets and everything that was
/// prepared with them are wiped.
#[derive(Debug)]
pub(crate) struct InUse {
    pub(crate) secrets: Secrets,
    caches: Caches,
}

impl InUse {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, caches: Caches::default() }
    }

    pub(crate) fn registry<'a>(&'a self, store: &'a Store) -> Registry<'a> {
        Registry::new(store, &self.caches, &self.secrets)
    }

    pub(crate) fn service(&self) -> Service<'_> {
        Service::new(&self.secrets.server)
    }

    pub(crate) fn ixkio(&self) -> Ixkio<'_> {
        Ixkio::new(self.service(), &self.secrets.api_keys)
    }

    pub(crate) fn etrnl(&self) -> Etrnl<'_> {
        Etrnl::new(self.service(), &self.secrets.api_keys)
    }
}
