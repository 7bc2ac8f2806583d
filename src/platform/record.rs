//! Tag records. A tag record contains the owner, the state, the keys, the names and the rules of a tag.

use super::rules::{RuleSet, Rules};
use crate::kdf::ecode::{SealedKeys, TagContext};
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
#[cfg(feature = "ecdsa")]
use crate::key::TagPublicKey;
use crate::key::{IssuerKey, MasterKey, PreparedFileReadKey, PreparedMetaReadKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::SdmLayout;
use crate::value::{CounterId, Mark, Uid};

/// A type that provides a [`Record`]. The type can own the values of the record or borrow them.
pub trait TagRecord {
    /// Returns the record.
    fn record(&self) -> Record<'_>;

    /// Returns the extended data field at `index`, counted from 0. Returns `None` after the last field. Extended data
    /// fields are a customer's own fields for a tag. The default implementation returns `None` for every index.
    fn extended_data(&self, index: usize) -> Option<ExtendedData<'_>> {
        let _ = index;
        None
    }
}

/// The data about one tag. Create a record with [`Record::new`].
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// The organisation that owns the tag.
    pub organisation: OrganisationId,
    /// `true` if a client of the ixkio API must send a token that belongs to the owner of the tag.
    pub needs_token: bool,
    /// The states of the tag and of its batch, tag group and folder. The service accepts taps of the tag only if all
    /// four states are [`State::Active`].
    pub standing: Standing,
    /// The UID of the chip, or `None` if the UID is unknown. The UID is required if the layout mirrors it, or if the
    /// keys are derived from it.
    pub uid: Option<Uid>,
    /// The names of the tag and of its batch, tag group and folder.
    pub names: Names<'r>,
    /// The chip that authenticates the tag, or `None` for a tag that cannot be authenticated.
    pub chip: Option<Chip<'r>>,
    /// The rules that choose the response text for a tap.
    pub rules: Rules<'r>,
    /// The customer's data as JSON text. The ETRNL API returns this text to the client unchanged, except for white
    /// space around it.
    pub metadata: Option<&'r str>,
    /// The mark that the counter store keeps for the tag: the counter and time of the last accepted tap, and the number
    /// of accepted taps. Your registry copies the mark from the counter store when the registry reads the record. The
    /// service uses this copy to choose and fill the response text, but never to detect a replay.
    pub last_seen: Option<Mark>,
}

impl Record<'_> {
    /// Creates a record that contains only the owner. The tag cannot be authenticated until you set the field
    /// [`chip`](Self::chip). Also set the other fields that your tag needs, as the examples of
    /// [`Service`](super::Service) do.
    #[must_use]
    pub const fn new(organisation: OrganisationId) -> Self {
        Self {
            organisation,
            needs_token: false,
            standing: Standing::ACTIVE,
            uid: None,
            names: Names { xuid: None, cuid: None, tag: None, batch: None, tag_group: None, folder: None },
            chip: None,
            rules: Rules { tag_group: RuleSet { groups: [None; 3], default: "" }, tag_code: None },
            metadata: None,
            last_seen: None,
        }
    }
}

impl TagRecord for Record<'_> {
    fn record(&self) -> Record<'_> {
        *self
    }
}

/// The id of an organisation. The id can be a number, a UUID, or any other 128-bit value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationId(u128);

impl OrganisationId {
    /// Creates an id from a number of your choice. Use a different number for each organisation.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

/// The layout, the keys and the counter id of a tag's chip.
#[derive(Clone, Copy, Debug)]
pub struct Chip<'r> {
    /// The URL layout and the scheme of the chip.
    pub layout: &'r SdmLayout,
    /// The keys of the chip.
    pub keys: Keys<'r>,
    /// `true` if the verdict and the rules use the tamper status in the tap. If this field is `false`, the service
    /// ignores the tamper status.
    pub tamper: bool,
    /// The counter id, under which the counter store keeps the counter. If this field is `None`, the id is [derived
    /// from the file-read key](PreparedFileReadKey::counter_id), or from the public key of a tag that signs its taps. Set
    /// this field only if the counter of the tag is already stored under a different id.
    pub counter: Option<CounterId>,
}

/// The source of the keys of a tag: the keys themselves, or the data from which the service derives or decrypts the
/// keys.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Keys<'r> {
    /// The keys are not known yet. The service refuses every tap of the tag with
    /// [`Refusal::NoKeys`](super::Refusal::NoKeys).
    NotLoaded,
    /// The record contains the keys, or the master keys or issuer keys from which the service derives the keys.
    Loaded {
        /// The SDMMetaReadKey, which decrypts `{picc}`. Set this field to `None` if the layout has no `{picc}`.
        meta: Option<MetaKey<'r>>,
        /// The SDMFileReadKey, which verifies the SDMMAC.
        file: FileKey<'r>,
    },
    /// The public key of a tag that signs its taps. The layout must have the scheme
    /// [`Scheme::Ecdsa`](crate::Scheme::Ecdsa).
    #[cfg(feature = "ecdsa")]
    Signing {
        /// The SDMMetaReadKey, which decrypts `{picc}`. Set this field to `None` if the layout has no `{picc}`. A tap is
        /// only ever opened with this key, because a signature does not show which key decrypts the PICCData.
        meta: Option<MetaKey<'r>>,
        /// The public key, which verifies the signature.
        public: &'r TagPublicKey,
    },
    /// The keys are sealed (encrypted). To unseal the keys, the service needs its server secret and the eCode, a code
    /// in the URL of the tag.
    Sealed {
        /// The sealed keys.
        keys: &'r SealedKeys,
        /// The tag for which the keys were sealed: its number, its UID, and its number of earlier personalisations.
        tag: TagContext,
    },
    /// The keys are derived from the server secret and the eCode, a code in the URL of the tag. See
    /// [`kdf::ecode::derive_file_read_key`](crate::kdf::ecode::derive_file_read_key).
    ECode {
        /// The number of earlier personalisations of the tag.
        epoch: u32,
    },
}

/// The source of an SDMMetaReadKey.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MetaKey<'r> {
    /// A key that is not prepared. The service prepares the key again for each tap, which takes time.
    Plain(&'r SdmMetaReadKey),
    /// A key that you [prepared](SdmMetaReadKey::prepare) once for many taps. Prepare it for the scheme of the layout.
    Prepared(&'r PreparedMetaReadKey),
    /// K1 (the meta-read key) of a Bolt Card, derived from this issuer key.
    Boltcard(&'r IssuerKey),
    /// Key 1 (the meta-read key) of the server sdm-backend, derived from this master key.
    #[cfg(feature = "sdm-backend")]
    SdmBackend(&'r sdm_backend::Master),
}

/// The source of an SDMFileReadKey. To derive a key, the service needs the UID in the record.
///
/// **If the layout does not mirror the UID, all tags that share a key count as one tag.** Without a UID, nothing in a
/// tap shows which of these tags produced the tap. The service can accept the tap under the record of any of these
/// tags. If [`Chip::counter`] is `None` in the records of all these tags, the tags share one counter. The service then
/// accepts each tap under at most one of the records.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FileKey<'r> {
    /// A key that is not prepared. The service prepares the key again for each tap, which takes time.
    Plain(&'r SdmFileReadKey),
    /// A key that you [prepared](SdmFileReadKey::prepare) once for many taps. Prepare it for the scheme of the layout.
    Prepared(&'r PreparedFileReadKey),
    /// A key derived by [`kdf::an10922::derive_in_epoch`](crate::kdf::an10922::derive_in_epoch).
    An10922 {
        /// The master key.
        master: &'r MasterKey,
        /// The bytes that follow the UID in the input of the key derivation. At most 24 bytes are allowed.
        suffix: &'r [u8],
        /// The number of earlier personalisations of the tag.
        epoch: u32,
    },
    /// K2 (the file-read key) of a Bolt Card, derived from an issuer key, the UID and the version of the card.
    Boltcard {
        /// The key of the issuer.
        issuer: &'r IssuerKey,
        /// The version of the card. The version increases each time the card is programmed again.
        version: u32,
    },
    /// Key 2 (the file-read key) of the server sdm-backend, derived from this master key and the UID.
    #[cfg(feature = "sdm-backend")]
    SdmBackend(&'r sdm_backend::Master),
}

/// The names of a tag and of its batch, tag group and folder. A name can have any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'r> {
    /// The XUID, which is the id of the tag in the ixkio API.
    pub xuid: Option<&'r str>,
    /// The CUID, which is the customer's own id for the tag in the ixkio API.
    pub cuid: Option<&'r str>,
    /// The name of the tag, which replaces the placeholder `{tagname}` in a response.
    pub tag: Option<&'r str>,
    /// The name of the batch of the tag.
    pub batch: Option<&'r str>,
    /// The name of the tag group of the tag.
    pub tag_group: Option<&'r str>,
    /// The name of the folder of the tag.
    pub folder: Option<&'r str>,
}

/// One extended data field: a name and a value that a customer chose for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedData<'r> {
    /// The name as the customer wrote it.
    pub name: &'r str,
    /// The value. It can contain [subtags](super::rules::Subtags), which are placeholders such as `{scount}`.
    pub value: &'r str,
    /// `true` if the ixkio API includes the field in its answer. ixkio calls this setting *Add to Response*.
    pub in_response: bool,
}

impl ExtendedData<'_> {
    /// Returns the field name for the answer of the ixkio API: the name in lower case, with `_` in place of each space.
    pub fn key(&self) -> impl Iterator<Item = char> {
        key(self.name)
    }

    /// Returns `true` if the field has this name. Case is ignored, and a space matches a `_`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.key().eq(key(name))
    }
}

pub(super) fn key(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase).map(|c| if c == ' ' { '_' } else { c })
}

/// A level in the hierarchy of tags. A folder contains tag groups, a tag group contains batches, and a batch contains
/// tags. In comparisons, an outer level is less than an inner level. For example, `Folder` is less than `TagCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A folder.
    Folder,
    /// A tag group.
    TagGroup,
    /// A batch.
    Batch,
    /// A single tag (ixkio: tag code).
    TagCode,
}

/// The state of a folder, a tag group, a batch or a single tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The service can accept taps of this tag, or of the tags in this folder, tag group or batch.
    Active,
    /// The service refuses all taps of this tag, or of all tags in this folder, tag group or batch.
    Inactive,
}

/// The states of a tag and of its batch, tag group and folder. If you do not use folders, tag groups or batches, set
/// their state to [`State::Active`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The state of the folder.
    pub folder: State,
    /// The state of the tag group.
    pub tag_group: State,
    /// The state of the batch.
    pub batch: State,
    /// The state of the tag itself (ixkio: tag code).
    pub tag_code: State,
}

impl Standing {
    /// The tag and its batch, tag group and folder are all active.
    pub const ACTIVE: Self =
        Self { folder: State::Active, tag_group: State::Active, batch: State::Active, tag_code: State::Active };

    /// Returns the outermost level (folder, tag group, batch or tag) that is inactive, or `None` if every level is
    /// active. The service accepts taps of the tag only if this method returns `None`.
    ///
    /// ```
    /// use suntap::platform::{Level, Standing, State};
    ///
    /// let standing = Standing { tag_group: State::Inactive, tag_code: State::Inactive, ..Standing::ACTIVE };
    /// assert_eq!(standing.inactive(), Some(Level::TagGroup));
    /// assert_eq!(Standing::ACTIVE.inactive(), None);
    /// ```
    #[must_use]
    pub fn inactive(&self) -> Option<Level> {
        let levels = [
            (Level::Folder, self.folder),
            (Level::TagGroup, self.tag_group),
            (Level::Batch, self.batch),
            (Level::TagCode, self.tag_code),
        ];
        levels.into_iter().find(|(_, state)| *state == State::Inactive).map(|(level, _)| level)
    }
}
