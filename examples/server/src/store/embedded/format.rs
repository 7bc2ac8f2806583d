//! The format number of a data file.

use redb::{Database, ReadableDatabase as _, TableDefinition, TableError, WriteTransaction};

use crate::store::StoreError;
use crate::store::format::{FORMAT, PROGRAM, Stored, migrated, pending};

/// The number, and the version of the program that wrote it. All versions of the program can read this table.
const TABLE: TableDefinition<'_, (), (u32, &str)> = TableDefinition::new("format");

/// Changes the tables in the transaction that also writes the new number.
type Migration = fn(&WriteTransaction) -> Result<(), StoreError>;

const MIGRATIONS: &[Migration] = &[to_1];

/// Adds the number itself.
#[allow(clippy::unnecessary_wraps, reason = "it is in the list of migrations")]
fn to_1(_: &WriteTransaction) -> Result<(), StoreError> {
    Ok(())
}

/// Checks that the format is not newer than the present one.
pub(super) fn check(database: &Database) -> Result<(), StoreError> {
    pending(MIGRATIONS, &stored(database)?).map(drop)
}

/// Migrates a data file to the present format. Returns what an operator should know about it.
pub(super) fn migrate(database: &Database) -> Result<Option<String>, StoreError> {
    let stored = stored(database)?;
    if pending(MIGRATIONS, &stored)?.is_empty() {
        return Ok(None);
    }
    let transaction = database.begin_write()?;
    migrate_in(&transaction, &stored)?;
    transaction.commit()?;
    Ok(Some(migrated(&stored)))
}

/// Migrates new tables of format 0.
pub(super) fn migrate_new(transaction: &WriteTransaction) -> Result<(), StoreError> {
    migrate_in(transaction, &Stored::default())
}

fn migrate_in(transaction: &WriteTransaction, stored: &Stored) -> Result<(), StoreError> {
    for migration in pending(MIGRATIONS, stored)? {
        migration(transaction)?;
    }
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
