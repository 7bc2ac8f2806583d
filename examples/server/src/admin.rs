//! What an operator does with the registry of a store, while a server uses it or not.
//!
//! The HTTP listener and the commands both use [`Admin`]. Each write is one change of the store, with an entry of the history
//! in it. The change is atomic, except in Redis. If another process changes the same documents, the write is computed again.

mod actor;
mod counters;
mod error;
mod export;
mod find;
mod keys;
mod levels;
mod listing;
mod managers;
mod tags;
mod vendor;

use self::actor::Act;
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

use crate::import::{Allowed, ImportError, Input, Report, prepare};
use crate::reseal;
use crate::secrets::Secrets;
use crate::store::{Pace, Seen, Staged, Store, StoreError, Stream};

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

    /// Imports lines: all of them, or none. Calls `done` with the number of bytes that it has processed. `pace` says whether this
    /// process also serves taps.
    ///
    /// # Errors
    /// As [`import`](crate::import::import).
    pub async fn import(
        &self,
        input: &mut Input<'_>,
        allowed: Allowed,
        pace: Pace,
        mut done: impl FnMut(u64) + Send,
    ) -> Result<Report, AdminError> {
        let mut attempts = 0;
        loop {
            let (report, staged) = prepare(self.store, self.secrets, input, allowed.clone(), &mut done).await?;
            let subject = report.to_string();
            if self.write_at(&[Act::new("import", &subject)], staged, pace, &mut attempts).await? {
                return Ok(report);
            }
            if !input.rewind().map_err(ImportError::Input)? {
                return Err(StoreError::Contended.into());
            }
        }
    }

    /// Imports one line that this program wrote. If it changes nothing, nothing is written, also no entry of the history.
    async fn import_line(&self, act: Act<'_>, line: &str) -> Result<(), AdminError> {
        let mut attempts = 0;
        while !self.try_line(&[act], line, Vec::new(), &mut attempts).await? {}
        Ok(())
    }

    /// Like `import_line`, but returns `false` if another process has changed the same documents, or those in `seen`, from which the
    /// line was computed.
    async fn try_line(
        &self,
        acts: &[Act<'_>],
        line: &str,
        seen: Vec<Seen>,
        attempts: &mut u32,
    ) -> Result<bool, AdminError> {
        let mut input = Input::text(line);
        let prepared = prepare(self.store, self.secrets, &mut input, Allowed::default(), |_| ()).await;
        let (_, mut staged) = prepared.map_err(|error| match error {
            // The caller does not know of a line.
            ImportError::Lines { mut listed, .. } if !listed.is_empty() => AdminError::Invalid(listed.swap_remove(0).1),
            error => error.into(),
        })?;
        if self.is_in_place(&staged).await? {
            return Ok(true);
        }
        staged.change.seen.extend(seen);
        self.write_at(acts, staged, Pace::BesideTaps, attempts).await
    }

    /// Records an act that changes no document by itself.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn record(&self, act: &'static str, subject: &str) -> Result<(), StoreError> {
        let act = Act::new(act, subject);
        self.store.append(Stream::Acts, vec![self.actor.entry(act)]).await?;
        self.actor.log(act);
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

    /// Returns `true` if the documents are already as a change would write them, and it raises no counter.
    async fn is_in_place(&self, Staged { change, spill }: &Staged) -> Result<bool, StoreError> {
        if spill.is_some() || !change.marks.is_empty() {
            return Ok(false);
        }
        let keys: Vec<_> = change.writes.iter().map(|(key, _)| key.clone()).collect();
        let stored = self.store.read(&keys, None).await?.documents;
        Ok(change.writes.iter().map(|(_, text)| text).eq(&stored))
    }

    /// Writes a change with its entry in the history. Returns `false` if the change must be computed again.
    async fn write(&self, act: Act<'_>, change: impl Into<Staged>, attempts: &mut u32) -> Result<bool, AdminError> {
        self.write_at(&[act], change.into(), Pace::BesideTaps, attempts).await
    }

    async fn write_at(
        &self,
        acts: &[Act<'_>],
        mut staged: Staged,
        pace: Pace,
        attempts: &mut u32,
    ) -> Result<bool, AdminError> {
        *attempts = attempts.saturating_add(1);
        staged.change.history.extend(acts.iter().map(|act| self.actor.entry(*act)));
        match self.store.apply(staged, pace).await {
            Ok(()) => {
                for act in acts {
                    self.actor.log(*act);
                }
                Ok(true)
            }
            Err(StoreError::Contended) if *attempts < ATTEMPTS => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
