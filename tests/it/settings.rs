//! Converts layouts to the bytes that personalise a tag, and back.

use proptest::prelude::*;
use suntap::{
    Access, Field, KeyNumber, LayoutError, Scheme, SdmAccess, SdmLayout, SdmReadCtr, SettingsError, TagTexts,
};

fn key(number: u8) -> KeyNumber {
    KeyNumber::new(number).unwrap()
}

fn layout(template: &str) -> SdmLayout {
    SdmLayout::new(Scheme::Aes, template).unwrap_or_else(|error| panic!("{template}: {error}"))
}

fn unhex(hex: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(hex).unwrap()
}

fn file_of(layout: &SdmLayout, texts: &TagTexts<'_>) -> Vec<u8> {
    layout.ndef_file(texts, &mut [0; 256]).unwrap_or_else(|error| panic!("{layout}: {error}")).to_vec()
}

fn settings_of(layout: &SdmLayout, access: &SdmAccess, texts: &TagTexts<'_>) -> Vec<u8> {
    layout.sdm_settings(access, texts, &mut [0; 27]).unwrap_or_else(|error| panic!("{layout}: {error}")).to_vec()
}

/// Returns the answer of a tag with these settings to GetFileSettings. Source: NT4H2421Gx Table 73.
fn answer(settings: &[u8]) -> Vec<u8> {
    [&[0x00, 0x40, 0xEE, 0xEE, 0x00, 0x01, 0x00], settings].concat()
}

/// Source: AN12196 Rev 1.8 Tables 15 and 16 (NDEF file) and 19 (ChangeFileSettings, after FileOption and AccessRights).
#[test]
fn an12196_personalization_example() {
    let layout = layout("https://choose.url.com/ntag424?e={picc}&c={mac}");
    let file = "0051D1014D550463686F6F73652E75726C2E636F6D2F6E7461673432343F653D".to_owned()
        + &"30".repeat(32)
        + "26633D"
        + &"30".repeat(16);
    assert_eq!(file_of(&layout, &TagTexts::default()), unhex(&file));
    let access = SdmAccess {
        meta_read: Some(key(2)),
        file_read: key(1),
        ecc_key: None,
        ctr_ret: Access::Key(key(1)),
        read_ctr_limit: None,
    };
    let settings = unhex("C1F121200000430000430000");
    assert_eq!(settings_of(&layout, &access, &TagTexts::default()), settings);

    let (read, read_access) = SdmLayout::from_tag(Scheme::Aes, &answer(&settings), &unhex(&file)).unwrap();
    assert_eq!(read.template(), "https://choose.url.com/ntag424?e={picc:uid,ctr}&c={mac}");
    assert_eq!(read_access, access);
}

/// Source: AN12196 Rev 1.8 §5.4 (answer to GetFileSettings) and Table 6 (the URL of that tag).
#[test]
fn an12196_file_settings_with_file_data() {
    let url = "my424dna.com/?picc_data=00000000000000000000000000000000&enc=0102030400000000000000000000000000000000\
               &cmac=0000000000000000";
    let url = url.replace("0102030400000000000000000000000000000000", &"0".repeat(32));
    let payload = u8::try_from(url.len() + 1).unwrap();
    let file = [&[0, payload + 4, 0xD1, 0x01, payload, 0x55, 0x02], url.as_bytes()].concat();
    let settings = unhex("0040EEEE000100D1FE001F00004400004400002000006A0000");
    let (read, access) = SdmLayout::from_tag(Scheme::Aes, &settings, &file).unwrap();
    assert_eq!(read.template(), "https://www.my424dna.com/?picc_data={picc:uid,ctr}&enc=[[{enc:32}&cmac={mac}");
    let expected = SdmAccess {
        meta_read: Some(key(0)),
        file_read: key(0),
        ecc_key: None,
        ctr_ret: Access::Free,
        read_ctr_limit: None,
    };
    assert_eq!(access, expected);
    assert_eq!(file_of(&read, &TagTexts::default()), file);
    assert_eq!(settings_of(&read, &access, &TagTexts::default()), settings[7..]);
}

#[test]
fn each_tag_has_its_own_file_data_and_captured_texts() {
    let layout = layout("https://a.b/{:shop}?p={picc}&e=[[{enc:32,tt@2}&c={mac}");
    let texts = TagTexts { captured: &[("shop", "corner-2")], file_data: "ab" };
    let file = file_of(&layout, &texts);
    let url = format!("a.b/corner-2?p={}&e=ab{}&c={}", "0".repeat(32), "0".repeat(30), "0".repeat(16));
    assert_eq!(&file[7..], url.as_bytes());
    let enc = 7 + u8::try_from(url.find("ab0").unwrap()).unwrap();
    let access = SdmAccess {
        meta_read: Some(key(3)),
        file_read: key(4),
        ecc_key: None,
        ctr_ret: Access::Never,
        read_ctr_limit: Some(SdmReadCtr::from_lsb_first([3, 2, 1])),
    };
    let settings = settings_of(&layout, &access, &texts);
    let picc = 7 + u8::try_from(url.find("000").unwrap()).unwrap();
    let mac = enc + 32 + 3;
    let expected = [
        // All options are set, including SDMReadCtrLimit.
        &[0xF9, 0xFF, 0x34][..],
        &[picc, 0, 0, enc + 2, 0, 0, enc, 0, 0, enc, 0, 0, 32, 0, 0, mac, 0, 0],
        &[0x03, 0x02, 0x01],
    ];
    assert_eq!(settings, expected.concat());
    let (read, read_access) = SdmLayout::from_tag(Scheme::Aes, &answer(&settings), &file).unwrap();
    assert_eq!(read.template(), "https://a.b/corner-2?p={picc:uid,ctr}&e=[[{enc:32,tt@2}&c={mac}");
    assert_eq!(read_access, access);
}

#[cfg(feature = "lrp")]
#[test]
fn lrp_mirrors_a_longer_picc_data() {
    let layout = SdmLayout::new(Scheme::Lrp, "https://a.b/{picc:uid}{mac}").unwrap();
    let access = SdmAccess {
        meta_read: Some(key(1)),
        file_read: key(1),
        ecc_key: None,
        ctr_ret: Access::Never,
        read_ctr_limit: None,
    };
    let (file, settings) =
        (file_of(&layout, &TagTexts::default()), settings_of(&layout, &access, &TagTexts::default()));
    assert_eq!((file.len(), settings[3], settings[9]), (7 + 4 + 48 + 16, 11, 11 + 48));
    assert_eq!(SdmLayout::from_tag(Scheme::Lrp, &answer(&settings), &file), Ok((layout, access)));
    // AES mode reads the digits after the shorter PICCData as text.
    let (aes, _) = SdmLayout::from_tag(Scheme::Aes, &answer(&settings), &file).unwrap();
    assert_eq!(aes.template(), "https://a.b/{picc:uid}0000000000000000{mac}");
}

#[test]
fn invalid_texts_and_access_are_rejected() {
    let access =
        SdmAccess { meta_read: None, file_read: key(1), ecc_key: None, ctr_ret: Access::Never, read_ctr_limit: None };
    let none = TagTexts::default();
    let file = |template: &str, texts: &TagTexts<'_>, len: usize| {
        layout(template).ndef_file(texts, &mut vec![0; len]).map(<[u8]>::len)
    };
    assert_eq!(file("https://a.b/{uid}{mac}", &none, 256), Ok(41));
    assert_eq!(file("https://a.b/{uid}{mac}", &none, 41), Ok(41));
    assert_eq!(file("https://a.b/{uid}{mac}", &none, 40), Err(SettingsError::BufferTooSmall));
    assert_eq!(file("https://a.b/[[{picc}{enc}{mac}", &none, 256), Err(SettingsError::EncNotPinned));
    let error = |texts: &TagTexts<'_>| file("https://a.b/{:id}/{mac}", texts, 256).unwrap_err().to_string();
    assert_eq!(error(&none), "there is no text for {:id}");
    for id in ["", "a.b", "a b"] {
        let texts = TagTexts { captured: &[("id", id)], ..none };
        assert_eq!(error(&texts), "the text for {:id} is not [A-Za-z0-9_-]+", "{id}");
    }
    let twice = TagTexts { captured: &[("id", "a"), ("id", "b")], ..none };
    assert_eq!(error(&twice), "there are two texts for {:id}");
    let name = "é".repeat(40);
    let texts = TagTexts { captured: &[("id", "a"), (&name, "b")], ..none };
    assert!(
        error(&texts).starts_with(&format!("there is a text for {},", "é".repeat(16))),
        "the error shows 32 bytes of the name"
    );
    let long = "i".repeat(229);
    let texts = |len: usize| [("id", long[..len].to_owned())];
    for (len, expected) in [(228, Ok(256)), (229, Err(SettingsError::FileTooLong))] {
        let texts = texts(len);
        let captured = [("id", texts[0].1.as_str())];
        let texts = TagTexts { captured: &captured, ..none };
        assert_eq!(file("https://a.b/{:id}/{mac}", &texts, 256), expected, "{len}");
    }
    for (data, expected) in [
        ("0123456789abcdef", Ok(91)),
        ("0123456789abcdef0", Err(SettingsError::FileData)),
        ("a b", Ok(91)),
        ("a\tb", Err(SettingsError::FileData)),
        ("é", Err(SettingsError::FileData)),
    ] {
        let texts = TagTexts { file_data: data, ..none };
        assert_eq!(file("https://a.b/[[{picc}{enc:32}{mac}", &texts, 256), expected, "{data}");
    }

    let settings = |template: &str, access: &SdmAccess, len: usize| {
        layout(template).sdm_settings(access, &none, &mut vec![0; len]).map(<[u8]>::to_vec)
    };
    let keyed = SdmAccess { meta_read: Some(key(0)), ..access };
    assert_eq!(settings("https://a.b/{picc}{mac}", &access, 27), Err(SettingsError::MetaReadKey));
    assert_eq!(settings("https://a.b/{uid}{mac}", &keyed, 27), Err(SettingsError::MetaReadKey));
    assert_eq!(settings("https://a.b/{mac}", &keyed, 27), Err(SettingsError::MetaReadKey));
    assert_eq!(settings("https://a.b/{mac}", &access, 27), Ok(unhex("01FFF10B00000B0000")));
    assert_eq!(settings("https://a.b/{uid}{mac}", &access, 27), Ok(unhex("81FFE10B0000190000190000")));
    assert_eq!(settings("https://a.b/{uid}{mac}", &access, 11), Err(SettingsError::BufferTooSmall));
    assert_eq!(KeyNumber::new(5), None);
}

/// For each rule that settings can break, the error names the rule. Source: NT4H2421Gx Table 69.
#[test]
fn broken_settings_name_the_rule() {
    let plain = layout("https://a.b/[[{uid}x{ctr}/{mac}");
    let access =
        SdmAccess { meta_read: None, file_read: key(1), ecc_key: None, ctr_ret: Access::Never, read_ctr_limit: None };
    let file = file_of(&plain, &TagTexts::default());
    let good = answer(&settings_of(&plain, &access, &TagTexts::default()));
    assert_eq!(good[7..], unhex("C1FFE10B00001A00000B0000210000"));
    assert_eq!(SdmLayout::from_tag(Scheme::Aes, &good, &file).unwrap().0, plain);
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = good.clone();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        SdmLayout::from_tag(Scheme::Aes, &bytes, &file).map(|(layout, _)| layout.template().to_owned())
    };
    let (options, ctr_ret, meta_file, uid, ctr, mac_input, mac) = (7, 8, 9, 10, 13, 16, 19);
    let table: &[(&[(usize, u8)], SettingsError)] = &[
        (&[(0, 1)], SettingsError::Shape),
        (&[(1, 0x00)], SettingsError::SdmOff),
        (&[(options, 0xC0)], SettingsError::Options),
        (&[(options, 0xC3)], SettingsError::Options),
        (&[(options, 0xE1)], SettingsError::Shape),
        (&[(options, 0x81)], SettingsError::Shape),
        (&[(ctr_ret, 0xF5)], SettingsError::AccessRight),
        (&[(meta_file, 0xE9)], SettingsError::AccessRight),
        (&[(meta_file, 0xEE)], SettingsError::AccessRight),
        (&[(ctr_ret, 0x0F)], SettingsError::EccKey),
        (&[(ctr_ret, 0x5F)], SettingsError::Options),
        (&[(1, 0x44)], SettingsError::Options),
        (&[(1, 0xC0)], SettingsError::Options),
        (&[(meta_file, 0xF1)], SettingsError::MetaRead),
        (&[(meta_file, 0x71)], SettingsError::AccessRight),
        (&[(meta_file, 0xEF)], SettingsError::NoFileRead),
        (&[(uid, 6)], SettingsError::OutsideUrl(Field::Uid)),
        (&[(uid + 2, 1)], SettingsError::OutsideUrl(Field::Uid)),
        (&[(mac, 0x22)], SettingsError::OutsideUrl(Field::SdmMac)),
        (&[(ctr, 0x18)], SettingsError::Overlap(Field::Uid)),
        (&[(ctr, 0x1C)], SettingsError::Overlap(Field::SdmReadCtr)),
        (&[(mac_input, 0x06)], SettingsError::MacInputOutsideUrl),
        (&[(mac_input, 0x40)], SettingsError::MacInputOutsideUrl),
        (&[(mac_input, 0x31)], SettingsError::MacInputOutsideUrl),
        (&[(mac_input, 0x0C)], SettingsError::MacInputInside(Field::Uid)),
        (&[(mac_input, 0x30)], SettingsError::MacInputInside(Field::SdmMac)),
    ];
    for (changes, error) in table {
        assert_eq!(with(changes), Err(*error), "{changes:?}");
        assert!(!error.to_string().is_empty());
    }
    // The counter is enabled but not mirrored.
    let not_mirrored = with(&[(ctr, 0xFF), (ctr + 1, 0xFF), (ctr + 2, 0xFF)]).unwrap();
    assert_eq!(not_mirrored, "https://a.b/[[{uid}x000000/{mac}");
    for len in 0..good.len() {
        assert_eq!(
            SdmLayout::from_tag(Scheme::Aes, &good[..len], &file).map(|_| ()),
            Err(SettingsError::Shape),
            "{len}"
        );
    }
    let more = [&good[..], &[0]].concat();
    assert_eq!(SdmLayout::from_tag(Scheme::Aes, &more, &file).map(|_| ()), Err(SettingsError::Shape));
}

#[test]
fn broken_settings_of_encrypted_mirrors_name_the_rule() {
    let encrypted = layout("https://a.b/{picc:uid,ctr}[[{enc:64,tt@30}{mac}");
    let access = SdmAccess {
        meta_read: Some(key(2)),
        file_read: key(1),
        ecc_key: None,
        ctr_ret: Access::Never,
        read_ctr_limit: None,
    };
    let file = file_of(&encrypted, &TagTexts::default());
    let good = answer(&settings_of(&encrypted, &access, &TagTexts::default()));
    assert_eq!(good[7..], unhex("D9FF210B00004900002B00002B00004000006B0000"));
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = good.clone();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        SdmLayout::from_tag(Scheme::Aes, &bytes, &file).map(|(layout, _)| layout.template().to_owned())
    };
    let (options, tt, mac_input, enc, enc_len, mac) = (7, 13, 16, 19, 22, 25);
    let table: &[(&[(usize, u8)], SettingsError)] = &[
        (&[(options, 0x19)], SettingsError::MetaRead),
        (&[(tt, 0x4B)], SettingsError::Layout(LayoutError::TamperOutsideEnc)),
        (&[(tt, 0x69)], SettingsError::Layout(LayoutError::TamperOutsideEnc)),
        (&[(options, 0x99)], SettingsError::Layout(LayoutError::EncNeedsUidAndCtr)),
        (&[(enc_len, 0x00)], SettingsError::Layout(LayoutError::EncLength)),
        (&[(enc_len, 0x3F), (tt, 0x2B)], SettingsError::Layout(LayoutError::EncLength)),
        (&[(enc_len, 0x41)], SettingsError::Overlap(Field::EncFileData)),
        (&[(tt, 0x4A)], SettingsError::Layout(LayoutError::TamperOutsideEnc)),
        (&[(tt, 0x2A)], SettingsError::Overlap(Field::PiccData)),
        (&[(enc, 0x2A), (tt, 0x2A)], SettingsError::Overlap(Field::PiccData)),
        (&[(mac_input, 0x6B)], SettingsError::Layout(LayoutError::EncOutsideMacInput)),
        (&[(mac, 0x0A)], SettingsError::Overlap(Field::PiccData)),
    ];
    for (changes, error) in table {
        assert_eq!(with(changes), Err(*error), "{changes:?}");
    }
}

/// Mirrors that touch each other or begin the URL keep their place, and the content of PICCData is known.
#[test]
fn settings_round_trip() {
    for template in [
        "https://{uid}x{ctr}x{mac}",
        "https://[[a.b/{uid}{ctr}{mac}",
        "https://a.b/{mac}{ctr}{uid}",
        "https://a.b/{ctr}[[{uid}{mac}",
        "https://a.b/{picc:uid}{mac}",
        "https://a.b/{picc:ctr}{mac}",
        "https://a.b/{picc:uid,ctr}[[{enc:64}{tt}{mac}",
        "https://a.b/{tt}{picc:uid,ctr}[[{enc:64}{mac}",
        "https://a.b/{picc:uid,ctr}[[{enc:32,tt@14}{mac}",
    ] {
        let layout = layout(template);
        let meta_read = layout.has(Field::PiccData).then(|| key(2));
        let access =
            SdmAccess { meta_read, file_read: key(1), ecc_key: None, ctr_ret: Access::Never, read_ctr_limit: None };
        let none = TagTexts::default();
        let (file, settings) = (file_of(&layout, &none), settings_of(&layout, &access, &none));
        assert_eq!(SdmLayout::from_tag(Scheme::Aes, &answer(&settings), &file), Ok((layout, access)), "{template}");
    }
}

/// SDMMetaRead says who may read the values that SDMOptions mirrors. If only one of them is set, it is undefined what
/// the MAC covers.
#[test]
fn meta_read_and_options_must_match() {
    let only_mac = file_of(&layout("https://a.b/{mac}"), &TagTexts::default());
    let read = |settings: &str| {
        SdmLayout::from_tag(Scheme::Aes, &answer(&unhex(settings)), &only_mac)
            .map(|(layout, _)| layout.template().to_owned())
    };
    assert_eq!(read("01FFF10B00000B0000"), Ok("https://a.b/{mac}".to_owned()));
    for options in ["81", "41", "C1"] {
        assert_eq!(
            read(&format!("{options}FFF10B00000B0000")),
            Err(SettingsError::MetaRead),
            "{options} without access"
        );
    }
    assert_eq!(read("01FFE10B00000B0000"), Err(SettingsError::MetaRead), "free access, but nothing is mirrored");
    assert_eq!(read("41FFE1FFFFFF0B00000B0000"), Ok("https://a.b/{mac}".to_owned()), "enabled, but not mirrored");
}

/// A counter that is not mirrored cannot be read or limited, and a chip with a limit of 0 cannot be read.
#[test]
fn a_counter_is_read_and_limited_only_if_it_is_mirrored() {
    let never =
        SdmAccess { meta_read: None, file_read: key(1), ecc_key: None, ctr_ret: Access::Never, read_ctr_limit: None };
    let settings = |template: &str, access: &SdmAccess| {
        layout(template).sdm_settings(access, &TagTexts::default(), &mut [0; 27]).map(<[u8]>::len)
    };
    let read = SdmAccess { ctr_ret: Access::Free, ..never };
    let limited = SdmAccess { read_ctr_limit: SdmReadCtr::new(5), ..never };
    let zero = SdmAccess { read_ctr_limit: Some(SdmReadCtr::ZERO), ..never };
    assert_eq!(settings("https://a.b/{uid}{mac}", &never), Ok(12));
    assert_eq!(settings("https://a.b/{uid}{mac}", &read), Err(SettingsError::Counter));
    assert_eq!(settings("https://a.b/{uid}{mac}", &limited), Err(SettingsError::Counter));
    assert_eq!(settings("https://a.b/{ctr}{mac}", &read), Ok(12));
    assert_eq!(settings("https://a.b/{ctr}{mac}", &limited), Ok(15));
    assert_eq!(settings("https://a.b/{ctr}{mac}", &zero), Err(SettingsError::Counter));
}

/// A text that cannot be written is an error. It is not dropped silently.
#[test]
fn texts_without_a_place_are_rejected() {
    let file = |template: &str, texts: &TagTexts<'_>| {
        layout(template).ndef_file(texts, &mut [0; 256]).map(|file| String::from_utf8_lossy(&file[7..]).into_owned())
    };
    let data = |file_data| TagTexts { file_data, ..TagTexts::default() };
    let named = TagTexts { captured: &[("x", "y")], ..TagTexts::default() };
    assert_eq!(file("https://a.b/{mac}", &data("secret")), Err(SettingsError::FileData));
    for template in ["https://a.b/{mac}", "https://a.b/{:id}/{mac}"] {
        assert!(matches!(file(template, &named), Err(SettingsError::UnexpectedText(name)) if name.as_str() == "x"));
        assert_eq!(format!("{:?}", file(template, &named)), r#"Err(UnexpectedText("x"))"#);
    }
    let tamper = "https://a.b/[[{picc}{enc:32,tt@2}{mac}";
    assert_eq!(file(tamper, &data("abc")), Err(SettingsError::FileData), "the text overlaps the tamper status");
    assert_eq!(file(tamper, &data("ab0c")), Err(SettingsError::FileData));
    assert!(file(tamper, &data("ab00c d")).unwrap().contains("ab00c d0"));
    assert!(file(tamper, &data("ab")).is_ok());
}

#[test]
fn files_without_a_url_or_template_are_rejected() {
    let plain = layout("https://a.b/{uid}/{ctr}/{mac}");
    let access =
        SdmAccess { meta_read: None, file_read: key(1), ecc_key: None, ctr_ret: Access::Never, read_ctr_limit: None };
    let settings = answer(&settings_of(&plain, &access, &TagTexts::default()));
    let good = file_of(&plain, &TagTexts::default());
    let read = |file: &[u8]| SdmLayout::from_tag(Scheme::Aes, &settings, file).map(|(layout, _)| layout);
    let padded: Vec<u8> = good.iter().copied().chain([0; 100]).collect();
    assert_eq!(read(&padded), Ok(plain));
    for (at, byte) in [(0, 1), (1, 0), (2, 0xD0), (3, 2), (4, 1), (5, 0x54), (6, 5)] {
        let mut file = good.clone();
        file[at] = byte;
        assert_eq!(read(&file), Err(SettingsError::NotUri), "byte {at}");
    }
    for len in 0..good.len() {
        assert_eq!(read(&good[..len]), Err(SettingsError::NotUri), "{len}");
    }
    assert_eq!(read(&[0, 4, 0xD1, 1, 0, 0x55, 4]), Err(SettingsError::NotUri), "a payload without its URI code");
    // One bracket on each side of a mirror is text, not `[[`.
    let brackets = layout("https://a.b/[{uid}[{mac}");
    let of_brackets = answer(&settings_of(&brackets, &access, &TagTexts::default()));
    let bracket_file = file_of(&brackets, &TagTexts::default());
    assert_eq!(SdmLayout::from_tag(Scheme::Aes, &of_brackets, &bracket_file).map(|(layout, _)| layout), Ok(brackets));
    for (text, error) in [
        (&b"{.b/"[..], SettingsError::StaticText),
        (b"a}b/", SettingsError::StaticText),
        (b"a[[/", SettingsError::StaticText),
        (b"a.\xFC/", SettingsError::StaticText),
        (b"a b/", SettingsError::Layout(LayoutError::Character { at: 9 })),
    ] {
        let mut file = good.clone();
        file[7..11].copy_from_slice(text);
        assert_eq!(read(&file), Err(error), "{text:?}");
    }
    // A bracket right before `[[` would give three brackets.
    let mut window = settings.clone();
    window[16] = 0x0B;
    let mut file = good.clone();
    file[10] = b'[';
    let read = SdmLayout::from_tag(Scheme::Aes, &window, &file).map(|_| ());
    assert_eq!(read, Err(SettingsError::StaticText));
}

proptest! {
    /// Settings and file give the same layout when they are read back.
    #[test]
    fn every_layout_round_trips(
        prefix in prop::sample::select(vec!["", "http://", "https://", "http://www.", "https://www.", "lnurlw://"]),
        pieces in Just(vec!["[[", "{uid}", "{ctr}", "{tt}", "{mac}", "{picc:uid,ctr}", "{picc:uid}", "{picc:ctr}", "{enc:32}",
            "{enc:64,tt@7}", "/a", "?b=", "&c=", "x", "["]).prop_shuffle(),
        count in 1usize..12, meta in 0u8..5, file in 0u8..5, lrp: bool, limit in prop::option::of(1u32..0x0100_0000),
    ) {
        let template = format!("{prefix}a.b/{}", pieces[..count].concat());
        let mode = suntap_testkit::line::scheme(lrp && suntap_testkit::line::LRP);
        let Ok(layout) = SdmLayout::new(mode, &template) else { return Ok(()) };
        let access = SdmAccess {
            meta_read: template.contains("{picc").then(|| key(meta)),
            file_read: key(file),
            ecc_key: None, ctr_ret: if template.contains("ctr}") { Access::Free } else { Access::Never },
            read_ctr_limit: limit.and_then(SdmReadCtr::new).filter(|_| template.contains("ctr}")),
        };
        let settings = answer(&settings_of(&layout, &access, &TagTexts::default()));
        let read = SdmLayout::from_tag(mode, &settings, &file_of(&layout, &TagTexts::default()));
        // An empty MAC input needs no `[[`. Three brackets are `[[` and one bracket as text.
        let unmarked = template.replace("[[{mac}", "{mac}");
        let layout = if template.contains("[[[{mac}") { layout } else { SdmLayout::new(mode, &unmarked).unwrap() };
        prop_assert_eq!(read, Ok((layout, access)));
    }

    #[test]
    fn any_bytes_never_panic(settings in prop::collection::vec(any::<u8>(), 0..40), file in prop::collection::vec(any::<u8>(), 0..260)) {
        let _ = SdmLayout::from_tag(Scheme::Aes, &settings, &file);
    }

    /// The same holds for bytes that are nearly valid.
    #[test]
    fn nearly_valid_bytes_never_panic(changes in prop::collection::vec((0usize..28, any::<u8>()), 1..4)) {
        let layout = layout("https://a.b/{picc:uid,ctr}[[{enc:64,tt@30}/{mac}");
        let access = SdmAccess { meta_read: Some(key(2)), file_read: key(1), ecc_key: None, ctr_ret: Access::Never, read_ctr_limit: None };
        let mut settings = answer(&settings_of(&layout, &access, &TagTexts::default()));
        for (at, byte) in changes {
            settings[at] = byte;
        }
        let _ = SdmLayout::from_tag(Scheme::Aes, &settings, &file_of(&layout, &TagTexts::default()));
    }
}
