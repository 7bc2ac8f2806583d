//! The key under which a counter store keeps a counter.

use super::opaque::opaque_id;

opaque_id! {
    /// The key of one counter in a [`CounterStore`](crate::CounterStore): 16 opaque bytes.
    ///
    /// A `CounterId` identifies a counter and not the text of a URL, so two spellings of one tap have the same
    /// `CounterId`. A store should use it only as a key.
    CounterId,
    /// Creates a counter id from bytes that the caller chooses.
    ///
    /// Two tags must never share a counter id. While its keys stay the same, a tag must never have two counter ids,
    /// because a tap that was accepted under the first id would be accepted again under the second. This type cannot
    /// check either rule. Prefer [`PreparedFileReadKey::counter_id`](crate::PreparedFileReadKey::counter_id), which
    /// follows both rules.
    from_bytes
}
