//! Tags and taps that a fuzzer generates.

use arbitrary::Arbitrary;
use suntap::SdmLayout;

use suntap_testkit::line::{TEMPLATES, scheme};
use suntap_testkit::{Tag, Tap, Written};

/// A tag with one of the layouts, and the content of one of its taps.
#[derive(Arbitrary, Clone, Debug)]
pub struct Sample {
    template: u8,
    lrp: bool,
    meta_key: [u8; 16],
    file_key: [u8; 16],
    uid: [u8; 7],
    ctr: u32,
    padding: [u8; 12],
    data: [u8; 48],
    blocks: u8,
    seal: u8,
}

impl Sample {
    /// Generates a tag from a few bytes, so that one input can describe many tags. SplitMix64 computes the other values
    /// from the seed.
    pub fn of_seed(template: u8, lrp: bool, seed: u16) -> Self {
        let mut state = u64::from(seed);
        let mut bytes = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)).to_le_bytes()
        };
        let mut data = [0; 48];
        data.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&bytes()));
        let key = |[low, high]: [[u8; 8]; 2]| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&low);
            key[8..].copy_from_slice(&high);
            key
        };
        let (meta_key, file_key) = (key([bytes(), bytes()]), key([bytes(), bytes()]));
        let [uid @ .., seal] = bytes();
        let [a, b, c, d, blocks, ..] = bytes();
        let padding = core::array::from_fn(|index| data[index] ^ seal);
        let ctr = u32::from_le_bytes([a, b, c, d]);
        Self { template, lrp, meta_key, file_key, uid, ctr, padding, data, blocks, seal }
    }

    pub fn template(&self) -> &'static str {
        self.one_of(TEMPLATES)
    }

    pub fn one_of(&self, templates: &[&'static str]) -> &'static str {
        templates[usize::from(self.template) % templates.len()]
    }

    /// Returns the counter, which may be any 24-bit value.
    pub fn ctr(&self) -> u32 {
        self.ctr & 0x00FF_FFFF
    }

    pub fn tag(&self) -> Tag {
        Tag { lrp: self.lrp, meta_key: self.meta_key, file_key: self.file_key, uid: self.uid }
    }

    pub fn layout(&self) -> SdmLayout {
        SdmLayout::new(scheme(self.lrp), self.template()).unwrap()
    }

    /// Returns a tap with a counter that a chip can send.
    pub fn tap(&self) -> Tap {
        let blocks = 1 + usize::from(self.blocks % 3);
        let tt = [*b"CC", *b"OC", *b"OO", *b"II"][usize::from(self.seal % 4)];
        let ctr = self.ctr().max(1);
        Tap { ctr, padding: self.padding, file_data: self.data[..16 * blocks].to_vec(), tt }
    }

    pub fn written(&self) -> Written {
        self.tag().write(self.template(), &self.tap())
    }
}

/// Returns an NDEF file with one URI record. The URI code stands for `https://` or for no text.
pub fn ndef_file(url: &str) -> Vec<u8> {
    let (code, text) = url.strip_prefix("https://").map_or((0, url), |text| (4, text));
    let payload = u32::try_from(text.len() + 1).unwrap().to_be_bytes();
    let message = [&[0xC1, 1][..], &payload, b"U", &[code], text.as_bytes()].concat();
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}
