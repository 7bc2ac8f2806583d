//! The whole line in the only safe order: from a request to a verdict, over a registry and a counter store.
//!
//! ```text
//! find the record ─▶ owner ─▶ standing ─▶ keys ─▶ shape ─▶ open ─▶ UID ─▶ SDMMAC ─▶ advance the counter
//! ```
//!
//! (A URL must have its shape before the keys are looked for: the eCode is taken out of it.)
//!
//! Each step that fails ends the line with a [`Refusal`] that names it, and nothing behind it is done: the counter moves only for
//! a verified tap of an active tag that the caller may ask for. The refusal is for the operator and for callers who hold the
//! record of the tag. What a stranger sees should not tell one from another.
//!
//! Only the first steps and the last wait for somebody else. All between is one function without input and output, so the
//! blocking [`verify`](Service::verify) and [`verify_async`](Service::verify_async) are the same line.
//!
//! ```
//! use suntap::platform::{Chip, FileKey, Keys, MetaKey, OrganisationId, Record, TagRef, TagRegistry};
//! use suntap::platform::{Caller, Presented, Refusal, Request, Verdict, Service};
//! use suntap::platform::{ApiKeyName};
//! use suntap::{MemoryCounters, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, UnixMillis, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
//! static META: SdmMetaReadKey = SdmMetaReadKey::FACTORY;
//! static FILE: SdmFileReadKey = SdmFileReadKey::FACTORY;
//!
//! /// A door that knows one tag.
//! struct Door;
//!
//! impl TagRegistry for Door {
//!     type Record = Record<'static>;
//!     type Error = core::convert::Infallible;
//!
//!     fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> {
//!         let keys = Keys::Loaded { meta: Some(MetaKey::Plain(&META)), file: FileKey::Plain(&FILE) };
//!         Ok((tag == TagRef::Number(7)).then_some(Record {
//!             uid: Some(Uid::from_bytes([0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40])),
//!             chip: Some(Chip { layout: &LAYOUT, keys, tamper: false, counter: None }),
//!             ..Record::new(OrganisationId(1))
//!         }))
//!     }
//!
//!     fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
//!         Ok(None)
//!     }
//! }
//!
//! let mut counters = MemoryCounters::<64>::new();
//! let request = Request {
//!     tag: TagRef::Number(7),
//!     caller: Caller::Anyone,
//!     tap: Presented::OriginForm("/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"),
//!     at: Some(UnixMillis(1_700_000_000_000)),
//! };
//! let service = Service::new(&[]);
//! assert!(matches!(service.verify(&Door, &mut counters, &request).verdict, Ok(Verdict::Fresh(_))));
//! let again = service.verify(&Door, &mut counters, &request).verdict;
//! assert!(matches!(again, Ok(Verdict::Refused(Refusal::Replayed { .. }))));
//! ```

use core::fmt;

use super::api_key::ApiKeyName;
use super::record::{Level, OrganisationId, Record, TagRecord};
use super::registry::{AsyncTagRegistry, TagRef, TagRegistry};
use crate::counter::{AsyncCounterStore, CounterStore};
use crate::kdf::ecode::ServerSecret;
use crate::sun::error::{CommitError, Malformed};
use crate::sun::tamper::TtStatus;
use crate::sun::tap::{FreshTap, VerifiedTap};
use crate::value::{CounterId, Mark, SdmReadCtr, Uid, UnixMillis};

mod examine;
mod keys;
mod response;

use examine::Texts;
pub use response::Response;

/// What somebody wants decided.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which tag the tap is said to be of.
    pub tag: TagRef<'a>,
    /// Who asks.
    pub caller: Caller,
    /// The tap.
    pub tap: Presented<'a>,
    /// The time to remember with an accepted tap; `None` without a clock.
    pub at: Option<UnixMillis>,
}

/// Who asks, as far as the registry knows: see [`TagRegistry::organisation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Nobody in particular, and whose the tag is does not matter: the service's own page, or a door.
    Anyone,
    /// Who may have brought a token. It is looked up for tags [that need one](crate::platform::Record::needs_token), and must be
    /// of their organisation then.
    Token(Option<ApiKeyName>),
    /// A member of an organisation, who may ask for tags of that one only.
    Member(OrganisationId),
}

/// How a tap arrives.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// As the whole URL that the tag wrote.
    Url(&'a str),
    /// As the `/path?query` that an HTTP server was sent.
    OriginForm(&'a str),
    /// As separate values.
    Values(Values<'a>),
}

/// The mirrors of a tap as an API takes them. What is not here comes from the layout and the record: static text, the UID of a
/// layout with `{uid}`, and the texts of `{:xuid}` and `{:cuid}`.
#[derive(Clone, Copy, Default)]
pub struct Values<'a> {
    /// `{picc}`
    pub picc_data: Option<&'a str>,
    /// `{ctr}`
    pub ctr: Option<&'a str>,
    /// `{tt}`
    pub tt_status: Option<&'a str>,
    /// `{mac}`, alone or with `{enc}`.
    pub proof: Option<Proof<'a>>,
    /// `{:name}`, as pairs of name and text, among them `eCode`. The layout may have fewer; of two with one name the first counts.
    pub captured: &'a [(&'a str, &'a str)],
}

/// The SDMMAC as an API takes it.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// `{mac}`, of a layout without `{enc}`.
    Mac(&'a str),
    /// `{enc}`, and `{mac}` behind it without anything in between.
    EncMac(&'a str),
    /// The one or the other, as the layout has it.
    ByLayout(&'a str),
}

/// What a verified tap said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The UID; where the tag mirrors none, that of the record.
    pub uid: Option<Uid>,
    /// The counter.
    pub ctr: SdmReadCtr,
    /// The tamper status, of a tag whose record says that it has one.
    pub tamper: Option<TtStatus>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Genuine, and seen for the first time.
    Fresh(Accepted),
    /// Anything else.
    Refused(Refusal),
}

/// An accepted tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it said.
    pub seen: Seen,
    /// What the store remembered before; `None` if this is the first tap of the tag.
    pub previous: Option<Mark>,
    /// What the store remembers now: this tap.
    pub now: Mark,
}

/// The step at which the line ended. Nothing behind it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such tag.
    UnknownTag,
    /// The caller is not of the organisation that the tag belongs to.
    NotTheOwner,
    /// The tag may not be used: this is the outermost level that is inactive.
    Inactive(Level),
    /// It is a standard tag: it proves nothing.
    NoChip,
    /// The record has no keys, or none that serve its layout: no SDMMetaReadKey for a `{picc}`, a key prepared for another mode,
    /// a derivation without a UID, sealed keys and no server secret.
    NoKeys,
    /// The tap brought no eCode, or the keys do not open with the one it brought.
    SealBroken,
    /// The tap has not the shape of the layout.
    Malformed(Malformed),
    /// The PICCData does not open to what the layout says.
    NotOpened,
    /// It opens to the UID of another chip or to none, or the record knows no UID to compare with.
    OtherUid,
    /// The SDMMAC does not match, or the counter is 0.
    NotAuthentic,
    /// Genuine, but it carries no counter: nobody can say whether it is new.
    NoCounter,
    /// Genuine, but this tap or a later one was accepted before.
    Replayed {
        /// What it said.
        seen: Seen,
        /// What the store remembers.
        stored: Mark,
    },
}

/// The registry or the store failed: there is no verdict, and the tap counts as refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<R, S> {
    /// The registry could not say. No counter was touched.
    Registry(R),
    /// The store could not say. Whether the counter moved is not known.
    Counters(S),
}

/// A verdict, and the record that it was taken by.
#[derive(Clone, Copy, Debug)]
#[must_use = "this is the verdict"]
pub struct Outcome<R, E> {
    /// The record; `None` if there is none or the registry failed.
    pub record: Option<R>,
    /// The verdict.
    pub verdict: Result<Verdict, E>,
}

/// Takes taps down the line. It holds nothing but the server secrets that open sealed keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service<'s> {
    secrets: &'s [ServerSecret],
}

impl<'s> Service<'s> {
    /// A verifier that opens sealed keys with the first of these secrets that fits: the present one, and while
    /// [seals are renewed](crate::kdf::ecode::SealedKeys::rewrap), the one before. Keys that are derived from an eCode use the
    /// first. Without sealed keys there are none to give.
    #[must_use]
    pub const fn new(secrets: &'s [ServerSecret]) -> Self {
        Self { secrets }
    }

    /// Decides.
    pub fn verify<R: TagRegistry, S: CounterStore + ?Sized>(
        &self,
        registry: R,
        counters: &mut S,
        request: &Request<'_>,
    ) -> Outcome<R::Record, Failure<R::Error, S::Error>> {
        let record = match registry.find(request.tag) {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::unknown(),
            Err(error) => return Outcome::unfound(error),
        };
        let view = record.record();
        let asker = match request.caller.token_wanted(&view).map(|token| registry.organisation(token)) {
            None => None,
            Some(Ok(organisation)) => organisation,
            Some(Err(error)) => return Outcome { record: Some(record), verdict: Err(Failure::Registry(error)) },
        };
        let verdict = {
            let texts = Texts::of(&request.tap, &view);
            let mirrors = request.tap.mirrors(&view, &texts);
            match self.examine(request, asker, &view, &mirrors) {
                Ok(Examined { tap, seen, counter }) => seen.concluded(tap.commit(counters, &counter, request.at)),
                Err(refusal) => Ok(Verdict::Refused(refusal)),
            }
        };
        Outcome { record: Some(record), verdict }
    }

    /// As [`verify`](Self::verify), where registry and store take waiting. The future is `Send` if theirs, the records and the
    /// errors are.
    ///
    /// If the future is dropped before it is done, the counter may or may not have moved. The tap is spent either way.
    pub async fn verify_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized>(
        &self,
        registry: R,
        counters: &mut S,
        request: &Request<'_>,
    ) -> Outcome<R::Record, Failure<R::Error, S::Error>> {
        let record = match registry.find(request.tag).await {
            Ok(Some(record)) => record,
            Ok(None) => return Outcome::unknown(),
            Err(error) => return Outcome::unfound(error),
        };
        let view = record.record();
        let asker = match request.caller.token_wanted(&view) {
            None => None,
            Some(token) => match registry.organisation(token).await {
                Ok(organisation) => organisation,
                Err(error) => return Outcome { record: Some(record), verdict: Err(Failure::Registry(error)) },
            },
        };
        let verdict = {
            let texts = Texts::of(&request.tap, &view);
            let mirrors = request.tap.mirrors(&view, &texts);
            match self.examine(request, asker, &view, &mirrors) {
                Ok(Examined { tap, seen, counter }) => {
                    seen.concluded(tap.commit_async(counters, &counter, request.at).await)
                }
                Err(refusal) => Ok(Verdict::Refused(refusal)),
            }
        };
        Outcome { record: Some(record), verdict }
    }
}

impl Caller {
    /// The token that has to be looked up for this tag.
    fn token_wanted(&self, record: &Record<'_>) -> Option<&ApiKeyName> {
        match self {
            Self::Token(token) if record.needs_token => token.as_ref(),
            Self::Anyone | Self::Token(_) | Self::Member(_) => None,
        }
    }

    /// Whether somebody may ask for the tag; `asker` is the owner of the token that was looked up.
    fn may_ask(&self, asker: Option<OrganisationId>, record: &Record<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Token(_) => !record.needs_token || asker == Some(record.organisation),
            Self::Member(organisation) => *organisation == record.organisation,
        }
    }
}

/// All is well but for the counter: the tap waits for the store.
struct Examined<'a> {
    tap: VerifiedTap<'a>,
    seen: Seen,
    /// The name of its counter.
    counter: CounterId,
}

impl Seen {
    /// What the store's answer means.
    fn concluded<R, S>(self, committed: Result<FreshTap<'_>, CommitError<S>>) -> Result<Verdict, Failure<R, S>> {
        match committed {
            Ok(fresh) => Ok(Verdict::Fresh(Accepted { seen: self, previous: fresh.previous(), now: fresh.mark() })),
            Err(CommitError::Replayed { stored }) => Ok(Verdict::Refused(Refusal::Replayed { seen: self, stored })),
            Err(CommitError::Store(error)) => Err(Failure::Counters(error)),
        }
    }
}

impl<R, RE, SE> Outcome<R, Failure<RE, SE>> {
    fn unknown() -> Self {
        Self { record: None, verdict: Ok(Verdict::Refused(Refusal::UnknownTag)) }
    }

    fn unfound(error: RE) -> Self {
        Self { record: None, verdict: Err(Failure::Registry(error)) }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "Url(..)",
            Self::OriginForm(_) => "OriginForm(..)",
            Self::Values(_) => "Values(..)",
        })
    }
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mac(_) => "Mac(..)",
            Self::EncMac(_) => "EncMac(..)",
            Self::ByLayout(_) => "ByLayout(..)",
        })
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownTag => "there is no such tag",
            Self::NotTheOwner => "the tag belongs to another organisation",
            Self::Inactive(Level::Folder) => "the folder is inactive",
            Self::Inactive(Level::TagGroup) => "the tag group is inactive",
            Self::Inactive(Level::Batch) => "the batch is inactive",
            Self::Inactive(Level::TagCode) => "the tag is inactive",
            Self::NoChip => "a standard tag proves nothing",
            Self::NoKeys => "there are no keys that serve the layout",
            Self::SealBroken => "the sealed keys do not open with what the tap brought",
            Self::Malformed(error) => return error.fmt(f),
            Self::NotOpened => "the PICCData does not open",
            Self::OtherUid => "the UID is not that of the record",
            Self::NotAuthentic => "the SDMMAC does not match",
            Self::NoCounter => "genuine, but without a counter",
            Self::Replayed { stored, .. } => return write!(f, "seen before: the counter stands at {}", stored.ctr),
        })
    }
}

impl core::error::Error for Refusal {}

impl<R: fmt::Display, S: fmt::Display> fmt::Display for Failure<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) => write!(f, "the registry failed: {error}"),
            Self::Counters(error) => write!(f, "the counter store failed: {error}"),
        }
    }
}

impl<R, S> core::error::Error for Failure<R, S>
where
    R: core::error::Error + 'static,
    S: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Registry(error) => Some(error),
            Self::Counters(error) => Some(error),
        }
    }
}
