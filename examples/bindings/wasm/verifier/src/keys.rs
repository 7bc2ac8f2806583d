//! Reads the keys from the bytes that the host passed, and wipes these bytes.

use alloc::vec::Vec;
use core::hint::black_box;

use suntap::{MasterKey, ParseError, SdmFileReadKey, SdmMetaReadKey};
use suntap_bindings::{Failure as Cause, FileKey, MetaKey};
use zeroize::{Zeroize, Zeroizing};

use crate::Failure;

/// Reads the SDMMetaReadKey.
pub(crate) fn meta(key: Option<Vec<u8>>) -> Result<MetaKey, Failure> {
    Ok(MetaKey(key.map(|bytes| read(bytes, SdmMetaReadKey::from_bytes, SdmMetaReadKey::from_hex)).transpose()?))
}

/// Reads the source of the SDMFileReadKeys. The host gives exactly one of the two keys.
pub(crate) fn file(
    same: Option<Vec<u8>>,
    master: Option<Vec<u8>>,
    suffix: &[u8],
    epoch: u32,
) -> Result<FileKey, Failure> {
    match (same, master) {
        (Some(bytes), None) => Ok(FileKey::Same(read(bytes, SdmFileReadKey::from_bytes, SdmFileReadKey::from_hex)?)),
        (None, Some(bytes)) => {
            Ok(FileKey::derived(read(bytes, MasterKey::from_bytes, MasterKey::from_hex)?, suffix, epoch)?)
        }
        // These bytes are wiped, too.
        (same, master) => {
            drop((same.map(Zeroizing::new), master.map(Zeroizing::new)));
            Err(Failure::argument("give either fileReadKey or masterKey"))
        }
    }
}

/// Reads a key from 16 bytes, or from the bytes of 32 hexadecimal digits.
fn read<K>(
    bytes: Vec<u8>,
    from_bytes: fn([u8; 16]) -> K,
    from_hex: fn(&str) -> Result<K, ParseError>,
) -> Result<K, Cause> {
    let bytes = Zeroizing::new(bytes);
    if let Ok(raw) = <[u8; 16]>::try_from(&**bytes) {
        let raw = Zeroizing::new(raw);
        return Ok(from_bytes(*raw));
    }
    from_hex(str::from_utf8(&bytes).map_err(|_| Cause::Key)?).map_err(Cause::from)
}

/// Calls `action`, and then overwrites the part of the stack that it used, where moved keys may have left copies.
pub(crate) fn on_wiped_stack<T>(action: impl FnOnce() -> T) -> T {
    let result = apart(action);
    wipe_stack();
    result
}

/// Calls `action` in a stack frame of its own, which is below the frame of the caller.
#[inline(never)]
fn apart<T>(action: impl FnOnce() -> T) -> T {
    action()
}

#[inline(never)]
fn wipe_stack() {
    let mut unused = [0_u8; 16 * 1024];
    unused.zeroize();
    black_box(&unused);
}
