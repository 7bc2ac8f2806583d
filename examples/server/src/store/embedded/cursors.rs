//! The cursors in a data file: a table that is created with the first one.

use std::sync::Arc;

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};

use super::{Embedded, StoreError, guarded, verified};

pub(super) const TABLE: TableDefinition<'_, &str, &str> = TableDefinition::new("suntap_cursors");

impl Embedded {
    pub(in crate::store) fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError> {
        guarded(&self.guard, || match self.database.begin_read()?.open_table(TABLE) {
            Ok(table) => Ok(table.get(reader)?.map(|text| text.value().to_owned())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })
    }

    pub(in crate::store) async fn replace_cursor(
        &self,
        reader: &str,
        seen: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        let (reader, seen, text) = (reader.to_owned(), seen.map(str::to_owned), text.to_owned());
        let write = move || {
            verified(&guard, || {
                let transaction = database.begin_write()?;
                {
                    let mut table = transaction.open_table(TABLE)?;
                    if table.get(&*reader)?.as_ref().map(redb::AccessGuard::value) != seen.as_deref() {
                        return Ok(false);
                    }
                    table.insert(&*reader, &*text)?;
                }
                transaction.commit()?;
                Ok(true)
            })
        };
        tokio::task::spawn_blocking(write).await.unwrap_or(Err(StoreError::Closed))
    }
}
