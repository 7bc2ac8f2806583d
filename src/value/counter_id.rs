//! The key under which a counter store keeps a counter.

use super::opaque::opaque_id;
use super::uid::Uid;

opaque_id! {
    /// The key of one counter in a [`CounterStore`](crate::CounterStore): 16 opaque bytes.
    ///
    /// It identifies the counter, not the text of a URL: two spellings of one tap have the same `CounterId`. A store
    /// should use it as a key and for nothing else.
    CounterId,
    /// Creates a counter id that the caller chooses, for example from a record whose tag mirrors no UID.
    ///
    /// Two tags must never share a counter id. One tag must never have two while its keys stay the same: a tap that was
    /// accepted under the first would be accepted again under the second. This type cannot check either rule. Prefer
    /// [`PreparedFileReadKey::counter_id`](crate::PreparedFileReadKey::counter_id), which keeps them.
    from_bytes
}

impl CounterId {
    /// Returns the counter id of the chip with this UID: the UID followed by nine zero bytes.
    ///
    /// Use it for chips that are personalised once. A chip that is set up again counts from 0, so its taps would be
    /// rejected under this counter id until the counter exceeds the stored one. Give such a chip a new key, and use
    /// [the counter id that depends on the key](crate::PreparedFileReadKey::counter_id).
    #[must_use]
    pub const fn from_uid(uid: Uid) -> Self {
        let mut id = [0; 16];
        if let Some(head) = id.first_chunk_mut() {
            *head = *uid.as_bytes();
        }
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_ids_of_two_uids_differ() {
        let id = |last| CounterId::from_uid(Uid::from_bytes([4, 1, 2, 3, 4, 5, last]));
        assert_ne!(id(0), id(1));
        assert_eq!(id(9).as_bytes(), &[4, 1, 2, 3, 4, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
