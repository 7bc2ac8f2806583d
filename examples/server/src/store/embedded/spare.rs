//! Makes a new data file as short as it can stay.
//!
//! `redb` needs free pages for each transaction, and for what it writes when it closes the file. If there are none, it doubles the
//! file, and often uses a page near its new end, because it prefers the smallest free block. The file then cannot be truncated again.
//!
//! So the file keeps some free pages. Its number of pages is a multiple of a power of two. Then `redb` has no small free block near
//! its end after it has doubled the file to write the last transaction here.

use std::io;
use std::path::Path;

use redb::{Database, TableDefinition, TableHandle as _};

use super::StoreError;
use super::copy::PAGE;

/// The start of the names of tables whose pages will be free pages. Each has one row.
const PREFIX: &str = "spare/";
/// More than what a row takes in a page beside its value, and less than half a page.
const MARGIN: usize = 256;
/// The bounds of the power of two. There are as many free pages, and up to twice as many.
const LEAST: usize = 16;
const MOST: usize = 256;
/// About how many pages there are for each free one, between these bounds.
const USED: usize = 64;

/// Moves all pages to the start of the file, truncates it, and leaves some of its pages free.
pub(super) fn trim(database: &mut Database, path: &Path) -> Result<(), StoreError> {
    compact(database)?;
    let multiple = pages(path)?.wrapping_div(USED).clamp(LEAST, MOST).next_power_of_two();
    let mut spare = multiple.saturating_add(missing(path, multiple)?);
    // Once is enough, unless the file had gaps that `compact` could not fill before.
    for round in 0..4 {
        if spare > 0 {
            add(database, round, spare)?;
            compact(database)?;
            spare = missing(path, multiple)?;
        }
    }
    let transaction = database.begin_write()?;
    for table in transaction.list_tables()?.filter(|table| table.name().starts_with(PREFIX)) {
        transaction.delete_table(table)?;
    }
    Ok(transaction.commit()?)
}

/// Moves pages to the start of the file, and truncates it after the last one.
fn compact(database: &mut Database) -> Result<(), StoreError> {
    // Each call ends when it cannot move any page. The pages that it freed may let the next one move more.
    while database.compact()? {}
    Ok(())
}

/// Returns how many pages the file has beside its header.
fn pages(path: &Path) -> io::Result<usize> {
    let length = usize::try_from(path.metadata()?.len()).unwrap_or(usize::MAX);
    Ok(length.wrapping_div(PAGE).saturating_sub(1))
}

/// Returns how many pages the file has too few for a multiple of a power of two.
fn missing(path: &Path, multiple: usize) -> io::Result<usize> {
    Ok(pages(path)?.wrapping_neg() & multiple.wrapping_sub(1))
}

/// Adds tables that take this number of pages: one for each bit of it, because `redb` gives a row a power of two of pages.
fn add(database: &Database, round: usize, pages: usize) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    for bit in (0..usize::BITS).map(|order| 1 << order).filter(|bit| pages & bit != 0) {
        let name = format!("{PREFIX}{round}/{bit}");
        let value = vec![0; PAGE.saturating_mul(bit).saturating_sub(MARGIN)];
        transaction.open_table(TableDefinition::<(), &[u8]>::new(&name))?.insert((), &*value)?;
    }
    Ok(transaction.commit()?)
}
