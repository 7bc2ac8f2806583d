//! Defines how meta-read keys, which decrypt PICCData, are passed to a verifier.

use crate::key::{PreparedMetaReadKey, SdmMetaReadKey};
use crate::value::Scheme;

/// The meta-read keys of a [`Verifier`](crate::Verifier). Pass one key, an array of keys, a `Vec` of keys (feature
/// `alloc`), or `()` for a layout without `{picc}`.
///
/// A verifier computes the key schedule of each `SdmMetaReadKey` only once, when the verifier is created. For each tap,
/// the verifier tries the keys in order, so the time per tap grows with the number of keys.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of meta-read keys",
    note = "pass an `SdmMetaReadKey`, an array or `Vec` of them, or `()` if the layout has no `{{picc}}`"
)]
pub trait MetaKeys {
    /// The collection of the prepared keys, for example an array or a `Vec`.
    type Prepared: AsRef<[PreparedMetaReadKey]>;

    /// Prepares the keys for the scheme of a layout.
    fn into_prepared(self, scheme: Scheme) -> Self::Prepared;
}

impl MetaKeys for () {
    type Prepared = [PreparedMetaReadKey; 0];

    fn into_prepared(self, _: Scheme) -> Self::Prepared {
        []
    }
}

impl MetaKeys for SdmMetaReadKey {
    type Prepared = [PreparedMetaReadKey; 1];

    fn into_prepared(self, scheme: Scheme) -> Self::Prepared {
        [self.prepare(scheme)]
    }
}

impl MetaKeys for PreparedMetaReadKey {
    type Prepared = [Self; 1];

    fn into_prepared(self, _: Scheme) -> Self::Prepared {
        [self]
    }
}

impl<const N: usize> MetaKeys for [SdmMetaReadKey; N] {
    type Prepared = [PreparedMetaReadKey; N];

    fn into_prepared(self, scheme: Scheme) -> Self::Prepared {
        self.map(|key| key.prepare(scheme))
    }
}

#[cfg(feature = "alloc")]
impl MetaKeys for alloc::vec::Vec<SdmMetaReadKey> {
    type Prepared = alloc::vec::Vec<PreparedMetaReadKey>;

    fn into_prepared(self, scheme: Scheme) -> Self::Prepared {
        self.iter().map(|key| key.prepare(scheme)).collect()
    }
}
