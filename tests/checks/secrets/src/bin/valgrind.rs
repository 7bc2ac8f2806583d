//! Runs suntap under valgrind with keys marked as uninitialised, so that valgrind reports each branch and each address
//! that depends on a key. The computations must run without a report. Results that are public by design are marked as
//! public, only in this file.
//!
//! `valgrind` runs the computations that must not be reported. `valgrind disclosed` also runs those that branch on a
//! secret because their result discloses it. `valgrind leak` runs a table lookup that must be reported.

use core::time::Duration;
use std::process::ExitCode;

use suntap::kdf::ecode::{self, ECode, SealedKeys, ServerSecret, TagContext};
use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard};
use suntap::lrp::Lrp;
use suntap::platform::ApiKeySecret;
use suntap::sun::ntag22x;
use suntap::sun::session::{EncKey, MacKey};
use suntap::token::{Grant, TOKEN_CHARS, TokenKey};
use suntap::{
    IssuerKey, MasterKey, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMac, SdmMetaReadKey, SdmReadCtr, Uid,
    UnixMillis,
};

unsafe extern "C" {
    fn make_secret(bytes: *const u8, len: usize);
    fn make_public(bytes: *const u8, len: usize);
    fn under_valgrind() -> i32;
}

fn secret<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    let bytes = std::hint::black_box(bytes);
    // SAFETY: valgrind only marks the memory, which is valid for `N` bytes.
    unsafe { make_secret(bytes.as_ptr(), N) };
    bytes
}

fn public<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    let bytes = std::hint::black_box(bytes);
    // SAFETY: see `secret`.
    unsafe { make_public(bytes.as_ptr(), N) };
    bytes
}

/// Marks a decision that depends on secrets as public.
fn disclosed(choice: bool) -> bool {
    public([u8::from(choice)]) == [1]
}

fn main() -> ExitCode {
    // SAFETY: the request has no side effects.
    if unsafe { under_valgrind() } == 0 {
        eprintln!("run this program under valgrind");
        return ExitCode::FAILURE;
    }
    let key = secret(*b"nobody may know!");
    if std::env::args().nth(1).as_deref() == Some("leak") {
        let table: [u8; 256] = core::array::from_fn(|index| (index as u8).wrapping_mul(7));
        println!("{}", public([table[usize::from(key[3])]])[0]);
        return ExitCode::SUCCESS;
    }
    let (uid, ctr) = (Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]), SdmReadCtr::new(61));
    let message: Vec<u8> = (0..77).collect();
    let mut right = 0;
    for mode in [Scheme::Aes, Scheme::Lrp] {
        let file = SdmFileReadKey::from_bytes(key).prepare(mode);
        let session = MacKey::derive(&file, Some(uid), ctr).unwrap();
        for len in [0, 15, 16, 77] {
            let mac = SdmMac::truncate(&session.cmac(&message[..len]));
            // The received MAC is public, the computed MAC is not.
            let sent = SdmMac::from_bytes(public(*mac.as_bytes()));
            let other = SdmMac::from_bytes([0; 8]);
            right += u32::from(disclosed(sent == mac)) + u32::from(!disclosed(other == mac));
        }
        let enc = EncKey::derive(&file, uid, ctr.unwrap()).unwrap();
        let mut data = [[0x77; 16]; 2];
        enc.decrypt(ctr.unwrap(), &mut data);
        right += u32::from(public(data[1]) != [0x77; 16]);
        right += u32::from(public(*enc.expose_bytes()) != [0; 16]);
        // The PICCData that this key decrypts is public, but the preparation of the key must not be reported.
        right += u32::from(SdmMetaReadKey::from_bytes(key).prepare(mode).scheme() == mode);
        right += u32::from(public(*file.counter_id(Some(uid)).as_bytes()) != [0; 16]);
    }
    let derived: SdmFileReadKey = an10922::derive(&MasterKey::from_bytes(key), &[uid.as_bytes()]).expect("one block");
    right += u32::from(public(*derived.expose_bytes()) != [0; 16]);
    let cards = boltcard::card_keys(&IssuerKey::from_bytes(key), uid, 3);
    right += u32::from(public(*cards[0].expose_bytes()) != public(*cards[2].expose_bytes()));
    let (server, ecode) = (ServerSecret::from_bytes(key), ECode::from_bytes(secret([0x2A; 16])));
    let opened = ecode::derive_file_read_key(&server, &ecode, uid, 0);
    right += u32::from(public(*opened.expose_bytes()) != [0; 16]);
    let context = TagContext { tag_id: 7, uid, epoch: 0 };
    let meta = SdmMetaReadKey::from_bytes(key);
    let sealed = SealedKeys::seal(&server, &ecode, &context, &meta, &opened);
    right += u32::from(public(*sealed.as_bytes()) != [0; 64]);
    if std::env::args().nth(1).as_deref() == Some("disclosed") {
        // These results disclose whether a seal opens, and whether a master key of sdm-backend is all zeros.
        let opens = sealed.unseal(&server, &ecode, &context).is_ok();
        let derived = [Master::standard(&key), Master::legacy(&key)].map(|master| {
            let master = master.expect("16 bytes");
            let (meta, file) = (master.meta_read_key(), master.file_read_key(uid));
            public(*meta.expose_bytes()) != public(*file.expose_bytes())
        });
        return if opens && derived == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let name = ApiKeySecret::from_bytes(key).key_name(&secret(*b"sk_live_0123456789"));
    right += u32::from(public(*name.as_bytes()) != [0; 16]);
    let silent =
        ntag22x::suncmac(&SdmFileReadKey::from_bytes(key), uid, ctr.unwrap(), None).expect("the key is unprepared");
    right += u32::from(public(silent) != [0; 16]);
    let token_key = TokenKey::from_bytes(1, key);
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?u={uid}&n={ctr}&c={mac}").unwrap();
    let file = SdmFileReadKey::FACTORY.prepare(Scheme::Aes);
    let session = MacKey::derive(&file, Some(uid), ctr).unwrap();
    let mac: String =
        SdmMac::truncate(&session.cmac(&[])).as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    let url = format!("https://a.b/?u={uid}&n={:06X}&c={mac}", ctr.unwrap().get());
    let tap = layout.parse(&url).unwrap().read_plain().unwrap().verify(&file).unwrap();
    let fresh = tap.commit(&mut MemoryCounters::<2>::new(), None).unwrap();
    let token = token_key.mint(&fresh, &Grant::new("page", UnixMillis::new(0), Duration::from_secs(1)));
    // A token is public. Its text is checked as UTF-8, which branches on it.
    // SAFETY: see `secret`. The value is valid for its own size.
    unsafe { make_public((&raw const token).cast(), size_of_val(&token)) };
    right += u32::from(token.as_str().len() == TOKEN_CHARS);
    // Plaintexts are chosen by nibbles of what is secret as well: the chain of a CMAC.
    let lrp = Lrp::new(&key, 0);
    let mut blocks = [secret([0x5A; 16]); 3];
    let (mut encrypt_counter, mut decrypt_counter) = ([0, 0, 7], [0, 0, 7]);
    lrp.encrypt(&mut encrypt_counter, &mut blocks);
    lrp.decrypt(&mut decrypt_counter, &mut blocks);
    right += u32::from(public(blocks[2]) == [0x5A; 16]);
    println!("{right} of 32");
    if right == 32 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
