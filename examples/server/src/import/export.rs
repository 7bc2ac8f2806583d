//! Lines that an import reads, written from stored documents.

use serde::Serialize;
use suntap::kdf::ecode::SealedKeys;
use suntap::{CounterId, Mark, TagPublicKey};

use crate::registry::document::{
    Derivation, ImportedCounter, KeySource, Level, Organisation, SigningMeta, StoredKeys, Tag, public_key_text,
    sealed_text, tag_id_text,
};

/// A line. Its form is that of [`Line`](super::line::Line).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ExportedLine {
    Organisation(Organisation),
    Folder(Level),
    TagGroup(Level),
    Batch(Level),
    Tag(Box<Tag<ExportedKeys>>),
}

/// The keys of a tag. Its form is that of [`Keys`](super::line::Keys).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ExportedKeys {
    #[serde(rename_all = "camelCase")]
    Held {
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        has_meta: bool,
    },
    #[serde(rename_all = "camelCase")]
    Sealed {
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        epoch: u32,
        #[serde(with = "tag_id_text", skip_serializing_if = "Option::is_none")]
        counter_id: Option<CounterId>,
    },
    Derived(Derivation),
    Signing {
        #[serde(with = "public_key_text")]
        public: TagPublicKey,
        #[serde(skip_serializing_if = "Option::is_none")]
        meta: Option<SigningMeta>,
    },
}

impl ExportedKeys {
    fn new(keys: StoredKeys) -> Self {
        match keys.source {
            KeySource::Held { sealed, has_meta } => Self::Held { sealed, has_meta },
            KeySource::Sealed { sealed, epoch } => Self::Sealed { sealed, epoch, counter_id: keys.counter },
            KeySource::Derived(derivation) => Self::Derived(derivation),
            KeySource::Signing { public, meta } => Self::Signing { public, meta },
        }
    }
}

/// Returns the line of a tag, with its last accepted tap as its `counter`.
pub(crate) fn tag_line(tag: Tag<StoredKeys>, mark: Option<Mark>) -> ExportedLine {
    let keys = tag.keys.clone().map(ExportedKeys::new);
    let mut tag = tag.with_keys(keys);
    tag.counter = mark.map(|Mark { ctr, at, taps }| ImportedCounter { ctr, at, taps: Some(taps) });
    ExportedLine::Tag(Box::new(tag))
}
