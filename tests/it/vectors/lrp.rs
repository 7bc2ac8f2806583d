//! The vectors of LRP mode.

use suntap::Scheme;
use suntap::lrp::{self, Lrp};
use suntap::sun::session::{self, EncKey, MacKey};

use super::{Entry, each, enc_key, equal, mac_key};

#[test]
fn picc_data() {
    each("picc_data_lrp", |entry| super::picc_data(entry, Scheme::Lrp));
}

#[test]
fn session_keys() {
    each("session_keys_lrp", |entry| {
        let key = entry.file_key("file_read_key", Scheme::Lrp);
        let (uid, ctr) = (entry.uid(), entry.ctr());
        equal("sv", session::sv(uid, ctr), entry.array("sv"))?;
        let master = mac_key(entry, "master", Scheme::Lrp);
        equal("master", MacKey::derive(&key, uid, ctr).unwrap(), master.clone())?;
        let updated = |index| lrp::updated_key(master.expose_bytes(), index);
        equal("mac_updated_key", updated(0), entry.array("mac_updated_key"))?;
        let (Some(uid), Some(ctr)) = (uid, ctr) else {
            return equal("enc_updated_key", None, entry.opt("enc_updated_key"));
        };
        equal("master of enc", EncKey::derive(&key, uid, ctr).unwrap(), enc_key(entry, "master", Scheme::Lrp))?;
        equal("enc_updated_key", updated(1), entry.array("enc_updated_key"))
    });
}

#[test]
fn sdmmac() {
    each("sdmmac_lrp", |entry| super::sdmmac(entry, Scheme::Lrp, "master"));
}

#[test]
fn enc_file_data() {
    each("enc_file_data_lrp", |entry| super::enc_file_data(entry, Scheme::Lrp, "master"));
}

#[test]
fn lrp_spt() {
    each("lrp_spt", |entry| {
        let (key, index) = (entry.array("key"), u8::try_from(entry.number("index").unwrap()).unwrap());
        let value = match entry.text("what") {
            "plaintext" => lrp::plaintexts(&key)[usize::from(index)],
            "updated_key" => lrp::updated_key(&key, index),
            other => panic!("{other}"),
        };
        equal("value", value, entry.array("value"))
    });
}

fn lrp_of(entry: Entry<'_>) -> Lrp {
    Lrp::new(&entry.array("key"), entry.number("updated_key_index").unwrap().try_into().unwrap())
}

#[test]
fn lrp_eval() {
    each("lrp_eval", |entry| {
        let nibbles = entry.text("x_nibbles").chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap());
        equal("res", lrp_of(entry).eval(nibbles, entry.flag("final").unwrap()), entry.array("res"))
    });
}

#[test]
fn lricb() {
    each("lricb", |entry| {
        let mut padded = entry.bytes("pt");
        if entry.flag("pad").unwrap() {
            // Padding method 2 of ISO/IEC 9797-1.
            padded.push(0x80);
            padded.resize(padded.len().next_multiple_of(16), 0);
        }
        let (mut data, mut counter) = (padded.clone(), entry.bytes("ctr"));
        lrp_of(entry).encrypt(&mut counter, data.as_chunks_mut().0);
        equal("ct", &data, &entry.bytes("ct"))?;
        equal("ctr_after", counter, entry.bytes("ctr_after"))?;
        let mut counter = entry.bytes("ctr");
        lrp_of(entry).decrypt(&mut counter, data.as_chunks_mut().0);
        equal("pt", data, padded)?;
        equal("ctr_after", counter, entry.bytes("ctr_after"))
    });
}

#[test]
fn lrp_cmac() {
    each("lrp_cmac", |entry| equal("mac", lrp_of(entry).cmac(&entry.bytes("msg")), entry.array("mac")));
}
