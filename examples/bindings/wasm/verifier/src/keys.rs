//! Reads the keys from the bytes that the host passed, and wipes these bytes.

use alloc::vec::Vec;

use suntap::{MasterKey, SdmFileReadKey, SdmMetaReadKey};
use suntap_bindings::{FileKey, MetaKey};
use suntap_wasm_shared::read_key;
use zeroize::Zeroizing;

use crate::Failure;

type Cause = suntap_bindings::Failure;

/// Reads the SDMMetaReadKey.
pub(crate) fn meta(key: Option<Vec<u8>>) -> Result<MetaKey, Failure> {
    let read = |bytes| read_key(bytes, SdmMetaReadKey::from_bytes, SdmMetaReadKey::from_hex).ok_or(Cause::Key);
    Ok(MetaKey(key.map(read).transpose()?))
}

/// Reads the source of the SDMFileReadKeys. The host gives exactly one of the two keys.
pub(crate) fn file(
    same: Option<Vec<u8>>,
    master: Option<Vec<u8>>,
    suffix: &[u8],
    epoch: u32,
) -> Result<FileKey, Failure> {
    match (same, master) {
        (Some(bytes), None) => {
            let key = read_key(bytes, SdmFileReadKey::from_bytes, SdmFileReadKey::from_hex);
            Ok(FileKey::Same(key.ok_or(Cause::Key)?))
        }
        (None, Some(bytes)) => {
            let key = read_key(bytes, MasterKey::from_bytes, MasterKey::from_hex);
            Ok(FileKey::derived(key.ok_or(Cause::Key)?, suffix, epoch)?)
        }
        // These bytes are wiped, too.
        (same, master) => {
            drop((same.map(Zeroizing::new), master.map(Zeroizing::new)));
            Err(Failure::argument("give either fileReadKey or masterKey"))
        }
    }
}
