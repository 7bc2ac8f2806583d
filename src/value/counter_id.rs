//! Defines the key under which a counter store keeps a counter.

use super::opaque::opaque_id;

opaque_id! {
    /// The key of one counter in a [`CounterStore`](crate::CounterStore): 16 opaque bytes.
    ///
    /// A `CounterId` does not depend on the spelling of the URL: upper-case and lower-case digits give the same
    /// `CounterId`. A store should use the bytes only as a key, and not interpret them.
    CounterId,
    /// Creates a counter id from bytes that the caller chooses.
    ///
    /// The caller must follow two rules, which this type cannot check:
    /// - Two tags must never share a counter id.
    /// - A tag must never have two counter ids while its keys stay the same. Otherwise, a tap that was accepted under
    ///   the first id would be accepted again under the second id.
    ///
    /// Prefer [`PreparedFileReadKey::counter_id`](crate::PreparedFileReadKey::counter_id), which follows these rules.
    from_bytes
}
