//! The service that turns a request into a verdict.

use super::keys::{TagKeys, VerifyingKey};
use super::outcome::Outcome;
use super::record::{Chip, Keys, OrganisationId, Record, TagRecord};
use super::registry::{AsyncTagRegistry, TagRef, TagRegistry};
use super::request::{Caller, Request, Supplied, UnnamedRequest};
use super::verdict::{Failure, Refusal, TapValues, Verdict};
use crate::counter::{AsyncCounterStore, Blocking, CounterStore, run_ready};
use crate::kdf::ecode::ServerSecret;
use crate::key::PreparedMetaReadKey;
use crate::sun::error::{Field, VerifyError};
use crate::sun::message::SunMessage;
use crate::sun::presented::Presented;
use crate::sun::received::Mirrors;
use crate::sun::tap::{ClaimedTap, UnverifiedTap, VerifiedTap};
use crate::value::{CounterId, UnixMillis};
use crate::verifier::Claims;

/// The name of the layout element `{:eCode}`, which marks the place of the eCode in the URL. The service needs the
/// eCode to unseal or derive the keys of the tag.
const ECODE: &str = "eCode";

/// Decides whether to accept taps. A service uses a registry and a counter store, and takes these steps:
///
/// ```text
/// find the record ─▶ owner ─▶ state ─▶ keys ─▶ shape ─▶ open ─▶ UID ─▶ SDMMAC ─▶ advance the counter
/// ```
///
/// The step *owner* checks that the caller may ask about the tag, and *state* checks that the tag is active. *Keys*
/// prepares the keys of the tag. *Shape* checks that the tap matches the layout. *Open* decrypts the PICCData. *UID*
/// compares the UID in the tap with the UID of the record, and *SDMMAC* verifies the MAC or the signature.
///
/// The diagram shows the order for a tap that arrives as separate values. If the tap arrives in another form, such as a
/// URL, *shape* runs before *keys*. The keys of some tags depend on an eCode, a code in the URL. The service can read
/// the eCode only after *shape* has parsed the tap.
///
/// If a step fails, the service returns the [`Refusal`] for this step and skips the later steps. Therefore the counter
/// is advanced only if the tap is verified, the tag is active, and the caller may ask about the tag. Show the refusal
/// only to the operator, and to callers who may see the record of the tag. Return one generic refusal to untrusted
/// clients.
///
/// A `Service` stores only the server secrets. A [`ServerSecret`] is needed to unseal (decrypt) keys, and to derive
/// keys from an eCode. You pass the registry and the counter store to each call. A service needs no heap.
///
/// ```
/// use suntap::platform::{
///     Caller, Chip, FileKey, Keys, MetaKey, OrganisationId, Record, Refusal, Request, Service, TagRef, TagRegistry, Verdict,
/// };
/// use suntap::{MemoryCounters, Presented, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, UnixMillis, sdm_layout};
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
///             ..Record::new(OrganisationId::new(1))
///         }))
///     }
/// }
///
/// let mut counters = MemoryCounters::<64>::new();
/// let request = || Request {
///     tag: TagRef::Number(7),
///     caller: Caller::Anyone,
///     tap: Presented::OriginForm("/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"),
///     at: Some(UnixMillis::new(1_700_000_000_000)),
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

/// A verified tap. Its counter has not yet been compared with the stored counter.
struct Examined<'a> {
    tap: VerifiedTap<'a>,
    values: TapValues,
    counter: CounterId,
}

impl<'a> Examined<'a> {
    /// Advances the counter in the counter store. Returns the content of the tap, and either the verdict or the error
    /// of the counter store.
    async fn decide<S: AsyncCounterStore + ?Sized>(
        self,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> (SunMessage<'a>, Result<Verdict, S::Error>) {
        let advance = counters.advance(&self.counter, self.tap.ctr(), at).await;
        let Self { tap, values, counter } = self;
        (tap.into_message(), advance.map(|advance| values.verdict(counter, advance)))
    }
}

impl<'s> Service<'s> {
    /// Creates a service. `secrets` are the server secrets. The service needs them for tags with sealed (encrypted)
    /// keys, and for tags with keys derived from an eCode, a code in the URL of the tag. If you have no tags of these
    /// two kinds, pass an empty slice.
    ///
    /// The first element must be the current secret. If some keys are still sealed with the previous secret, pass that
    /// secret as the second element until you have [sealed these keys again](crate::kdf::ecode::SealedKeys::rewrap).
    ///
    /// The service tries the secrets in order. The right secret is the one that unseals the keys. For keys derived from
    /// an eCode, the right secret is the one whose keys match the MAC of the tap. Such keys cannot be sealed again:
    /// keep the secret in the slice for as long as these tags are in use. A refused tap costs one verification for each
    /// secret.
    #[must_use]
    pub const fn new(secrets: &'s [ServerSecret]) -> Self {
        Self { secrets }
    }

    /// Decides whether to accept a tap, calls `conclude` with the outcome, and returns the result of `conclude`.
    /// `conclude` is a closure because the outcome borrows the record, which exists only during this call.
    pub fn verify<R: TagRegistry, S: CounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        request: Request<'_>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        run_ready(self.verify_async(Blocking(registry), &mut Blocking(counters), request, conclude))
    }

    /// Like [`verify`](Self::verify), but for an asynchronous registry and store. The returned future is `Send` if
    /// everything that it holds is `Send`: the store, `conclude`, and the futures and errors of the registry and the
    /// store. The registry and the records must be both `Send` and `Sync`.
    ///
    /// If the future is dropped before it completes, the counter may or may not have been advanced. In both cases, do
    /// not accept this tap. Ask the user for a new tap.
    pub async fn verify_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        request: Request<'_>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        let Request { tag, caller, tap, at } = request;
        self.verify_chosen(registry, counters, (tag, caller, at), |_| Ok(tap), conclude).await
    }

    /// Like [`verify_async`](Self::verify_async), but `choose` receives the record of the tag and returns the tap.
    /// `choose` runs after the service has checked the caller and the state of the tag. If `choose` returns a refusal,
    /// the verdict is this refusal.
    pub(super) async fn verify_chosen<'t, R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        (tag, caller, at): (TagRef<'_>, Caller, Option<UnixMillis>),
        choose: impl FnOnce(&Record<'_>) -> Result<Presented<'t>, Refusal>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        let record = match registry.find(tag).await {
            Ok(Some(record)) => record,
            Ok(None) => return conclude(Outcome::without_record(Ok(Verdict::Refused(Refusal::UnknownTag)))),
            Err(error) => return conclude(Outcome::without_record(Err(Failure::Registry(error)))),
        };
        let view = record.record();
        let outcome = |message, verdict| Outcome { record: Some(&record), verdict, view: Some(view), message };
        let asker = match asker(&registry, &caller, &view).await {
            Ok(asker) => asker,
            Err(error) => return conclude(outcome(None, Err(Failure::Registry(error)))),
        };
        let tap = match usable(&caller, asker, &view).and_then(|()| choose(&view)) {
            Ok(tap) => tap,
            Err(refusal) => return conclude(outcome(None, Ok(Verdict::Refused(refusal)))),
        };
        let supplied = Supplied::new(&tap, &view);
        let mirrors = supplied.complete(&tap);
        match self.examine(tap, &view, &supplied, &mirrors) {
            Err(refusal) => conclude(outcome(None, Ok(Verdict::Refused(refusal)))),
            Ok(examined) => {
                let (message, verdict) = examined.decide(counters, at).await;
                conclude(outcome(Some(message), verdict.map_err(Failure::Counters)))
            }
        }
    }

    /// Like [`verify`](Self::verify), but for a request that does not name the tag. The service finds the tag by the
    /// UID in the tap.
    ///
    /// The service decrypts the PICCData with each meta-read key in the request. If the decrypted data is valid and
    /// contains a UID, the service searches for this UID. If the layout has no `{picc}`, the service searches for the
    /// UID in `{uid}`. To find all records with the UID, the service asks the registry for [`TagRef::ClaimedUid`], with
    /// 0, 1, 2 and so on as `nth`. The service verifies the tap with the keys of one record after another. The search
    /// ends at the first record that meets three conditions: its keys verify the tap, its tag is active, and the caller
    /// may ask about the tag.
    ///
    /// A signature does not show which key decrypts the PICCData. If the layout has `{sig}` and `{picc}`, a meta-read key
    /// in the request therefore only finds records. The UID and the counter come from the PICCData that the meta-read
    /// key in the record decrypts. A record without this key is refused with [`Refusal::NoKeys`].
    ///
    /// If the keys of a record verify the tap, but no record meets all three conditions, the tap is refused. The
    /// outcome contains the first record whose keys verify the tap, and the refusal for this record.
    ///
    /// If no record's keys verify the tap, the outcome has no record, because nothing proves which tag made the tap.
    /// The refusal is [`Refusal::UnknownTag`] if no record has the UID. Otherwise, the outcome contains the refusal for
    /// the last record that the service tried.
    ///
    /// ```
    /// use suntap::platform::{
    ///     Caller, Chip, FileKey, Keys, OrganisationId, Record, Service, TagRef, TagRegistry, UnnamedRequest, Verdict,
    /// };
    /// use suntap::{MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, sdm_layout};
    ///
    /// static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
    /// static FILE: SdmFileReadKey = SdmFileReadKey::FACTORY;
    ///
    /// struct Tags;
    ///
    /// impl TagRegistry for Tags {
    ///     type Record = Record<'static>;
    ///     type Error = core::convert::Infallible;
    ///
    ///     fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> {
    ///         let uid = Uid::from_bytes([0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40]);
    ///         let keys = Keys::Loaded { meta: None, file: FileKey::Plain(&FILE) };
    ///         Ok((tag == TagRef::ClaimedUid { uid, nth: 0 }).then_some(Record {
    ///             uid: Some(uid),
    ///             chip: Some(Chip { layout: &LAYOUT, keys, tamper: false, counter: None }),
    ///             ..Record::new(OrganisationId::new(1))
    ///         }))
    ///     }
    /// }
    ///
    /// let url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
    /// let meta_keys = [SdmMetaReadKey::FACTORY.prepare(Scheme::Aes)];
    /// let request =
    ///     UnnamedRequest { tap: LAYOUT.parse(url)?, meta_keys: &meta_keys, caller: Caller::Anyone, at: None };
    /// let mut counters = MemoryCounters::<64>::new();
    /// let verdict = Service::new(&[]).verify_unnamed(&Tags, &mut counters, request, |outcome| outcome.verdict);
    /// assert!(matches!(verdict, Ok(Verdict::Fresh(_))));
    /// # Ok::<(), suntap::Malformed>(())
    /// ```
    pub fn verify_unnamed<R: TagRegistry, S: CounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        request: UnnamedRequest<'_>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        run_ready(self.verify_unnamed_async(Blocking(registry), &mut Blocking(counters), request, conclude))
    }

    /// Like [`verify_unnamed`](Self::verify_unnamed), but for an asynchronous registry and store.
    pub async fn verify_unnamed_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized, T>(
        &self,
        registry: R,
        counters: &mut S,
        request: UnnamedRequest<'_>,
        conclude: impl FnOnce(Outcome<'_, R::Record, Failure<R::Error, S::Error>>) -> T,
    ) -> T {
        let UnnamedRequest { tap, meta_keys, caller, at } = request;
        let mut refused = Refusal::UnknownTag;
        // The first record whose keys verify the tap although the tag is inactive or the caller may not ask about it,
        // together with the refusal.
        let mut unusable = None;
        let mut claims = Claims::new(&tap, meta_keys);
        while let Some((_, claimed)) = claims.next() {
            let Some(uid) = claimed.uid() else { continue };
            for nth in 0.. {
                let record = match registry.find(TagRef::ClaimedUid { uid, nth }).await {
                    Ok(Some(record)) => record,
                    Ok(None) => break,
                    Err(error) => return conclude(Outcome::without_record(Err(Failure::Registry(error)))),
                };
                let view = record.record();
                let asker = match asker(&registry, &caller, &view).await {
                    Ok(asker) => asker,
                    Err(error) => return conclude(Outcome::without_record(Err(Failure::Registry(error)))),
                };
                let examined = match self.examine_claim(&view, &tap, &claimed) {
                    Ok(examined) => examined,
                    Err(refusal) => {
                        refused = refusal;
                        continue;
                    }
                };
                if let Err(refusal) = usable(&caller, asker, &view) {
                    unusable.get_or_insert((record, refusal));
                    continue;
                }
                let (message, verdict) = examined.decide(counters, at).await;
                let verdict = verdict.map_err(Failure::Counters);
                return conclude(Outcome { record: Some(&record), verdict, view: Some(view), message: Some(message) });
            }
        }
        match &unusable {
            None => conclude(Outcome::without_record(Ok(Verdict::Refused(refused)))),
            Some((record, refusal)) => {
                let view = Some(record.record());
                let verdict = Ok(Verdict::Refused(*refusal));
                conclude(Outcome { record: Some(record), verdict, view, message: None })
            }
        }
    }

    /// Verifies a tap with the keys of a record, but does not compare the counter with the stored counter. If the tap
    /// arrived as separate values, `mirrors` contains these values and the values that the service added from the
    /// record.
    fn examine<'a>(
        &self,
        tap: Presented<'a>,
        record: &Record<'a>,
        supplied: &Supplied<'a>,
        mirrors: &'a Mirrors<'a>,
    ) -> Result<Examined<'a>, Refusal> {
        let chip = record.chip.as_ref().ok_or(Refusal::NoChip)?;
        let layout = chip.layout;

        let (tap, ecode) = match tap {
            Presented::Mirrors(given) => {
                (layout.assemble_with(mirrors, supplied.uid()), given.captured(ECODE.as_bytes()))
            }
            whole => {
                let tap = layout.read_presented(whole).ok_or(Refusal::OtherLayout)?.map_err(Refusal::Malformed)?;
                let ecode = tap.captured(ECODE);
                (Ok(tap), ecode)
            }
        };
        let has_picc_data = layout.has(Field::PiccData);
        self.first_verified(&chip.keys, |secrets| {
            // The keys are prepared before an error in `tap` is returned. This order matters for a tap that arrived as
            // separate values with both a wrong eCode and a malformed value. The ETRNL API reports the wrong eCode in
            // this case.
            let keys = TagKeys::prepare(secrets, &chip.keys, layout.scheme(), has_picc_data, record.uid, ecode)?;
            let tap = tap.as_ref().map_err(|error| Refusal::Malformed(*error))?;

            let claim = claim(tap, keys.meta.as_deref());
            // A wrong eCode gives wrong keys, which usually do not decrypt the PICCData to valid content. Therefore, if
            // the keys are derived from an eCode and decryption fails, the refusal is `SealBroken` (wrong eCode).
            let is_derived = matches!(chip.keys, Keys::ECode { .. });
            let unopened = if is_derived { Refusal::SealBroken } else { Refusal::NotOpened };
            verify_claim(record, chip, claim.ok_or(unopened)?, &keys.file)
        })
    }

    /// Like [`examine`](Self::examine), but for a tap whose PICCData is already decrypted.
    fn examine_claim<'a>(
        &self,
        record: &Record<'_>,
        tap: &UnverifiedTap<'a>,
        claimed: &ClaimedTap<'a>,
    ) -> Result<Examined<'a>, Refusal> {
        let chip = record.chip.as_ref().ok_or(Refusal::NoChip)?;
        if tap.layout() != chip.layout {
            return Err(Refusal::OtherLayout);
        }
        let (layout, ecode) = (chip.layout, tap.captured(ECODE));
        let scheme = layout.scheme();
        let needs_meta_key = scheme.is_signed() && layout.has(Field::PiccData);
        self.first_verified(&chip.keys, |secrets| {
            let keys = TagKeys::prepare(secrets, &chip.keys, scheme, needs_meta_key, record.uid, ecode)?;
            let claimed = match keys.meta.as_deref() {
                None => claimed.again(),
                Some(key) => claim(tap, Some(key)).ok_or(Refusal::NotOpened)?,
            };
            verify_claim(record, chip, claimed, &keys.file)
        })
    }

    /// Calls `verify` with the server secrets, and returns the result. If the keys are derived from an eCode, nothing
    /// but the MAC shows which secret is right, so `verify` is called with one secret after another until it accepts
    /// the tap. If it never does, the refusal is the one that got furthest.
    fn first_verified<T>(
        &self,
        keys: &Keys<'_>,
        mut verify: impl FnMut(&'s [ServerSecret]) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if !matches!(keys, Keys::ECode { .. }) {
            return verify(self.secrets);
        }
        let mut furthest = Refusal::NoKeys;
        for secret in self.secrets.chunks(1) {
            match verify(secret) {
                Ok(verified) => return Ok(verified),
                Err(refusal) if progress(refusal) > progress(furthest) => furthest = refusal,
                Err(_) => {}
            }
        }
        Err(furthest)
    }

    /// Returns the counter id of a tag, under which the counter store keeps the counter. A registry needs this id to
    /// look up the [last accepted tap](Record::last_seen) in the counter store. If the record does not set the counter
    /// id, the service derives the id from the file-read key. Returns `None` if the tag has no chip. Also returns
    /// `None` if the id must be derived, but the file-read key is missing or depends on an eCode (a code in the URL of
    /// the tag). The service learns an eCode only from a tap.
    #[must_use]
    pub fn counter(&self, record: &Record<'_>) -> Option<CounterId> {
        let chip = record.chip.as_ref()?;
        chip.counter.or_else(|| {
            let keys =
                TagKeys::prepare(self.secrets, &chip.keys, chip.layout.scheme(), false, record.uid, None).ok()?;
            Some(keys.file.counter_id(record.uid.filter(|_| chip.layout.mirrored().uid)))
        })
    }
}

/// Looks up the organisation that owns the caller's token. Returns `None` without a lookup if the tag needs no token,
/// or if the caller sent no token.
async fn asker<R: AsyncTagRegistry>(
    registry: &R,
    caller: &Caller,
    record: &Record<'_>,
) -> Result<Option<OrganisationId>, R::Error> {
    match caller.token_wanted(record) {
        None => Ok(None),
        Some(token) => registry.organisation(token).await,
    }
}

/// Checks that the caller may ask about the tag, and that the tag is active.
fn usable(caller: &Caller, asker: Option<OrganisationId>, record: &Record<'_>) -> Result<(), Refusal> {
    if !caller.may_ask(asker, record) {
        return Err(Refusal::NotTheOwner);
    }
    record.standing.inactive().map_or(Ok(()), |level| Err(Refusal::Inactive(level)))
}

/// Opens a tap with the meta-read key of its record. Returns `None` if the key does not open the tap.
fn claim<'a>(tap: &UnverifiedTap<'a>, meta_key: Option<&PreparedMetaReadKey>) -> Option<ClaimedTap<'a>> {
    let keys = meta_key.map(core::slice::from_ref).unwrap_or_default();
    Claims::new(tap, keys).next().map(|(_, claimed)| claimed)
}

/// Compares the UID of a tap with the UID of a record, and verifies the MAC or signature with the key of the
/// record. The PICCData of the tap is already decrypted.
fn verify_claim<'a>(
    record: &Record<'_>,
    chip: &Chip<'_>,
    claimed: ClaimedTap<'a>,
    key: &VerifyingKey<'_>,
) -> Result<Examined<'a>, Refusal> {
    // If the layout can mirror a UID, a missing UID in the tap or in the record counts as a mismatch too. Otherwise,
    // the service would accept a tap of another tag with the same keys under this record.
    let expected = claimed.uid().is_some() || chip.layout.mirrored().uid;
    if expected && (claimed.uid().is_none() || claimed.uid() != record.uid) {
        return Err(Refusal::OtherUid);
    }
    let tap = key.verify(claimed).map_err(refusal)?;
    let tamper = if chip.tamper { tap.message().tamper() } else { None };
    let values = TapValues { uid: tap.uid().or(record.uid), ctr: tap.ctr(), tamper };
    let counter = chip.counter.unwrap_or_else(|| tap.counter_id());
    Ok(Examined { tap, values, counter })
}

/// Returns how far a tap got under one of several server secrets.
fn progress(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::NoKeys => 0,
        // The keys of a wrong secret usually end here, because they do not decrypt the PICCData.
        Refusal::SealBroken => 1,
        // By chance, the decrypted PICCData is valid, but the UID is another one.
        Refusal::OtherUid => 2,
        _ => 3,
    }
}

/// Maps the error of a failed verification to a refusal.
fn refusal(error: VerifyError) -> Refusal {
    match error {
        VerifyError::NoCounter => Refusal::NoCounter,
        VerifyError::NotAuthentic => Refusal::NotAuthentic,
        VerifyError::WrongTag => Refusal::OtherUid,
        // A key in the record is for the wrong scheme. The tap may be genuine.
        VerifyError::Config(_) => Refusal::WrongScheme,
    }
}
