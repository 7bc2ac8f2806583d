//! Reads any bytes as the settings of a tag: the length of an answer to GetFileSettings, this answer, and an NDEF file.
//! Reading does not panic. A layout that was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::{Scheme, SdmLayout, SettingsError, TagTexts};

fuzz_target!(|data: &[u8]| {
    let Some((len, rest)) = data.split_first() else { return };
    let Some((settings, file)) = rest.split_at_checked(usize::from(*len)) else { return };
    for mode in [Scheme::Aes, Scheme::Lrp] {
        let Ok((layout, access)) = SdmLayout::from_tag(mode, settings, file) else { continue };
        let texts = TagTexts::default();
        let (mut ndef, mut sdm) = ([0; 256], [0; 27]);
        let ndef = layout.ndef_file(&texts, &mut ndef).unwrap();
        let sdm = match layout.sdm_settings(&access, &texts, &mut sdm) {
            // The settings of a tag may contain access rights and a limit for a counter that the tag does not mirror,
            // or a limit of 0. suntap does not write such settings.
            Err(SettingsError::Counter) => continue,
            sdm => sdm.unwrap(),
        };
        let answer = [&[0x00, 0x40, 0xEE, 0xEE, 0x00, 0x01, 0x00], sdm].concat();
        assert_eq!(SdmLayout::from_tag(mode, &answer, ndef), Ok((layout, access)));
    }
});
