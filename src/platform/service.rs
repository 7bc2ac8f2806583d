//! The service that turns a request into a verdict.

use super::keys::TagKeys;
use super::outcome::Outcome;
use super::record::{Keys, OrganisationId, Record, TagRecord};
use super::registry::{AsyncTagRegistry, TagRegistry};
use super::request::{Presented, Request, Supplied};
use super::verdict::{Failure, Refusal, Seen, Verdict};
use crate::counter::{AsyncCounterStore, Blocking, CounterStore, run_ready};
use crate::kdf::ecode::ServerSecret;
use crate::sun::error::{Field, Malformed, VerifyError};
use crate::sun::received::Mirrors;
use crate::sun::tap::{UnverifiedTap, VerifiedTap};
use crate::value::CounterId;

/// The name of the captured text that opens sealed keys.
const ECODE: &str = "eCode";

/// Decides about taps with a registry and a counter store.
///
/// ```text
/// find the record ─▶ owner ─▶ state ─▶ keys ─▶ shape ─▶ open ─▶ UID ─▶ SDMMAC ─▶ advance the counter
/// ```
///
/// A URL is parsed before the keys are looked up, because it contains the eCode.
///
/// The first step that fails ends the decision with a [`Refusal`] that names it, and later steps do not run. The
/// counter therefore moves only for a verified tap of an active tag that the caller may ask for. The refusal is for the
/// operator and for callers who hold the record of the tag. Return one generic refusal to untrusted clients.
///
/// A service holds only the server secrets that open sealed keys. It needs no heap.
///
/// ```
/// use suntap::platform::{
///     ApiKeyName, Caller, Chip, FileKey, Keys, MetaKey, OrganisationId, Presented, Record, Refusal, Request, Service,
///     TagRef, TagRegistry, Verdict,
/// };
/// use suntap::{MemoryCounters, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, UnixMillis, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
/// static META: SdmMetaReadKey = SdmMetaReadKey::FACTORY;
/// static FILE: SdmFileReadKey = SdmFileReadKey::FACTORY;
///
/// /// A door that knows one tag.
/// struct Door;
///
/// impl TagRegistry for Door {
///     type Record = Record<'static>;
///     type Error = core::convert::Infallible;
///
///     fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> {
///         let keys = Keys::Loaded { meta: Some(MetaKey::Plain(&META)), file: FileKey::Plain(&FILE) };
///         Ok((tag == TagRef::Number(7)).then_some(Record {
///             uid: Some(Uid::from_bytes([0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40])),
///             chip: Some(Chip { layout: &LAYOUT, keys, tamper: false, counter: None }),
///             ..Record::new(OrganisationId(1))
///         }))
///     }
///
///     fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
///         Ok(None)
///     }
/// }
///
/// let mut counters = MemoryCounters::<64>::new();
/// let request = || Request {
///     tag: TagRef::Number(7),
///     caller: Caller::Anyone,
///     tap: Presented::OriginForm("/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"),
///     at: Some(UnixMillis(1_700_000_000_000)),
/// };
/// let service = Service::new(&[]);
/// let mut decide = || service.verify(&Door, &mut counters, request(), |outcome| outcome.verdict);
/// assert!(matches!(decide(), Ok(Verdict::Fresh(_))));
/// let again = decide();
/// assert!(matches!(again, Ok(Verdict::Refused(Refusal::Replayed { .. }))));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Service<'s> {
    secrets: &'s [ServerSecret],
}

/// A verified tap before its counter is compared.
struct Examined<'a> {
    tap: VerifiedTap<'a>,
    seen: Seen,
    counter: CounterId,
}

impl<'s> Service<'s> {
    /// Creates a service. It opens sealed keys with the first of these secrets that fits: the present one and, while
    /// [seals are renewed](crate::kdf::ecode::SealedKeys::rewrap), the previous one. Keys that are derived from an
    /// eCode use the first secret. Without sealed keys, pass an empty slice.
    #[must_use]
    pub const fn new(secrets: &'s [ServerSecret]) -> Self {
        Self { secrets }
    }

    /// Decides about a tap and returns the result of `conclude` for the outcome. The outcome borrows the record, so
    /// nothing of it is copied.
    pub fn verify<R: TagRegistry, S: CounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        request: Request<'_>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        run_ready(self.verify_async(Blocking(registry), &mut Blocking(counters), request, conclude))
    }

    /// Like [`verify`](Self::verify), but for an asynchronous registry and store. The future is `Send` if theirs, the
    /// records and the errors are.
    ///
    /// If the future is dropped before it completes, the counter may or may not have moved. The tap is spent either
    /// way.
    pub async fn verify_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        request: Request<'_>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        let record = match registry.find(request.tag).await {
            Ok(Some(record)) => record,
            Ok(None) => return conclude(Outcome::without_record(Ok(Verdict::Refused(Refusal::UnknownTag)))),
            Err(error) => return conclude(Outcome::without_record(Err(Failure::Registry(error)))),
        };
        let view = record.record();
        let outcome = |message, verdict| Outcome { record: Some(&record), verdict, view: Some(view), message };
        let asker = match request.caller.token_wanted(&view) {
            None => None,
            Some(token) => match registry.organisation(token).await {
                Ok(organisation) => organisation,
                Err(error) => return conclude(outcome(None, Err(Failure::Registry(error)))),
            },
        };
        let supplied = Supplied::new(&request.tap, &view);
        let mirrors = supplied.complete(&request.tap);
        let at = request.at;
        match self.examine(request, asker, &view, &supplied, &mirrors) {
            Err(refusal) => conclude(outcome(None, Ok(Verdict::Refused(refusal)))),
            Ok(Examined { tap, seen, counter }) => {
                let advance = counters.advance(&counter, tap.ctr(), at).await;
                let verdict = advance.map(|advance| seen.verdict(advance)).map_err(Failure::Counters);
                conclude(outcome(Some(tap.into_message()), verdict))
            }
        }
    }

    /// Checks a tap as far as possible without the store. `asker` is the owner of a token that was looked up. `mirrors`
    /// holds the completed values of a tap that arrived as separate values.
    fn examine<'a>(
        &self,
        request: Request<'a>,
        asker: Option<OrganisationId>,
        record: &Record<'a>,
        supplied: &Supplied<'a>,
        mirrors: &'a Mirrors<'a>,
    ) -> Result<Examined<'a>, Refusal> {
        if !request.caller.may_ask(asker, record) {
            return Err(Refusal::NotTheOwner);
        }
        if let Some(level) = record.standing.inactive() {
            return Err(Refusal::Inactive(level));
        }
        let chip = record.chip.as_ref().ok_or(Refusal::NoChip)?;
        let layout = chip.layout;

        let whole = |tap: Result<UnverifiedTap<'a>, Malformed>| {
            let tap = tap.map_err(Refusal::Malformed)?;
            let ecode = tap.captured(ECODE);
            Ok((Ok(tap), ecode))
        };
        let (tap, ecode) = match request.tap {
            Presented::Mirrors(given) => {
                (layout.assemble_with(mirrors, supplied.uid()), given.captured(ECODE.as_bytes()))
            }
            Presented::Url(url) => whole(layout.parse(url))?,
            Presented::OriginForm(target) => whole(layout.parse_origin_form(target))?,
            Presented::Parsed(tap) if tap.layout() == layout => whole(Ok(tap))?,
            Presented::Parsed(_) => return Err(Refusal::OtherLayout),
        };
        let opened = layout.has(Field::PiccData);
        // The keys come before the shape of separate values, so that a client sees a wrong eCode first.
        let keys = TagKeys::of(self.secrets, &chip.keys, layout.scheme(), opened, record.uid, ecode)?;
        let tap = tap.map_err(Refusal::Malformed)?;

        let claimed = match &keys.meta {
            Some(key) => tap.open(&**key),
            None => tap.read_plain(),
        };
        // A wrong eCode derives a wrong key, just as it cannot open a seal.
        let derived = matches!(chip.keys, Keys::ECode { .. });
        let unopened = if derived { Refusal::SealBroken } else { Refusal::NotOpened };
        let claimed = claimed.map_err(|error| refusal(error, unopened))?;
        // This also rejects a tap if the record has no UID, or if the PICCData has none although the layout allows
        // one. Otherwise the tap of another tag under the same keys would pass for any such record.
        let expected = claimed.uid().is_some() || layout.mirrored().uid;
        if expected && (claimed.uid().is_none() || claimed.uid() != record.uid) {
            return Err(Refusal::OtherUid);
        }
        let tap = claimed.verify(&*keys.file).map_err(|error| refusal(error, Refusal::NotAuthentic))?;
        let tamper = if chip.tamper { tap.message().tamper() } else { None };
        let seen = Seen { uid: tap.uid().or(record.uid), ctr: tap.ctr(), tamper };
        let counter = chip.counter.unwrap_or_else(|| tap.counter_id());
        Ok(Examined { tap, seen, counter })
    }

    /// Returns the counter id of a tag, for a registry that shows the [last accepted tap](Record::last_seen). Returns
    /// `None` for a standard tag, for a tag without keys, and for keys that open only with the eCode of a tap.
    #[must_use]
    pub fn counter(&self, record: &Record<'_>) -> Option<CounterId> {
        let chip = record.chip.as_ref()?;
        chip.counter.or_else(|| {
            let keys = TagKeys::of(self.secrets, &chip.keys, chip.layout.scheme(), false, record.uid, None).ok()?;
            Some(keys.file.counter_id(record.uid.filter(|_| chip.layout.mirrored().uid)))
        })
    }
}

/// Maps a [`VerifyError`] to the refusal for this step.
fn refusal(error: VerifyError, step: Refusal) -> Refusal {
    match error {
        VerifyError::NoCounter => Refusal::NoCounter,
        // The record is at fault, not the tap.
        VerifyError::Config(_) => Refusal::NoKeys,
        VerifyError::WrongTag => Refusal::OtherUid,
        VerifyError::NotAuthentic => step,
    }
}
