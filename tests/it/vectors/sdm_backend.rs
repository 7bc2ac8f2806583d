//! The vectors of the derivations of nfc-developer/sdm-backend.

use suntap::kdf::sdm_backend::Master;

use super::{Checked, Entry, each, equal};

fn check(entry: Entry<'_>, master: fn(&[u8]) -> Option<Master>) -> Checked {
    let master = master(&entry.bytes("master_key")).unwrap();
    let number = u8::try_from(entry.number("key_no").unwrap()).unwrap();
    let key = match entry.uid() {
        Some(uid) => master.application_key(uid, number),
        None => master.shared_application_key(number).ok_or("no such key")?,
    };
    equal("diversified", entry.uid().is_some(), entry.flag("diversified").unwrap())?;
    equal("key", key.expose_bytes(), &entry.array("key"))?;
    match (entry.uid(), number) {
        (Some(uid), 2) => equal("file key", master.file_read_key(uid).expose_bytes(), key.expose_bytes()),
        (None, 1) => equal("meta key", master.meta_read_key().expose_bytes(), key.expose_bytes()),
        _ => Ok(()),
    }
}

#[test]
fn standard() {
    each("sdm_backend_derive", |entry| check(entry, Master::standard));
}

#[test]
fn legacy() {
    each("sdm_backend_legacy_derive", |entry| check(entry, Master::legacy));
}
