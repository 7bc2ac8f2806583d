//! The key under which a counter store keeps a counter.

use super::opaque::opaque_id;

opaque_id! {
    /// The key of one counter in a [`CounterStore`](crate::CounterStore): 16 opaque bytes.
    ///
    /// A `CounterId` does not depend on the spelling of the URL, so two spellings of one tap have the same `CounterId`.
    /// A store should use the `CounterId` only as a key.
    CounterId,
    /// Creates a counter id from bytes that the caller chooses.
    ///
    /// Two rules apply, which this type cannot check:
    /// - Two tags must never share a counter id.
    /// - A tag must never have two counter ids while its keys stay the same. Otherwise, a tap that was accepted under
    ///   the first id would be accepted again under the second id.
    ///
    /// Prefer [`PreparedFileReadKey::counter_id`](crate::PreparedFileReadKey::counter_id), which follows both rules.
    from_bytes
}
