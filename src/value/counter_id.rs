//! Defines the counter id, under which a counter store keeps the counter of a tag.

use super::opaque::opaque_id;

opaque_id! {
    /// The id under which a [`CounterStore`](crate::CounterStore) keeps one counter: 16 opaque bytes.
    ///
    /// A `CounterId` does not depend on the spelling of the URL: upper-case and lower-case hexadecimal digits give the
    /// same `CounterId`. A store should compare the bytes, but not interpret them.
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
