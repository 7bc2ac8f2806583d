//! What is known of a tag: owner, state, keys, names and rules.

use super::rules::{RuleSet, Rules};
use crate::kdf::ecode::{SealedKeys, TagContext};
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
use crate::key::{
    PreparedFileReadKey, PreparedIssuerKey, PreparedMasterKey, PreparedMetaReadKey, SdmFileReadKey, SdmMetaReadKey,
};
use crate::sun::layout::SdmLayout;
use crate::value::{CounterId, Mark, Uid};

/// What shows a [`Record`], whether it owns the values or borrows them.
pub trait TagRecord {
    /// The record.
    fn record(&self) -> Record<'_>;

    /// The extended data in order, as many as there are: the first at 0, and `None` behind the last.
    fn extended_data(&self, index: usize) -> Option<ExtendedData<'_>> {
        let _ = index;
        None
    }
}

/// What is known of a tag. Make one from [`Record::new`].
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// Who it belongs to.
    pub organisation: OrganisationId,
    /// Whether an ixkio client needs a token of that organisation.
    pub needs_token: bool,
    /// Whether it may be used.
    pub standing: Standing,
    /// The UID of the chip, if it is known. A chip that does not mirror its UID is verified with this one.
    pub uid: Option<Uid>,
    /// What the tag and the levels above it are called.
    pub names: Names<'r>,
    /// How it proves itself; `None` for a standard tag, which proves nothing.
    pub chip: Option<Chip<'r>>,
    /// What answers a tap.
    pub rules: Rules<'r>,
    /// The customer's data: JSON text, given out as it is.
    pub metadata: Option<&'r str>,
    /// The last accepted tap as it was when the record was read: to show and for rules, never to tell a replay by.
    pub last_seen: Option<Mark>,
}

impl Record<'_> {
    /// The record of a standard tag without names, rules or data.
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

/// An organisation: a number, a UUID, or 16 bytes of any other meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationId(pub u128);

/// How a tag proves itself.
#[derive(Clone, Copy, Debug)]
pub struct Chip<'r> {
    /// What it writes, and how it computes.
    pub layout: &'r SdmLayout,
    /// Its keys.
    pub keys: Keys<'r>,
    /// Whether its tamper status is to be looked at.
    pub tamper: bool,
    /// The name of its counter; `None` for [the one that follows the file-read key](PreparedFileReadKey::counter_id), which is right
    /// unless the tag's counter has a name from before.
    pub counter: Option<CounterId>,
}

/// Where the two keys of a tag come from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Keys<'r> {
    /// Nobody has loaded any: the tag is not fully programmed.
    NotLoaded,
    /// At hand, or derived from what is at hand.
    Loaded {
        /// The SDMMetaReadKey. A layout without `{picc}` needs none.
        meta: Option<MetaKey<'r>>,
        /// The SDMFileReadKey.
        file: FileKey<'r>,
    },
    /// Sealed: they open only with the eCode that comes with the tap.
    Sealed {
        /// The keys under their seals.
        keys: &'r SealedKeys,
        /// Whose they are.
        tag: TagContext,
    },
    /// Derived from the eCode that comes with the tap and the server secret:
    /// [`kdf::ecode::derive_file_read_key`](crate::kdf::ecode::derive_file_read_key).
    ECode {
        /// How many times the tag was personalised before.
        epoch: u32,
    },
}

/// Where an SDMMetaReadKey comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MetaKey<'r> {
    /// The key, prepared for each tap.
    Plain(&'r SdmMetaReadKey),
    /// The key, prepared once for many taps, and for the mode of the layout.
    Prepared(&'r PreparedMetaReadKey),
    /// K1 of a Bolt Card.
    Boltcard(&'r PreparedIssuerKey),
    /// Key 1 of sdm-backend.
    #[cfg(feature = "sdm-backend")]
    SdmBackend(&'r sdm_backend::Master),
}

/// Where an SDMFileReadKey comes from. What is derived needs the UID of the record.
///
/// **A key that several tags share makes them one tag where their layout mirrors no UID**: nothing in a tap says then which of them
/// it is of, so it passes, once, under the record of any.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FileKey<'r> {
    /// The key, prepared for each tap.
    Plain(&'r SdmFileReadKey),
    /// The key, prepared once for many taps, and for the mode of the layout.
    Prepared(&'r PreparedFileReadKey),
    /// [`kdf::an10922::derive_in_epoch`](crate::kdf::an10922::derive_in_epoch).
    An10922 {
        /// The master key.
        master: &'r PreparedMasterKey,
        /// What follows the UID in the diversification input, at most 24 bytes.
        suffix: &'r [u8],
        /// How many times the tag was personalised before.
        epoch: u32,
    },
    /// K2 of a Bolt Card.
    Boltcard {
        /// The key of the issuer.
        issuer: &'r PreparedIssuerKey,
        /// The version of the card.
        version: u32,
    },
    /// Key 2 of sdm-backend.
    #[cfg(feature = "sdm-backend")]
    SdmBackend(&'r sdm_backend::Master),
}

/// What a tag and the levels above it are called, each text of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'r> {
    /// The XUID.
    pub xuid: Option<&'r str>,
    /// The customer's own name of it.
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
    /// The value, with [subtags](super::rules::Subtags).
    pub value: &'r str,
    /// Whether it goes into the answer (*Add to Response*).
    pub in_response: bool,
}

impl ExtendedData<'_> {
    /// The name in lower case with `_` for a space, as it stands in an answer.
    pub fn key(&self) -> impl Iterator<Item = char> {
        key(self.name)
    }

    /// Whether the field goes by this name: without regard to case, and a space is the same as a `_`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.key().eq(key(name))
    }
}

fn key(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase).map(|c| if c == ' ' { '_' } else { c })
}

/// One level of the hierarchy, outermost first.
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

/// Whether a level is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is.
    Active,
    /// It is not, and nothing below it.
    Inactive,
}

/// The states of a tag and of the levels above it. Where there are no such levels, they are active.
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

    /// The outermost level that is not active; `None` if the tag may be used.
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
