//! Tags and taps that a fuzzer makes up.

use arbitrary::Arbitrary;
use suntap::SdmLayout;

use crate::common::line::{TEMPLATES, mode};
use crate::common::{Tag, Tap, Written};

/// A tag of one of the layouts, and what one tap of it is to say.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Made {
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

impl Made {
    pub(crate) fn template(&self) -> &'static str {
        TEMPLATES[usize::from(self.template) % TEMPLATES.len()]
    }

    pub(crate) fn tag(&self) -> Tag {
        Tag { lrp: self.lrp, meta_key: self.meta_key, file_key: self.file_key, uid: self.uid }
    }

    pub(crate) fn layout(&self) -> SdmLayout {
        SdmLayout::new(mode(&self.tag()), self.template()).unwrap()
    }

    /// Its counter is one that a chip sends.
    pub(crate) fn tap(&self) -> Tap {
        let blocks = 1 + usize::from(self.blocks % 3);
        let tt = [*b"CC", *b"OC", *b"OO", *b"II"][usize::from(self.seal % 4)];
        let ctr = (self.ctr & 0x00FF_FFFF).max(1);
        Tap { ctr, padding: self.padding, file_data: self.data[..16 * blocks].to_vec(), tt }
    }

    pub(crate) fn written(&self) -> Written {
        self.tag().write(self.template(), &self.tap())
    }
}
