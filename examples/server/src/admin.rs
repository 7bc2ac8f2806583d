//! What an operator does with the registry of a store, while a server uses it or not.
//!
//! The HTTP listener and the commands both use [`Admin`]. Each write is one atomic change of the store, with an entry of the history
//! in it. If another process changes the same documents, the write is computed again.

mod actor;
mod counters;
mod error;
mod export;
mod keys;
mod levels;
mod listing;
mod managers;
mod tags;
mod vendor;

pub use self::actor::Actor;
pub use self::counters::Counter;
pub use self::error::AdminError;
pub use self::export::Export;
pub use self::levels::{LevelKind, Place};
pub use self::listing::Listed;
pub use self::managers::NewManager;
pub(crate) use self::managers::{authenticate, has_manager};
pub use self::tags::{TagDetails, tag_key};
pub use self::vendor::{VendorChange, VendorTag};

use crate::import::{Allowed, ImportError, Report, prepare};
use crate::reseal;
use crate::secrets::Secrets;
use crate::store::{Change, Store, StoreError, Stream};

/// How often a write is computed again after another process has changed the same documents.
const ATTEMPTS: u32 = 5;

/// The administration of a store, by one person or program.
#[derive(Debug)]
pub struct Admin<'s> {
    store: &'s Store,
    secrets: &'s Secrets,
    actor: Actor,
}

impl<'s> Admin<'s> {
    /// Creates the service.
    #[must_use]
    pub fn new(store: &'s Store, secrets: &'s Secrets, actor: Actor) -> Self {
        Self { store, secrets, actor }
    }

    /// Imports lines: all of them, or none. Calls `done` with the number of bytes that it has processed.
    ///
    /// # Errors
    /// As [`import`](crate::import::import).
    pub async fn import(
        &self,
        text: &str,
        allowed: Allowed,
        mut done: impl FnMut(u64) + Send,
    ) -> Result<Report, AdminError> {
        let mut attempts = 0;
        loop {
            let (report, change) = prepare(self.store, self.secrets, text, allowed, &mut done).await?;
            let subject = format!("{} tags, {} other lines", report.tags, report.others);
            if self.write("import", &subject, change, &mut attempts).await? {
                return Ok(report);
            }
        }
    }

    /// Imports one line that this program wrote, as the act `act` on `subject`.
    async fn import_line(&self, act: &'static str, subject: &str, line: &str) -> Result<(), AdminError> {
        let mut attempts = 0;
        loop {
            let prepared = prepare(self.store, self.secrets, line, Allowed::default(), |_| ()).await;
            let (_, change) = prepared.map_err(|error| match error {
                // The caller does not know of a line.
                ImportError::Lines { mut listed, .. } if !listed.is_empty() => {
                    AdminError::Invalid(listed.swap_remove(0).1)
                }
                error => error.into(),
            })?;
            if self.write(act, subject, change, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Records an act that changes no document by itself.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn record(&self, act: &'static str, subject: &str) -> Result<(), StoreError> {
        self.store.append(Stream::Records, vec![self.actor.entry(act, subject)]).await?;
        self.actor.log(act, subject);
        Ok(())
    }

    /// Seals the keys of all tags under the first server secret. Calls `progress` after each part.
    ///
    /// # Errors
    /// As [`reseal`](reseal::reseal).
    pub async fn reseal(&self, progress: impl FnMut(&reseal::Report) + Send) -> Result<reseal::Report, AdminError> {
        self.record("reseal", "store").await?;
        Ok(reseal::reseal(self.store, self.secrets, progress).await?)
    }

    /// Writes a change with its entry in the history. Returns `false` if the change must be computed again.
    async fn write(
        &self,
        act: &'static str,
        subject: &str,
        mut change: Change,
        attempts: &mut u32,
    ) -> Result<bool, AdminError> {
        *attempts = attempts.saturating_add(1);
        change.history.push(self.actor.entry(act, subject));
        match self.store.change(&change).await {
            Ok(()) => {
                self.actor.log(act, subject);
                Ok(true)
            }
            Err(StoreError::Contended) if *attempts < ATTEMPTS => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
