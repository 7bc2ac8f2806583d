//! Tag records. A record contains the owner, the state, the keys, the names and the rules of a tag.

use super::rules::{RuleSet, Rules};
use crate::kdf::ecode::{SealedKeys, TagContext};
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
use crate::key::{IssuerKey, MasterKey, PreparedFileReadKey, PreparedMetaReadKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::SdmLayout;
use crate::value::{CounterId, Mark, Uid};

/// A type that provides a [`Record`]. It can own the values of the record or borrow them.
pub trait TagRecord {
    /// Returns the record.
    fn record(&self) -> Record<'_>;

    /// Returns the extended data field at `index`, counted from 0. Returns `None` after the last field.
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
    /// `true` if an ixkio client must send a token that belongs to this organisation.
    pub needs_token: bool,
    /// The states of the tag and of the levels above it. The tag may be used only if all of them are active.
    pub standing: Standing,
    /// The UID of the chip, if it is known. It is required if the layout mirrors the UID, or if the keys are derived
    /// from the UID.
    pub uid: Option<Uid>,
    /// The names of the tag and of the levels above it.
    pub names: Names<'r>,
    /// The chip that authenticates the tag; `None` for a standard tag, which cannot be authenticated.
    pub chip: Option<Chip<'r>>,
    /// The rules that choose the answer to a tap.
    pub rules: Rules<'r>,
    /// The customer's data as JSON text. It is returned to the client unchanged.
    pub metadata: Option<&'r str>,
    /// The stored mark of the last accepted tap, as it was when the record was read. It is used for display and for
    /// rules, but never to detect a replay.
    pub last_seen: Option<Mark>,
}

impl Record<'_> {
    /// Creates the record of a standard tag without names, rules or data.
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

/// The id of an organisation. It can be a number, a UUID, or any other 128-bit value.
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

/// The chip of a tag, with its layout, its keys and its counter id.
#[derive(Clone, Copy, Debug)]
pub struct Chip<'r> {
    /// The URL layout and the scheme of the chip.
    pub layout: &'r SdmLayout,
    /// The keys of the chip.
    pub keys: Keys<'r>,
    /// `true` if the service evaluates the tamper status of the tag.
    pub tamper: bool,
    /// The counter id. If this field is `None`, the id is [derived from the file-read
    /// key](PreparedFileReadKey::counter_id). Set this field only if the counter of the tag is already stored under a
    /// different id.
    pub counter: Option<CounterId>,
}

/// The source of a tag's two keys.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Keys<'r> {
    /// No keys are loaded. The tag is treated as not fully programmed.
    NotLoaded,
    /// The record contains the keys, or a key from which they are derived.
    Loaded {
        /// The SDMMetaReadKey. It is not needed if the layout has no `{picc}`.
        meta: Option<MetaKey<'r>>,
        /// The SDMFileReadKey.
        file: FileKey<'r>,
    },
    /// The keys are sealed. To unseal them, the service needs the eCode in the tap.
    Sealed {
        /// The sealed keys.
        keys: &'r SealedKeys,
        /// The tag for which the keys were sealed.
        tag: TagContext,
    },
    /// The keys are derived from the eCode in the tap and the server secret. See
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
    /// A key that is prepared again for each tap.
    Plain(&'r SdmMetaReadKey),
    /// A key that was prepared once for many taps. It must be prepared for the scheme of the layout.
    Prepared(&'r PreparedMetaReadKey),
    /// K1 of a Bolt Card, derived from this issuer key.
    Boltcard(&'r IssuerKey),
    /// Key 1 of sdm-backend, derived from this master key.
    #[cfg(feature = "sdm-backend")]
    SdmBackend(&'r sdm_backend::Master),
}

/// The source of an SDMFileReadKey. A key can be derived only if the record has a UID.
///
/// **If several tags share a key and their layout mirrors no UID, they count as one tag.** Nothing in a tap then shows
/// which of these tags produced it. The service accepts each tap once, under the record of any of these tags.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FileKey<'r> {
    /// A key that is prepared again for each tap.
    Plain(&'r SdmFileReadKey),
    /// A key that was prepared once for many taps. It must be prepared for the scheme of the layout.
    Prepared(&'r PreparedFileReadKey),
    /// A key that [`kdf::an10922::derive_in_epoch`](crate::kdf::an10922::derive_in_epoch) derives.
    An10922 {
        /// The master key.
        master: &'r MasterKey,
        /// The suffix after the UID in the diversification input, at most 24 bytes.
        suffix: &'r [u8],
        /// The number of earlier personalisations of the tag.
        epoch: u32,
    },
    /// K2 of a Bolt Card, derived from an issuer key.
    Boltcard {
        /// The key of the issuer.
        issuer: &'r IssuerKey,
        /// The version of the card.
        version: u32,
    },
    /// Key 2 of sdm-backend, derived from this master key.
    #[cfg(feature = "sdm-backend")]
    SdmBackend(&'r sdm_backend::Master),
}

/// The names of a tag and of the levels above it. A name can be of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'r> {
    /// The XUID, which is the id of the tag in the ixkio API.
    pub xuid: Option<&'r str>,
    /// The customer's own name for the tag.
    pub cuid: Option<&'r str>,
    /// The name of the tag.
    pub tag: Option<&'r str>,
    /// The name of its batch.
    pub batch: Option<&'r str>,
    /// The name of its tag group.
    pub tag_group: Option<&'r str>,
    /// The name of its folder.
    pub folder: Option<&'r str>,
}

/// One field of a customer's extended data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedData<'r> {
    /// The name as the customer wrote it.
    pub name: &'r str,
    /// The value, which can contain [subtags](super::rules::Subtags).
    pub value: &'r str,
    /// `true` if the field is included in the answer. ixkio calls this setting *Add to Response*.
    pub in_response: bool,
}

impl ExtendedData<'_> {
    /// Returns the name as it appears in an answer. It is in lower case, and each space is replaced with `_`.
    pub fn key(&self) -> impl Iterator<Item = char> {
        key(self.name)
    }

    /// Returns `true` if the field has this name. Case is ignored, and a space matches a `_`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.key().eq(key(name))
    }
}

fn key(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase).map(|c| if c == ' ' { '_' } else { c })
}

/// A level in the hierarchy of tags. The levels are ordered from the outermost to the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The folder.
    Folder,
    /// The tag group.
    TagGroup,
    /// The batch.
    Batch,
    /// The tag code itself.
    TagCode,
}

/// The state of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The level is in use.
    Active,
    /// The level and all levels below it are not in use.
    Inactive,
}

/// The states of a tag and of the levels above it. If a level does not exist, set it to [`State::Active`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The folder.
    pub folder: State,
    /// The tag group.
    pub tag_group: State,
    /// The batch.
    pub batch: State,
    /// The tag code itself.
    pub tag_code: State,
}

impl Standing {
    /// Every level is active.
    pub const ACTIVE: Self =
        Self { folder: State::Active, tag_group: State::Active, batch: State::Active, tag_code: State::Active };

    /// Returns the outermost level that is not active. Returns `None` if the tag may be used.
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
