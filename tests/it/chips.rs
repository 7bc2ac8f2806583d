//! The chips that the library knows, and the catalogue of the guide.

use suntap::{
    Access, Chip, ChipError, CounterTagLayout, Evidence, Field, KeyNumber, Scheme, SdmAccess, SdmLayout, SettingsError,
    TagTexts,
};

const GUIDE: &str = include_str!("../../src/guide/chips.md");

/// Returns the rows of a chip in the catalogue of the guide.
#[cfg(all(feature = "lrp", feature = "ecdsa"))]
fn rows(chip: Chip) -> Vec<String> {
    let elements = [
        (Field::PiccData, "{picc}"),
        (Field::Uid, "{uid}"),
        (Field::SdmReadCtr, "{ctr}"),
        (Field::TtStatus, "{tt}"),
        (Field::EncFileData, "{enc}"),
        (Field::SdmMac, "{mac}"),
        (Field::Signature, "{sig}"),
    ];
    let row = |scheme: &Scheme| {
        let mirrors = elements.into_iter().filter(|(field, _)| chip.can_mirror(*scheme, *field));
        let mirrors: Vec<_> = mirrors.map(|(_, element)| element).collect();
        let evidence = chip.evidence(*scheme).unwrap();
        format!("| {chip} | `{}` | `{scheme}` | `{}` | {evidence} |", chip.name(), mirrors.join(" "))
    };
    match chip.schemes() {
        [] => vec![format!("| {chip} | `{}` | none | `{{uid}} {{ctr}}` | nothing |", chip.name())],
        schemes => schemes.iter().map(row).collect(),
    }
}

#[cfg(all(feature = "lrp", feature = "ecdsa"))]
#[test]
fn the_catalogue_of_the_guide_equals_the_code() {
    let lines = GUIDE.lines().skip_while(|line| !line.starts_with("| chip | name |")).skip(2);
    let written: Vec<&str> = lines.take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = Chip::ALL.iter().copied().flat_map(rows).collect();
    assert_eq!(written, expected, "{}", expected.join("\n"));
}

#[test]
fn names_and_texts_are_distinct() {
    let distinct = |text: fn(&Chip) -> String| Chip::ALL.iter().map(text).collect::<std::collections::HashSet<_>>();
    assert_eq!(distinct(|chip| chip.name().to_owned()).len(), Chip::ALL.len());
    assert_eq!(distinct(Chip::to_string).len(), Chip::ALL.len());
    for chip in Chip::ALL {
        assert!(GUIDE.contains(&chip.to_string()), "{chip}");
        let is_known = |scheme: &Scheme| chip.evidence(*scheme).is_some();
        assert!(chip.schemes().iter().all(is_known), "{chip}");
    }
    assert_eq!(Chip::Ntag424Dna.evidence(Scheme::Suncmac), None);
    assert_eq!(Chip::DesfireEv3.evidence(Scheme::Aes), Some(Evidence::RecordedTaps));
}

#[test]
fn mirrors_have_the_lengths_of_the_chip() {
    let chars = |chip: Chip, scheme, field| chip.mirror_chars(scheme, field);
    assert_eq!(chars(Chip::Ntag424Dna, Scheme::Aes, Field::PiccData), Some(32));
    assert_eq!(chars(Chip::Ntag424Dna, Scheme::Aes, Field::SdmMac), Some(16));
    assert_eq!(chars(Chip::Ntag424Dna, Scheme::Aes, Field::TtStatus), None);
    assert_eq!(chars(Chip::Ntag424DnaTagTamper, Scheme::Aes, Field::TtStatus), Some(2));
    assert_eq!(chars(Chip::Ntag223DnaStatusDetect, Scheme::Suncmac, Field::TtStatus), Some(10));
    assert_eq!(chars(Chip::Ntag223Dna, Scheme::Suncmac, Field::PiccData), None);
    assert_eq!(chars(Chip::Ntag424Dna, Scheme::Aes, Field::EncFileData), None, "its length is not fixed");
    assert_eq!(chars(Chip::Ntag424Dna, Scheme::Suncmac, Field::Uid), None);
    #[cfg(feature = "lrp")]
    assert_eq!(chars(Chip::Ntag424Dna, Scheme::Lrp, Field::PiccData), Some(48));
    #[cfg(feature = "ecdsa")]
    {
        assert_eq!(chars(Chip::NtagXDna, Scheme::Ecdsa, Field::Signature), Some(128));
        assert_eq!(chars(Chip::NtagXDna, Scheme::Ecdsa, Field::SdmMac), None);
        assert_eq!(chars(Chip::NtagXDna, Scheme::Aes, Field::Signature), None);
    }
    assert_eq!((Chip::Ntag424Dna.file_size(), Chip::Ntag21x.file_size()), (Some(256), None));
}

/// Returns the chips that can have this layout.
fn chips(scheme: Scheme, template: &str) -> Vec<&'static str> {
    let layout = SdmLayout::new(scheme, template).unwrap();
    Chip::ALL.iter().filter(|chip| chip.check_layout(&layout).is_ok()).map(|chip| chip.name()).collect()
}

#[test]
fn layouts_are_checked() {
    let plain = "https://a.b/?m={uid}x{ctr}x{mac}";
    assert_eq!(chips(Scheme::Aes, plain), ["ntag424", "ntag424tt", "ntagx", "desfire-ev3"]);
    assert_eq!(chips(Scheme::Aes, "https://a.b/{:id}?t=[[{tt}&c={mac}"), ["ntag424tt"]);
    assert_eq!(chips(Scheme::Aes, "https://a.b/?e=[[{picc}&d={enc:32,tt@0}&c={mac}"), ["ntag424tt"]);
    assert_eq!(chips(Scheme::Suncmac, plain), ["ntag223", "ntag223sd", "ntag224", "ntag224sd"]);
    assert_eq!(chips(Scheme::Suncmac, "https://a.b/?m={uid}x{ctr}x{tt}x{mac}"), ["ntag223sd", "ntag224sd"]);
    #[cfg(feature = "lrp")]
    assert_eq!(chips(Scheme::Lrp, plain), ["ntag424", "ntag424tt"]);
    #[cfg(feature = "ecdsa")]
    assert_eq!(chips(Scheme::Ecdsa, "https://a.b/?m=[[{uid}x{ctr}x{sig}"), ["ntagx"]);

    let layout = SdmLayout::new(Scheme::Aes, plain).unwrap();
    assert_eq!(Chip::Ntag223Dna.check_layout(&layout), Err(ChipError::Scheme(Scheme::Aes)));
    assert_eq!(Chip::Ntag21x.check_layout(&layout), Err(ChipError::CounterTag));
    let counter = CounterTagLayout::new("https://a.b/?m={uid}x{ctr}").unwrap();
    assert_eq!(Chip::Ntag21x.check_counter_tag(&counter), Ok(()));
    assert_eq!(Chip::Ntag424Dna.check_counter_tag(&counter), Err(ChipError::CounterTag));
}

#[test]
fn settings_are_checked() {
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?m=[[{uid}x{ctr}&t={tt}&c={mac}").unwrap();
    let access = SdmAccess {
        meta_read: None,
        file_read: KeyNumber::Key1,
        ecc_key: None,
        ctr_ret: Access::Never,
        read_ctr_limit: None,
    };
    let (mut file, mut settings) = ([0; 256], [0; 27]);
    let file = layout.ndef_file(&TagTexts::default(), &mut file).unwrap();
    let settings = layout.sdm_settings(&access, &TagTexts::default(), &mut settings).unwrap();
    let answer = |size: u8| [&[0x00, 0x40, 0x00, 0xE0, size, 0x01, 0x00], settings].concat();
    let check = |chip: Chip, scheme, answer: &[u8]| chip.check_settings(scheme, answer, file);
    let tag_tamper = Chip::Ntag424DnaTagTamper;
    assert_eq!(check(tag_tamper, Scheme::Aes, &answer(0)), Ok((layout.clone(), access)));
    assert_eq!(check(tag_tamper, Scheme::Aes, &answer(1)), Err(ChipError::FileTooLong { size: 256 }));
    assert_eq!(check(Chip::Ntag424Dna, Scheme::Aes, &answer(0)), Err(ChipError::Mirror(Field::TtStatus)));
    assert_eq!(check(Chip::Ntag21x, Scheme::Aes, &answer(0)), Err(ChipError::CounterTag));
    assert_eq!(check(tag_tamper, Scheme::Suncmac, &answer(0)), Err(ChipError::Scheme(Scheme::Suncmac)));
    let no_sdm = ChipError::Settings(SettingsError::NoSdm);
    assert_eq!(check(Chip::Ntag223Dna, Scheme::Suncmac, &answer(0)), Err(no_sdm));
    assert_eq!(check(tag_tamper, Scheme::Aes, &[]), Err(ChipError::Settings(SettingsError::Shape)));
    let errors = [no_sdm, ChipError::CounterTag, ChipError::Mirror(Field::Uid), ChipError::FileTooLong { size: 256 }];
    for error in errors {
        let text = error.to_string();
        assert!(!text.is_empty() && std::error::Error::source(&error).is_none(), "{text}");
    }
}
