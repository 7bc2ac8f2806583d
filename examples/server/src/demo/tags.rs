//! The tags of the demo.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::ECode;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

use super::art;
use super::link::Role;
use crate::hex;
use crate::ops::metrics::Api;
use crate::secrets::random;

/// What the tags write after the origin of the server.
pub(super) const SHOES: &str = "/tap?x={:xuid}&n={ctr}&e={mac}";
pub(super) const SPIRITS: &str = "/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&c={mac}";
const SEALED: &str = "/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&t=[[{enc:32,tt@0}{mac}";

const SHOE_PARTS: &[(&str, Role)] = &[("x", Role::Tag), ("n", Role::Counter), ("e", Role::Mac)];

/// A tag of the demo.
pub(super) struct TagOfDemo {
    /// Its name in forms.
    pub(super) slug: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) art: &'static str,
    /// The name in its URL: an XUID or a number.
    pub(super) text: &'static str,
    /// The API to which it belongs.
    pub(super) api: Api,
    /// What it writes after the origin of the server.
    pub(super) path: &'static str,
    /// The parameters of its URL.
    pub(super) parts: &'static [(&'static str, Role)],
    pub(super) has_seal: bool,
    /// `false` for a tag that only the printed `curl` lines use.
    pub(super) is_listed: bool,
    /// Its line for the import, without what differs at each start. `None` for a tag that nobody has registered.
    pub(super) fields: Option<&'static str>,
}

pub(super) static TAGS: [TagOfDemo; 6] = [
    TagOfDemo {
        slug: "shoe",
        name: "Running shoe",
        about: "A genuine tag. Its link carries a counter and a proof, both readable.",
        art: art::SHOE,
        text: "q8w3sbcz",
        api: Api::Ixkio,
        path: SHOES,
        parts: SHOE_PARTS,
        has_seal: false,
        is_listed: true,
        fields: Some(
            r#"{ "xuid": "q8w3sbcz", "cuid": "SHOE-0042", "name": "Running shoe, left", "batch": "Demo/Shoes/May" }"#,
        ),
    },
    TagOfDemo {
        slug: "bottle",
        name: "Bottle with a seal",
        about: "A genuine tag that knows whether its seal was ever opened. Its data are encrypted.",
        art: art::BOTTLE,
        text: "1002",
        api: Api::Etrnl,
        path: SEALED,
        parts: &[("id", Role::Tag), ("k", Role::ECode), ("e", Role::PiccData), ("t", Role::SealAndMac)],
        has_seal: true,
        is_listed: true,
        fields: Some(
            r#"{ "number": 1002, "name": "Bottle with a seal", "batch": "Demo/Spirits/May", "tamper": true,
                "metadata": {"bottled":2021,"sku":"B-1002"} }"#,
        ),
    },
    TagOfDemo {
        slug: "ticket",
        name: "Concert ticket",
        about: "A genuine tag of a group that asks for two taps within a minute.",
        art: art::TICKET,
        text: "t5k2wnvb",
        api: Api::Ixkio,
        path: SHOES,
        parts: SHOE_PARTS,
        has_seal: false,
        is_listed: true,
        fields: Some(r#"{ "xuid": "t5k2wnvb", "name": "Concert ticket, row 7", "batch": "Demo/Tickets/May" }"#),
    },
    TagOfDemo {
        slug: "batch",
        name: "Batch switched off",
        about: "A genuine tag whose batch the operator has taken out of use.",
        art: art::BATCH,
        text: "r9x4tcda",
        api: Api::Ixkio,
        path: SHOES,
        parts: SHOE_PARTS,
        has_seal: false,
        is_listed: true,
        fields: Some(r#"{ "xuid": "r9x4tcda", "name": "Running shoe, right", "batch": "Demo/Shoes/June" }"#),
    },
    TagOfDemo {
        slug: "nobody",
        name: "Nobody’s tag",
        about: "A chip whose link names a tag that nobody has registered.",
        art: art::NOBODY,
        text: "nobody00",
        api: Api::Ixkio,
        path: SHOES,
        parts: SHOE_PARTS,
        has_seal: false,
        is_listed: true,
        fields: None,
    },
    TagOfDemo {
        slug: "gin",
        name: "Gin",
        about: "",
        art: "",
        text: "1001",
        api: Api::Etrnl,
        path: SPIRITS,
        parts: &[("id", Role::Tag), ("k", Role::ECode), ("e", Role::PiccData), ("c", Role::Mac)],
        has_seal: false,
        is_listed: false,
        fields: Some(
            r#"{ "number": 1001, "name": "Gin", "batch": "Demo/Spirits/May", "metadata": {"bottled":2024,"sku":"G-0071"} }"#,
        ),
    },
];

/// The emulated chip of a tag.
pub(super) struct Chip {
    emulated: EmulatedTag,
    is_open: bool,
}

impl Chip {
    pub(super) fn new(emulated: EmulatedTag) -> Self {
        Self { emulated, is_open: false }
    }

    /// Returns the URL of a new tap.
    pub(super) fn tap(&mut self) -> anyhow::Result<String> {
        Ok(self.emulated.tap()?.to_string())
    }

    pub(super) fn break_seal(&mut self) {
        self.emulated.open_seal();
        self.is_open = true;
    }

    pub(super) fn close_seal(&mut self) {
        self.emulated.close_seal();
        self.is_open = false;
    }

    /// Returns `true` if the seal is open now.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }
}

pub(super) fn lock(chip: &Mutex<Chip>) -> MutexGuard<'_, Chip> {
    chip.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a tag with random keys. Returns the tag, and its keys for the import.
pub(super) fn personalise(template: &str, text: &str) -> anyhow::Result<(EmulatedTag, Value)> {
    let layout = SdmLayout::new(Scheme::Aes, template)?;
    let code = ECode::from_bytes(random()?);
    let mut uid = random::<7>()?;
    if let Some(maker) = uid.first_mut() {
        *maker = 0x04;
    }
    let uid = Uid::from_bytes(uid);
    let (meta, file) = (random::<16>()?, random::<16>()?);
    let code = String::from_utf8(code.to_text().to_vec())?;
    let named: Vec<_> = layout.names().map(|name| (name, if name == "eCode" { &*code } else { text })).collect();
    let texts = TagTexts { captured: &named, ..TagTexts::default() };
    let (meta_key, file_key) = (SdmMetaReadKey::from_bytes(meta), SdmFileReadKey::from_bytes(file));
    let tag = EmulatedTag::new(&layout, &texts, meta_key, file_key, uid)?.with_seed(random()?);
    let mut keys = json!({ "file": hex::encode(&file) });
    if let (true, Some(fields)) = (template.contains("{picc"), keys.as_object_mut()) {
        fields.insert("meta".into(), hex::encode(&meta).into());
        fields.insert("eCode".into(), code.into());
    }
    Ok((tag, keys))
}
