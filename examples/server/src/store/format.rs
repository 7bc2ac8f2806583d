//! Format numbers of stores.
//!
//! A store keeps the number of its format, and the version of the program that wrote the number. A store without a number was made
//! before there were numbers, and has format 0. A program migrates a store with a smaller number when it opens the store, and
//! refuses one with a greater number.
//!
//! Each kind of store has a list of migrations. The first one leads from format 0 to format 1. To make a new format, add one
//! migration to the end of each list, and count up [`FORMAT`].

use super::StoreError;

/// The format that this program writes.
pub const FORMAT: u32 = 1;

/// The version of this program.
pub(super) const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// The format of a store, as the store says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) number: u32,
    /// The version of the program that migrated or created the store.
    pub(super) program: String,
}

/// Returns the migrations that lead from the stored format to the present one. Returns an error if the stored format is newer.
pub(super) fn pending<'m, M>(migrations: &'m [M], stored: &Stored) -> Result<&'m [M], StoreError> {
    let pending = usize::try_from(stored.number).ok().and_then(|number| migrations.get(number..));
    pending.ok_or_else(|| StoreError::Newer { format: stored.number, program: stored.program.clone() })
}

/// Returns what an operator should know after a migration.
pub(super) fn migrated(stored: &Stored) -> String {
    format!(
        "the store was migrated from format {} to format {FORMAT}: do not use an older suntap-server with it",
        stored.number
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused() {
        let stored = |number| Stored { number, program: "9.8.7".into() };
        assert_eq!(pending(&["to 1", "to 2"], &stored(0)).unwrap(), ["to 1", "to 2"]);
        assert_eq!(pending(&["to 1", "to 2"], &stored(1)).unwrap(), ["to 2"]);
        assert!(pending(&["to 1", "to 2"], &stored(2)).unwrap().is_empty());
        let error = pending(&["to 1"], &stored(2)).unwrap_err().to_string();
        assert_eq!(
            error,
            "the store has format 2, and this program supports formats up to 1: use suntap-server 9.8.7 or a newer one"
        );
    }
}
