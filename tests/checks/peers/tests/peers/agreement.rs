//! Compares suntap with the crate `ntag424` 0.1.1, an independent implementation of the same tag.

use ntag424::key_diversification::diversify_aes128;
use ntag424::sdm::{SdmUrlOptions, Verifier, sdm_url_config};
use ntag424::types::KeyNumber as TheirKey;
use ntag424::types::file_settings::{
    Access as TheirAccess, AccessRights, CommMode, CryptoMode, CtrRetAccess, FileSettingsUpdate,
};
use proptest::prelude::*;
use suntap::emulator::EmulatedTag;
use suntap::kdf::an10922;
use suntap::{
    Access, KeyNumber, MasterKey, Scheme, SdmAccess, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts,
    Uid,
};
use suntap_testkit::peer::{TEMPLATES, ours_told, theirs_told};
use suntap_testkit::{Tag, Tap, Written};

proptest! {
    #[test]
    fn both_say_the_same_of_a_tap(
        lrp: bool, meta_key: [u8; 16], file_key: [u8; 16], uid: [u8; 7], ctr in 1u32..0x0100_0000, padding: [u8; 12],
        blocks in 1usize..3, data: [u8; 32], tt in prop::sample::select(vec![*b"CC", *b"OC", *b"OO"]),
        template in prop::sample::select(TEMPLATES), place: prop::sample::Index, bit in 0u32..4,
    ) {
        let tag = Tag { lrp, meta_key, file_key, uid };
        let tap = Tap { ctr, padding, file_data: data[..16 * blocks].to_vec(), tt };
        let Written { url, digits, .. } = tag.write(template, &tap);
        let theirs = theirs_told(template, &tag, &tap, &url);
        prop_assert!(theirs.is_some());
        prop_assert_eq!(ours_told(template, &tag, &url), theirs);

        // Neither accepts the tap with one digit changed.
        let at = digits[place.index(digits.len())];
        let mut forged = url.into_bytes();
        forged[at] ^= 1 << bit;
        let forged = String::from_utf8(forged).unwrap();
        prop_assert_eq!(ours_told(template, &tag, &forged), None);
        prop_assert_eq!(theirs_told(template, &tag, &tap, &forged), None);
    }

    /// Compares the NDEF file and the settings that a personalisation writes, for generated layouts: any mirrors in any
    /// order, with any start of the MAC input and any position of the tamper status. Then the peer verifies a tap of an
    /// emulated tag with this layout.
    #[test]
    fn both_write_the_same_bytes_and_read_the_same_tap(
        lrp: bool, www: bool, meta in 0u8..5, file in 0u8..5, ret in 0u8..7, mirrors in 0usize..6, enc in 0usize..4, tt in 0usize..3,
        tt_at in 0usize..15, order in Just(vec![0usize, 1, 2, 3, 4]).prop_shuffle(), window in 0usize..6,
        tag: ([u8; 16], [u8; 16], [u8; 7], bool), before in 0u32..0xFF_FFFF,
    ) {
        let tag = (tag.0, tag.1, tag.2, tag.3, before);
        let (ours, peers) = [
            (vec!["p={picc:uid,ctr}"], vec!["p={picc:uid+ctr}"]),
            (vec!["p={picc:uid}"], vec!["p={picc:uid}"]),
            (vec!["p={picc:ctr}"], vec!["p={picc:ctr}"]),
            (vec!["u={uid}", "n={ctr}"], vec!["u={uid}", "n={ctr}"]),
            (vec!["u={uid}"], vec!["u={uid}"]),
            (vec!["n={ctr}"], vec!["n={ctr}"]),
        ][mirrors].clone();
        let mut parameters: Vec<(String, String)> =
            ours.iter().zip(&peers).map(|(ours, peers)| ((*ours).to_owned(), (*peers).to_owned())).collect();
        if enc > 0 {
            let (pin, inside) = if tt == 2 {
                (format!("{{enc:{},tt@{tt_at}}}", 32 * enc), format!("{}{{tt}}{}", "0".repeat(tt_at), "0".repeat(32 * enc - tt_at - 2)))
            } else {
                (format!("{{enc:{}}}", 32 * enc), "0".repeat(32 * enc))
            };
            parameters.push((format!("e={pin}"), format!("e=[{inside}]")));
        }
        if tt == 1 {
            parameters.push(("t={tt}".into(), "t={tt}".into()));
        }
        parameters.push(("m={mac}".into(), "m={mac}".into()));
        let host = if www { "https://www.a.b/" } else { "http://a.b/" };
        let join = |pick: fn(&(String, String)) -> &String| {
            let mut url = host.to_owned();
            let mut places: Vec<usize> = order.iter().copied().filter(|place| *place < parameters.len()).collect();
            places.extend((0..parameters.len()).filter(|place| !order.contains(place)));
            for (index, place) in places.into_iter().enumerate() {
                let mark = if index == window { "[[" } else { "" };
                url = format!("{url}{}{mark}{}", if index == 0 { '?' } else { '&' }, pick(&parameters[place]));
            }
            // Without `[[`, the peer's MAC input starts at the URL, but suntap's MAC window is empty.
            url
        };
        let template = join(|(ours, _)| ours);
        let mode = if lrp { Scheme::Lrp } else { Scheme::Aes };
        let Ok(layout) = SdmLayout::new(mode, &template) else { return Ok(()) };
        let mut theirs = join(|(_, peers)| peers);
        if !theirs.contains("[[") {
            theirs = theirs.replace("{mac}", "[[{mac}");
        }

        let numbers = [TheirKey::Key0, TheirKey::Key1, TheirKey::Key2, TheirKey::Key3, TheirKey::Key4];
        let counted = template.contains("ctr}");
        let (ctr_ret, their_ret) = match ret {
            5 if counted => (Access::Free, CtrRetAccess::Free),
            0..5 if counted => {
                let number = KeyNumber::new(ret).unwrap();
                (Access::Key(number), CtrRetAccess::Key(numbers[usize::from(ret)]))
            }
            _ => (Access::Never, CtrRetAccess::NoAccess),
        };
        let options = SdmUrlOptions {
            picc_key: numbers[usize::from(meta)],
            mac_key: numbers[usize::from(file)],
            ctr_ret: their_ret,
            ..SdmUrlOptions::default()
        };
        let their_mode = if lrp { CryptoMode::Lrp } else { CryptoMode::Aes };
        let theirs = sdm_url_config(&theirs, their_mode, options).map_err(|error| format!("{template}: {theirs}: {error}")).unwrap();
        let free = TheirAccess::Free;
        let rights = AccessRights { read: free, write: free, read_write: free, change: free };
        let mut update = [0; 64];
        let update_len =
            FileSettingsUpdate::new(CommMode::Plain, rights).with_sdm(theirs.sdm_settings).encode(&mut update).unwrap();

        let access = SdmAccess {
            meta_read: template.contains("{picc").then(|| KeyNumber::new(meta).unwrap()),
            file_read: KeyNumber::new(file).unwrap(),
            ecc_key: None,
            ctr_ret,
            read_ctr_limit: None,
        };
        let mut ndef = [0; 256];
        let ndef = layout.ndef_file(&TagTexts::default(), &mut ndef).unwrap();
        prop_assert_eq!(ndef, &theirs.ndef_bytes, "{}", template);
        let mut settings = [0; 27];
        let settings = layout.sdm_settings(&access, &TagTexts::default(), &mut settings).unwrap();
        // `update` starts with FileOption and AccessRights.
        prop_assert_eq!(settings, &update[3..update_len], "{}", template);

        // The peer verifies a tap of the emulated tag.
        let keys = (SdmMetaReadKey::from_bytes(tag.0), SdmFileReadKey::from_bytes(tag.1));
        let mut emulated = EmulatedTag::new(&layout, &TagTexts::default(), keys.0, keys.1, Uid::from_bytes(tag.2)).unwrap();
        if tag.3 {
            emulated.open_seal();
        }
        let url = emulated.with_ctr(SdmReadCtr::new(tag.4).unwrap()).tap().unwrap();
        let shift = i32::try_from(theirs.prefix_len).unwrap() - i32::try_from(theirs.offset).unwrap();
        let verifier = Verifier::try_new(&theirs.sdm_settings, their_mode).unwrap().with_offset(shift).unwrap();
        let seen = verifier.verify_with_meta_key(url.as_bytes(), &tag.1, &tag.0);
        let seen = seen.map_err(|error| format!("{template}: {url}: {error}")).unwrap();
        prop_assert!(seen.uid.is_none_or(|uid| uid == tag.2) && seen.read_ctr.is_none_or(|ctr| ctr == tag.4 + 1));
        prop_assert_eq!(seen.uid.is_some(), template.contains("uid"));
        prop_assert_eq!(seen.read_ctr.is_some(), template.contains("ctr}"));
        if let Some(status) = seen.tamper_status {
            prop_assert_eq!(status.is_tampered(), tag.3);
        }
    }

    #[test]
    fn both_derive_the_same_key(master: [u8; 16], input in prop::collection::vec(any::<u8>(), 1..=31)) {
        let key: SdmFileReadKey = an10922::derive(&MasterKey::from_bytes(master), &[&input]).unwrap();
        prop_assert_eq!(key.expose_bytes(), &diversify_aes128(&master, &input));
    }
}
