//! Builds the message from which a counter id is computed.

use crate::cipher::Block;
use crate::value::Uid;

/// Returns the message whose CMAC under the file-read key is the counter id. The message is `"suntap"`, two zero bytes,
/// `01` and the UID. Without a UID, eight zero bytes replace `01` and the UID.
///
/// Session keys are CMACs of session vectors under the same key. No session vector begins with `"suntap"`, so a counter
/// id in a store is never a session key.
pub(crate) fn message(uid: Option<Uid>) -> Block {
    // This function runs for each tap. Assembling two integers takes a tenth of the time of a loop over the bytes.
    let label = u64::from_be_bytes(*b"suntap\0\0");
    let mut tail = [0; 8];
    if let (Some(uid), [first, rest @ ..]) = (uid, &mut tail) {
        (*first, *rest) = (0x01, *uid.as_bytes());
    }
    let tail = u64::from_be_bytes(tail);
    (u128::from(label) << 64 | u128::from(tail)).to_be_bytes()
}
