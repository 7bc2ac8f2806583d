//! Builds the message from which a counter id is computed. A counter store keeps the counter of a tag under the counter
//! id of the tag.

use crate::cipher::Block;
use crate::value::Uid;

/// Returns the message from which a counter id is computed. The counter id is the AES-CMAC of the message under the
/// file-read key. The message is `"suntap"`, two zero bytes, `01` and the UID. Without a UID, eight zero bytes replace
/// `01` and the UID.
///
/// A session key is the CMAC of a different message, the session vector, under the same file-read key. No session
/// vector begins with `"suntap"`, so a counter id in a store is never a session key.
pub(crate) fn message(uid: Option<Uid>) -> Block {
    // This function runs for each tap, so it must be fast. Assembling two integers takes a tenth of the time of a loop
    // over the bytes.
    let label = u64::from_be_bytes(*b"suntap\0\0");
    let mut tail = [0; 8];
    if let (Some(uid), [first, rest @ ..]) = (uid, &mut tail) {
        (*first, *rest) = (0x01, *uid.as_bytes());
    }
    let tail = u64::from_be_bytes(tail);
    (u128::from(label) << 64 | u128::from(tail)).to_be_bytes()
}
