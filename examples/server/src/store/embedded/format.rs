//! The format number of a data file.

use std::borrow::Cow;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError, TableHandle as _,
    WriteTransaction,
};

use super::DOCUMENTS;
use crate::store::StoreError;
use crate::store::format::{FORMAT, PROGRAM, Stored, migrated, pending};

/// The number, and the version of the program that wrote it. All versions of the program can read this table.
pub(super) const TABLE: TableDefinition<'_, (), (u32, &str)> = TableDefinition::new("format");

/// Changes the tables in the transaction that also writes the new number.
type Migration = fn(&WriteTransaction) -> Result<(), StoreError>;

const MIGRATIONS: &[Migration] = &[to_1];

/// The documents of format 0.
const DOCUMENTS_0: TableDefinition<'_, &str, &str> = TableDefinition::new("documents_0");

/// Adds the number itself, and compresses the documents.
fn to_1(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.rename_table(TableDefinition::<&str, &str>::new(DOCUMENTS.name()), DOCUMENTS_0)?;
    {
        let mut documents = transaction.open_table(DOCUMENTS)?;
        for entry in transaction.open_table(DOCUMENTS_0)?.iter()? {
            let (key, text) = entry?;
            documents.insert(key.value(), Cow::from(text.value()))?;
        }
    }
    transaction.delete_table(DOCUMENTS_0)?;
    Ok(())
}

/// Checks that the format is not newer than the present one.
pub(super) fn check(database: &Database) -> Result<(), StoreError> {
    pending(MIGRATIONS, &stored(database)?).map(drop)
}

/// Migrates a data file to the present format. Returns what an operator should know about it.
pub(super) fn migrate(database: &Database) -> Result<Option<String>, StoreError> {
    let stored = stored(database)?;
    let pending = pending(MIGRATIONS, &stored)?;
    if pending.is_empty() {
        return Ok(None);
    }
    let transaction = database.begin_write()?;
    for migration in pending {
        migration(&transaction)?;
    }
    write(&transaction)?;
    transaction.commit()?;
    Ok(Some(migrated(&stored)))
}

/// Writes the number of the present format.
pub(super) fn write(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(TABLE)?.insert((), (FORMAT, PROGRAM))?;
    Ok(())
}

fn stored(database: &Database) -> Result<Stored, StoreError> {
    let table = match database.begin_read()?.open_table(TABLE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Stored::default()),
        Err(error) => return Err(error.into()),
    };
    let stored = table.get(())?.map(|stored| {
        let (number, program) = stored.value();
        Stored { number, program: program.into() }
    });
    Ok(stored.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_migration_leads_to_the_present_format() {
        assert_eq!(u32::try_from(super::MIGRATIONS.len()), Ok(super::FORMAT));
    }
}
