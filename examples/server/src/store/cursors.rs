//! Where the readers of the history are: one small text for each reader, which the store replaces only if it is the expected one.
//!
//! They are not documents. A change of documents makes every cache of tags invalid, and waits for imports; a reader moves every second.
//! A backup does not have them: in another store, the entries have other positions.

use std::time::Duration;

use super::{Kind, Store, StoreError, Stream};

/// The clocks of servers that share a database may differ this much.
const SKEW: Duration = Duration::from_secs(30);
/// A count of refusals has the time at which its minute began. It is written when the minute has ended, or up to ten minutes later if
/// the store is slow.
const COUNTING: Duration = Duration::from_secs(12 * 60);

impl Store {
    /// Creates what cursors need, if it is missing.
    ///
    /// # Errors
    /// Returns an error if the store fails, or if the role may not create or use the table.
    pub(crate) async fn prepare_cursors(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(_) | Kind::Redis(_) => Ok(()),
            Kind::Postgres(store) => self.in_time(Box::pin(store.prepare_cursors())).await,
        }
    }

    /// Returns the text of a reader, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub(crate) async fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.cursor(reader),
            Kind::Postgres(store) => self.in_time(Box::pin(store.cursor(reader))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.cursor(reader))).await,
        }
    }

    /// Replaces the text of a reader if it is `seen`. Returns `false` if it is another.
    ///
    /// # Errors
    /// Returns an error if it is unknown whether the text was replaced.
    pub(crate) async fn replace_cursor(
        &self,
        reader: &str,
        seen: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.replace_cursor(reader, seen, text).await,
            Kind::Postgres(store) => self.in_time(Box::pin(store.replace_cursor(reader, seen, text))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.replace_cursor(reader, seen, text))).await,
        }
    }

    /// Returns `true` if other servers can use the same store.
    pub(crate) fn is_shared(&self) -> bool {
        match &self.kind {
            Kind::Embedded(_) => false,
            Kind::Postgres(_) | Kind::Redis(_) => true,
        }
    }

    /// Returns how much later than newer ones an entry of a stream can appear.
    ///
    /// A data file and Redis number the entries when they write them. In PostgreSQL, the position of an entry has the time of the
    /// request, and other transactions see it after the commit: a registry that answers late, a tap that waits for its turn, and a
    /// statement that runs on after the server gave up each take at most the time that the store may take.
    pub(crate) fn disorder(&self, stream: Stream) -> Duration {
        let counting = if stream == Stream::Records { Duration::ZERO } else { COUNTING };
        match &self.kind {
            Kind::Embedded(_) | Kind::Redis(_) => Duration::ZERO,
            Kind::Postgres(_) => self.patience.saturating_mul(4).saturating_add(SKEW).saturating_add(counting),
        }
    }
}
