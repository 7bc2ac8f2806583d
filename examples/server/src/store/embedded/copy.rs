//! Copies all tables of a data file into a new one, so that they fill its pages.

use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable as _, TableDefinition, TableHandle as _, Value,
    WriteTransaction,
};

use super::text::Stored;
use super::{DOCUMENTS, MARKS, StoreError, cursors, format, history};
use crate::store::Stream;

/// The size of a page of `redb`.
pub(super) const PAGE: usize = 4096;
/// What `redb` stores with each row of a page.
const OFFSETS: usize = 8;

/// Copies all tables into an empty file, in one transaction. If it is interrupted, the file has no tables.
pub(super) fn copy(old: &Database, new: &Database) -> Result<(), StoreError> {
    let (old, new) = (old.begin_read()?, new.begin_write()?);
    each_table(&old, &Copy { old: &old, new: &new })?;
    Ok(new.commit()?)
}

/// Checks that a copy has the same rows in all tables.
pub(super) fn compare(old: &Database, new: &impl ReadableDatabase) -> Result<(), StoreError> {
    let (old, new) = (old.begin_read()?, new.begin_read()?);
    each_table(&old, &Compare { old: &old, new: &new })?;
    if old.list_tables()?.count() == new.list_tables()?.count() { Ok(()) } else { Err(problem("it has other tables")) }
}

/// What is done with each table.
trait Work {
    fn table<K: Key + 'static, V: Value + 'static>(&self, table: TableDefinition<'_, K, V>) -> Result<(), StoreError>;
}

/// Runs `work` on each table. Fails at an unknown one: it would be lost.
fn each_table(transaction: &ReadTransaction, work: &impl Work) -> Result<(), StoreError> {
    let unknown = |name: &str| problem(&format!("suntap-server does not know its table `{name}`"));
    if let Some(table) = transaction.list_multimap_tables()?.next() {
        return Err(unknown(redb::MultimapTableHandle::name(&table)));
    }
    for table in transaction.list_tables()? {
        let name = table.name();
        if name == DOCUMENTS.name() {
            // Without a look at the texts: a damaged one is copied as it is.
            work.table(TableDefinition::<&str, Stored>::new(name))?;
        } else if name == MARKS.name() {
            work.table(MARKS)?;
        } else if name == format::TABLE.name() {
            work.table(format::TABLE)?;
        } else if name == cursors::TABLE.name() {
            work.table(cursors::TABLE)?;
        } else if let Some(stream) = Stream::ALL.into_iter().find(|stream| stream.table() == name) {
            work.table(history::definition(stream))?;
        } else {
            return Err(unknown(name));
        }
    }
    Ok(())
}

fn problem(problem: &str) -> StoreError {
    StoreError::Failed(problem.into())
}

struct Copy<'t> {
    old: &'t ReadTransaction,
    new: &'t WriteTransaction,
}

impl Work for Copy<'_> {
    /// `redb` splits a full page in the middle, so pages stay half full if all rows are written in the order of their keys. Here, about
    /// half of the rows are written first, evenly distributed, and the others then fill the pages.
    fn table<K: Key + 'static, V: Value + 'static>(&self, table: TableDefinition<'_, K, V>) -> Result<(), StoreError> {
        let (old, mut new) = (self.old.open_table(table)?, self.new.open_table(table)?);
        for is_first_turn in [true, false] {
            let mut due = 0_usize;
            for row in old.iter()? {
                let (key, value) = row?;
                let (key, value) = (key.value(), value.value());
                due = due.saturating_add(share(row_length::<K, V>(&key, &value)));
                let is_first = due >= PAGE;
                if is_first {
                    due = due.wrapping_sub(PAGE);
                }
                if is_first == is_first_turn {
                    new.insert(key, value)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns how many of [`PAGE`] rows of this length are written in the first turn: half, and somewhat more the longer they are. The
/// first half of a split page is the larger one, by up to one row, and what is added to it must not split it again.
fn share(length: usize) -> usize {
    const HALF: usize = PAGE.wrapping_div(2);
    // Measured: with less, pages are split again, and with more, they are less full.
    HALF.saturating_add(length.saturating_mul(3).wrapping_div(2).min(HALF))
}

fn row_length<K: Key, V: Value>(key: &K::SelfType<'_>, value: &V::SelfType<'_>) -> usize {
    let (key, value) = (K::as_bytes(key), V::as_bytes(value));
    key.as_ref().len().saturating_add(value.as_ref().len()).saturating_add(OFFSETS)
}

struct Compare<'t> {
    old: &'t ReadTransaction,
    new: &'t ReadTransaction,
}

impl Work for Compare<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(&self, table: TableDefinition<'_, K, V>) -> Result<(), StoreError> {
        let (old, new) = (self.old.open_table(table)?, self.new.open_table(table)?);
        let mut new = new.iter()?;
        for row in old.iter()? {
            let (key, value) = row?;
            let is_same = match new.next().transpose()? {
                Some((new_key, new_value)) => {
                    K::as_bytes(&key.value()).as_ref() == K::as_bytes(&new_key.value()).as_ref()
                        && V::as_bytes(&value.value()).as_ref() == V::as_bytes(&new_value.value()).as_ref()
                }
                None => false,
            };
            if !is_same {
                return Err(problem(&format!("the copy of the table `{}` differs", table.name())));
            }
        }
        match new.next().transpose()? {
            Some(_) => Err(problem(&format!("the copy of the table `{}` is longer", table.name()))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::ReadableTableMetadata as _;
    use redb::backends::InMemoryBackend;

    use super::*;

    fn file() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    #[test]
    fn pages_become_full_and_other_rows_are_noticed() {
        // The length of values, and how full their pages must be in percent. Fewer long rows fit a page exactly.
        for (least, most, full) in [(10, 30, 80), (100, 170, 80), (20, 400, 70)] {
            let (old, new) = (file(), file());
            let transaction = old.begin_write().unwrap();
            let mut documents = transaction.open_table(TableDefinition::<&str, Stored>::new(DOCUMENTS.name())).unwrap();
            for number in 0..20_000_usize {
                let length = least + number * 7919 % (most - least);
                documents.insert(&*format!("{number:010}"), &*vec![7; length]).unwrap();
            }
            drop(documents);
            transaction.commit().unwrap();
            copy(&old, &new).unwrap();
            compare(&old, &new).unwrap();
            let stats = new.begin_read().unwrap().open_table(DOCUMENTS).unwrap().stats().unwrap();
            let used = stats.stored_bytes() + 20_000 * u64::try_from(OFFSETS).unwrap();
            let is_full = used * 100 / (stats.leaf_pages() * u64::try_from(PAGE).unwrap());
            assert!(is_full >= full, "{least} to {most} bytes: {is_full}%");

            for (key, value) in [("0000000007", Some(&b"other"[..])), ("0000000007", None), ("9", Some(b"new"))] {
                let transaction = old.begin_write().unwrap();
                let mut documents =
                    transaction.open_table(TableDefinition::<&str, Stored>::new(DOCUMENTS.name())).unwrap();
                match value {
                    Some(value) => drop(documents.insert(key, value).unwrap()),
                    None => drop(documents.remove(key).unwrap()),
                }
                drop(documents);
                transaction.commit().unwrap();
                let error = compare(&old, &new).unwrap_err().to_string();
                assert!(error.contains("the copy of the table `documents`"), "{error}");
            }
        }
    }
}
