//! Searches for the keys and the MAC input that reproduce the MAC of a URL.

use heapless::Vec;

use super::assumptions::{Assumptions, GivenKey, Role};
use super::candidates::{self, KeyTier, MetaCandidate};
use super::key_source::KeySource;
use super::recipe::{self, MacDigits, MacMessage, Recipe, Recipes, SessionVector, Truncation};
use super::url_parts::UrlParts;
use crate::cipher::{PiccWire, Suite};
use crate::key::{PreparedFileReadKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::ntag22x::{self, StatusDetect};
use crate::sun::picc::PiccData;
use crate::sun::span::Span;
use crate::sun::window::{self, Piece};
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

/// The limit of [`Diagnosis::tried`](crate::diagnose::Diagnosis::tried), which counts the work of a search. A search
/// stops after the step that reaches the limit. A search that reaches the limit takes about a third of a second on a
/// server.
pub const MAX_TRIED: u32 = 400_000;

/// The UID and the counter that a URL claims. If the URL has PICCData, they were decrypted with `meta_key`.
#[derive(Clone)]
pub(super) struct ClaimedValues<'a> {
    pub(super) meta_key: Option<(SdmMetaReadKey, KeySource<'a>)>,
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
}

/// A combination that yields the MAC of the URL: URL parts, keys, and a way to compute the MAC (a recipe).
#[derive(Clone)]
pub(super) struct Match<'a> {
    pub(super) parts: UrlParts,
    pub(super) scheme: Scheme,
    pub(super) claimed: ClaimedValues<'a>,
    pub(super) file_key: (SdmFileReadKey, KeySource<'a>),
    pub(super) recipe: Recipe,
    pub(super) truncation: Truncation,
}

impl ClaimedValues<'_> {
    /// Returns `true` if the UID is the assumed UID, or begins with 04h, the code of NXP.
    pub(super) fn has_likely_uid(&self, assumptions: &Assumptions<'_>) -> bool {
        self.uid.is_some_and(|uid| assumptions.uid == Some(uid) || uid.as_bytes().first() == Some(&0x04))
    }

    /// Rates how doubtful it is that the tag wrote these values; 0 is the least doubtful. Returns `None` if the values were
    /// probably decrypted with a wrong key, or if they are plain and have no UID.
    ///
    /// With about 1 in 85 wrong keys, the decrypted bytes look valid. A decrypted result counts only if its UID is the
    /// assumed UID or begins with 04h (NXP), or if the key was given as SDMMetaReadKey.
    pub(super) fn doubt(&self, assumptions: &Assumptions<'_>) -> Option<usize> {
        match &self.meta_key {
            _ if self.has_likely_uid(assumptions) => Some(0),
            None => self.uid.map(|_| 2),
            Some((key, _)) => {
                let is_given = |given: &GivenKey<'_>| given.role == Role::Meta && given.key == key.expose_bytes();
                assumptions.keys.iter().any(is_given).then_some(1)
            }
        }
    }

    /// Returns `true` if these values do not depend on a key that the search derived, or if the UID is the assumed UID. A
    /// wrong derived key can give a UID that begins with 04h by chance.
    #[cfg(feature = "ecdsa")]
    pub(super) fn is_certain(&self, assumptions: &Assumptions<'_>) -> bool {
        !self.has_derived_key() || (self.uid.is_some() && self.uid == assumptions.uid)
    }

    /// Returns `true` if the values were decrypted with a key that the search derived.
    #[cfg(feature = "ecdsa")]
    pub(super) fn has_derived_key(&self) -> bool {
        matches!(self.meta_key, Some((_, KeySource::Derived { .. })))
    }

    /// Returns the session vector that a chip uses if it mirrors these values.
    pub(super) fn session_vector(&self) -> SessionVector {
        SessionVector { uid: self.uid, ctr: self.ctr, is_ctr_reversed: false }
    }
}

/// The positions that the search tries as the start of the MAC input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowStarts {
    /// The start that the layout says, both ends of each mirror, each position after a separator, and the start of the
    /// MAC (then the MAC input is empty).
    Likely,
    /// Every position from the start of the URL to the start of the MAC.
    All,
}

pub(super) struct Search<'s, 'a> {
    assumptions: &'s Assumptions<'a>,
    watch: &'s mut dyn FnMut(u32),
    tried: u32,
    /// The value of `tried` at which the search stops.
    limit: u32,
    /// The SDMMetaReadKeys that are slow to derive ([`KeyTier::SlowlyDerived`]). They are the same for every
    /// interpretation of the URL, so they are derived only once, on first use.
    slow_meta_keys: Option<Vec<MetaCandidate<'a>, 16>>,
    /// `true` if the search left something out, because the limit was reached or a list was full.
    is_cut_short: bool,
}

/// The part of [`MAX_TRIED`] that is kept until all rounds are done. If no MAC matches, the work for the remaining
/// findings uses this part.
const RESERVE: u32 = 20_000;
/// The cost of deriving one key of [`KeyTier::SlowlyDerived`], in MACs.
const SLOW_DERIVATION_COST: u32 = 5000;

/// The part of the search that one round tries: which keys, which starts of the MAC input, and which ways to compute the
/// MAC (recipes).
#[derive(Clone, Copy)]
pub(super) struct Round {
    tier: KeyTier,
    starts: WindowStarts,
    recipes: Recipes,
}

/// The first rounds. They find a match for a real chip if its keys are given or cheap to derive, and if the MAC input
/// starts at a likely position. With the given keys, they also find two mistakes of programs: a wrong MAC key, and a
/// MAC over decoded bytes.
pub(super) const QUICK_ROUNDS: [Round; 4] = [
    Round { tier: KeyTier::Direct, starts: WindowStarts::Likely, recipes: Recipes::Chip },
    Round { tier: KeyTier::Direct, starts: WindowStarts::Likely, recipes: Recipes::WrongKeys },
    Round { tier: KeyTier::Direct, starts: WindowStarts::Likely, recipes: Recipes::Bytes },
    Round { tier: KeyTier::Derived, starts: WindowStarts::Likely, recipes: Recipes::Chip },
];

/// The other rounds, the most likely first.
pub(super) const SLOW_ROUNDS: [Round; 6] = [
    Round { tier: KeyTier::Direct, starts: WindowStarts::Likely, recipes: Recipes::Vectors },
    Round { tier: KeyTier::Direct, starts: WindowStarts::All, recipes: Recipes::Chip },
    Round { tier: KeyTier::Direct, starts: WindowStarts::All, recipes: Recipes::Vectors },
    Round { tier: KeyTier::Direct, starts: WindowStarts::All, recipes: Recipes::WrongKeys },
    Round { tier: KeyTier::Derived, starts: WindowStarts::Likely, recipes: Recipes::WrongKeys },
    Round { tier: KeyTier::SlowlyDerived, starts: WindowStarts::Likely, recipes: Recipes::Chip },
];

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn new(assumptions: &'s Assumptions<'a>, watch: &'s mut dyn FnMut(u32)) -> Self {
        let limit = MAX_TRIED.saturating_sub(RESERVE);
        Self { assumptions, watch, tried: 0, limit, slow_meta_keys: None, is_cut_short: false }
    }

    /// Runs each round on each reading. A reading is an interpretation of the URL. Returns `None` if no MAC matches
    /// within the limit.
    pub(super) fn run(
        &mut self,
        url: &str,
        readings: &(impl Iterator<Item = UrlParts> + Clone),
        rounds: &[Round],
    ) -> Option<Match<'a>> {
        let is_suncmac = self.assumptions.layout.is_some_and(|layout| layout.scheme() == Scheme::Suncmac);
        for round in rounds {
            // These rounds look for a MAC without a session key or over decoded bytes. For an NTAG 22x, such a MAC is
            // correct.
            if is_suncmac && matches!(round.recipes, Recipes::WrongKeys | Recipes::Bytes) {
                continue;
            }
            for reading in readings.clone() {
                // The search does not combine a derived key with a wrong mode, because a search in LRP mode takes long.
                let layout = self.assumptions.layout.filter(|_| round.tier != KeyTier::Direct);
                let is_possible = |scheme: &Scheme| layout.is_none_or(|layout| layout.scheme() == *scheme);
                for scheme in schemes(&reading, url).filter(is_possible) {
                    for claimed in self.open(url, &reading, scheme, round.tier) {
                        let found = self.try_file_keys(url, &reading, scheme, &claimed, *round);
                        if found.is_some() || self.is_over() {
                            return found;
                        }
                    }
                    if self.is_over() {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Runs the quick rounds on all readings, then the slow rounds only on regular ones: those without a wrong offset
    /// and with a complete MAC.
    pub(super) fn run_all(
        &mut self,
        url: &str,
        readings: &(impl Iterator<Item = UrlParts> + Clone),
    ) -> Option<Match<'a>> {
        let regular = readings.clone().filter(UrlParts::is_regular);
        self.run(url, readings, &QUICK_ROUNDS).or_else(|| self.run(url, &regular, &SLOW_ROUNDS))
    }

    /// Returns `true` if the limit is reached.
    pub(super) fn is_over(&self) -> bool {
        self.tried >= self.limit
    }

    /// Returns `true` if the search has tried everything so far: it was not cut short, and the limit is not reached.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_cut_short && !self.is_over()
    }

    /// Raises the limit by [`RESERVE`].
    pub(super) fn use_reserve(&mut self) {
        self.is_cut_short |= self.is_over();
        self.limit = MAX_TRIED;
    }

    /// Returns the work done, in MACs.
    pub(super) fn tried(&self) -> u32 {
        self.tried
    }

    /// Decrypts the PICCData with the keys of this tier (cost group) and of the cheaper tiers, and returns the valid
    /// results, at most eight. If the URL has no PICCData, returns the unencrypted UID and counter.
    pub(super) fn open(&mut self, url: &str, parts: &UrlParts, scheme: Scheme, tier: KeyTier) -> Claims<'a> {
        let mut results = Vec::new();
        let Some(picc_data) = parts.picc_data else {
            let uid = parts.uid.and_then(|part| Uid::from_hex(part.slice(url)).ok());
            let ctr = parts.ctr.and_then(|part| SdmReadCtr::from_msb_ascii(part.slice(url)).ok());
            let _ = results.push(ClaimedValues { meta_key: None, uid, ctr });
            return results;
        };
        let mut wire = PiccWire::default();
        let digits = picc_data.slice(url).as_bytes();
        if digits.iter().all(|digit| *digit == b'0') {
            // The placeholder of the PICCData still has its zeros, so the session vector has no UID and no counter.
            let _ = results.push(ClaimedValues { meta_key: None, uid: None, ctr: None });
            return results;
        }
        let Some(Ok(())) = wire.get_mut(..digits.len() / 2).map(|wire| hex::decode_into(digits, wire)) else {
            return results;
        };
        let assumptions = self.assumptions;
        let slow_keys = if tier == KeyTier::SlowlyDerived { self.slow_meta_keys() } else { Vec::new() };
        let mut is_dropped = false;
        let mut try_key = |(key, source): MetaCandidate<'a>| {
            self.count(cost(scheme));
            let content = PiccData::open(&key.prepare(scheme), &wire);
            if let Some(PiccData { uid, ctr }) = content {
                is_dropped |=
                    keep(&mut results, assumptions, ClaimedValues { meta_key: Some((key, source)), uid, ctr });
            }
            self.is_over()
        };
        candidates::try_meta_keys(assumptions, KeyTier::Direct, &mut try_key);
        if tier != KeyTier::Direct {
            candidates::try_meta_keys(assumptions, KeyTier::Derived, &mut try_key);
        }
        slow_keys.into_iter().any(try_key);
        self.is_cut_short |= is_dropped;
        // With about 1 in 85 wrong keys, the decrypted bytes look valid. If a result has the assumed UID, all other
        // results are dropped.
        let known_uid = self.assumptions.uid;
        if known_uid.is_some() && results.iter().any(|claimed| claimed.uid == known_uid) {
            results.retain(|claimed| claimed.uid == known_uid);
        }
        results
    }

    /// Returns the SDMMetaReadKeys of [`KeyTier::SlowlyDerived`]. If there are more than 16, returns only the first 16.
    fn slow_meta_keys(&mut self) -> Vec<MetaCandidate<'a>, 16> {
        if let Some(keys) = &self.slow_meta_keys {
            return keys.clone();
        }
        let (assumptions, mut keys) = (self.assumptions, Vec::new());
        candidates::try_meta_keys(assumptions, KeyTier::SlowlyDerived, |candidate| {
            self.count(SLOW_DERIVATION_COST);
            let is_full = keys.push(candidate).is_err();
            self.is_cut_short |= is_full;
            is_full || self.is_over()
        });
        self.slow_meta_keys.insert(keys).clone()
    }

    /// Tries the SDMFileReadKeys of this round on one reading of the URL. Returns the first match, or `None` if no key
    /// matches.
    fn try_file_keys(
        &mut self,
        url: &str,
        reading: &UrlParts,
        scheme: Scheme,
        claimed: &ClaimedValues<'a>,
        round: Round,
    ) -> Option<Match<'a>> {
        let mac = MacDigits::parse(reading.mac.slice(url))?;
        let recipes = round.recipes.list(claimed.session_vector(), self.assumptions.uid);
        let mut found = None;
        let assumptions = self.assumptions;
        // The tag may have keys of two tiers: for example, a given SDMFileReadKey and a derived SDMMetaReadKey.
        let tiers: &[KeyTier] = match round.tier {
            KeyTier::Direct => &[KeyTier::Direct],
            KeyTier::Derived => &[KeyTier::Derived, KeyTier::Direct],
            KeyTier::SlowlyDerived => &[KeyTier::SlowlyDerived, KeyTier::Derived, KeyTier::Direct],
        };
        for tier in tiers {
            candidates::try_file_keys(assumptions, *tier, claimed.uid.or(assumptions.uid), |file_key| {
                self.count(if *tier == KeyTier::SlowlyDerived { SLOW_DERIVATION_COST } else { cost(scheme) });
                let prepared = file_key.0.prepare(scheme);
                for recipe in &recipes {
                    let key = (&file_key.0, &prepared);
                    let window = self.find_window(url, reading, key, recipe, round.starts, mac);
                    if let Some((window_start, truncation)) = window {
                        let parts = UrlParts { window_start, ..*reading };
                        let (claimed, file_key) = (claimed.clone(), file_key.clone());
                        found = Some(Match { parts, scheme, claimed, file_key, recipe: *recipe, truncation });
                        return true;
                    }
                }
                self.is_over()
            });
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Returns where the MAC input begins and how the CMAC is truncated to the MAC. Tries several starts of the MAC
    /// input, and returns `None` if none of them yields the MAC with this key.
    fn find_window(
        &mut self,
        url: &str,
        parts: &UrlParts,
        (key, prepared): (&SdmFileReadKey, &PreparedFileReadKey),
        recipe: &Recipe,
        starts: WindowStarts,
        mac: MacDigits,
    ) -> Option<(usize, Truncation)> {
        let end = parts.mac.from;
        if Suite::of_session(prepared.scheme()).is_none() {
            self.count(1);
            let status = match parts.tt_status.map(|part| part.slice(url)) {
                Some(text) if text.len() > 2 => Some(StatusDetect::from_ascii(text.as_bytes())?),
                _ => None,
            };
            let cmac = ntag22x::suncmac(prepared, recipe.vector.uid?, recipe.vector.used_ctr()?, status)?;
            return Truncation::find(&cmac, mac).map(|truncation| (end, truncation));
        }
        let cost = cost(prepared.scheme());
        self.count(cost);
        let mac_key = recipe.mac_key(key, prepared)?;
        if recipe.message == MacMessage::Bytes {
            return recipe::byte_messages(parts, url, recipe.vector).iter().find_map(|message| {
                self.count(cost);
                Truncation::find(&mac_key.cmac(message), mac).map(|truncation| (end, truncation))
            });
        }
        for start in (0..=end).rev().filter(|start| *start == end || is_tried(url, parts, *start, starts)) {
            if self.is_over() {
                break;
            }
            self.count(cost);
            let cmac = mac_key.cmac_of(window::input(pieces(url, parts, start)));
            if let Some(truncation) = Truncation::find(&cmac, mac) {
                return Some((start, truncation));
            }
        }
        None
    }

    /// Adds `cost` to the work done, and reports the total about once every 4096 MACs.
    pub(super) fn count(&mut self, cost: u32) {
        let before = self.tried;
        self.tried = before.saturating_add(cost);
        if before >> 12 != self.tried >> 12 {
            (self.watch)(self.tried);
        }
    }
}

/// The results of decrypting PICCData with different keys.
type Claims<'a> = Vec<ClaimedValues<'a>, 8>;

/// Adds a result. If the list is full, a result with a likely UID replaces one with an unlikely UID, and any other
/// result is dropped. Returns `true` if the list was full.
fn keep<'a>(results: &mut Claims<'a>, assumptions: &Assumptions<'_>, claimed: ClaimedValues<'a>) -> bool {
    let is_likely = |claimed: &ClaimedValues<'_>| claimed.has_likely_uid(assumptions);
    let Err(claimed) = results.push(claimed) else { return false };
    if is_likely(&claimed)
        && let Some(place) = results.iter_mut().rev().find(|other| !is_likely(other))
    {
        *place = claimed;
    }
    true
}

/// Returns the cost of one MAC, or of preparing one key, in the unit of `tried`.
fn cost(scheme: Scheme) -> u32 {
    match Suite::of_session(scheme) {
        Some(Suite::Lrp(_)) => 32,
        Some(Suite::Aes) | None => 1,
    }
}

/// Returns the schemes that a tag with these mirrors can have.
pub(super) fn schemes(parts: &UrlParts, url: &str) -> impl Iterator<Item = Scheme> {
    let picc_data_chars = parts.picc_data.map(|part| part.slice(url).len());
    let is_plain_pair = parts.uid.is_some() && parts.ctr.is_some() && parts.enc.is_none();
    Scheme::ALL.iter().copied().filter(move |scheme| match Suite::of_session(*scheme) {
        Some(suite) => picc_data_chars.is_none_or(|chars| chars == suite.picc_data_chars()),
        // `signature::find` verifies signatures.
        None => !scheme.is_signed() && picc_data_chars.is_none() && is_plain_pair,
    })
}

/// Returns `true` if the search tries a MAC input that begins at `start`.
pub(super) fn is_tried(url: &str, parts: &UrlParts, start: usize, starts: WindowStarts) -> bool {
    let previous = start.checked_sub(1).and_then(|at| url.as_bytes().get(at));
    let Some(previous) = previous else { return starts == WindowStarts::All };
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.tt_status, parts.enc];
    starts == WindowStarts::All
        || start == parts.window_start
        || matches!(previous, b'?' | b'&' | b'/' | b'#' | b'=')
        || mirrors.into_iter().flatten().any(|mirror| mirror.from == start || mirror.to == start)
}

/// Returns the text from `start` to the MAC in pieces. The flag of a piece is `true` if the piece consists of the
/// hexadecimal digits of a mirror.
pub(super) fn pieces<'u>(url: &'u str, parts: &UrlParts, start: usize) -> impl Iterator<Item = Piece<'u>> {
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.enc];
    let (mut offset, end) = (start, parts.mac.from);
    core::iter::from_fn(move || {
        let mirrors = || mirrors.iter().flatten();
        let current = mirrors().find(|mirror| mirror.contains(offset));
        let next = mirrors().map(|mirror| mirror.from).filter(|from| *from > offset).min();
        let to = current.map_or(next, |mirror| Some(mirror.to)).unwrap_or(end).min(end);
        let piece = Span { from: offset, to };
        offset = piece.to;
        // If the URL is not ASCII, a piece can begin inside a multi-byte character.
        let bytes = url.as_bytes().get(piece.from..piece.to).unwrap_or_default();
        (piece.len() > 0).then_some((bytes, current.is_some()))
    })
}

#[cfg(all(feature = "lrp", feature = "sdm-backend"))]
#[cfg(test)]
mod tests {
    use std::vec::Vec as List;

    use super::*;
    use crate::diagnose::{GivenKey, Role};
    use crate::sun::span::Span;

    #[test]
    fn a_piece_can_begin_inside_a_character() {
        let url = "aé0123456789ABCDEF";
        let parts = UrlParts { mac: Span { from: 3, to: 19 }, ..UrlParts::default() };
        let pieces_from = |start| pieces(url, &parts, start).collect::<List<_>>();
        assert_eq!(pieces_from(1), [("é".as_bytes(), false)]);
        assert_eq!(pieces_from(2), [(&"é".as_bytes()[1..], false)]);
        assert_eq!(pieces_from(3), []);
    }

    /// An NTAG 22x mirrors only a UID and a counter, both plain. The length of PICCData determines the scheme.
    #[test]
    fn schemes_that_fit_the_mirrors() {
        let part = |len| Some(Span { from: 0, to: len });
        let schemes_of = |parts: UrlParts| schemes(&parts, &"0".repeat(64)).collect::<List<_>>();
        let none = UrlParts::default();
        let (uid, ctr) = (part(14), part(6));
        let aes_and_lrp = [Scheme::Aes, Scheme::Lrp];
        assert_eq!(schemes_of(none), aes_and_lrp);
        assert_eq!(schemes_of(UrlParts { uid, ..none }), aes_and_lrp);
        assert_eq!(schemes_of(UrlParts { ctr, ..none }), aes_and_lrp);
        assert_eq!(schemes_of(UrlParts { uid, ctr, ..none }), [Scheme::Aes, Scheme::Lrp, Scheme::Suncmac]);
        assert_eq!(schemes_of(UrlParts { uid, ctr, enc: part(32), ..none }), aes_and_lrp);
        assert_eq!(schemes_of(UrlParts { uid, ctr, picc_data: part(32), ..none }), [Scheme::Aes]);
        assert_eq!(schemes_of(UrlParts { picc_data: part(48), ..none }), [Scheme::Lrp]);
        assert_eq!([Scheme::Aes, Scheme::Lrp, Scheme::Suncmac].map(cost), [1, 32, 1]);
    }

    /// The likely starts of the MAC input are after a separator, at both ends of a mirror, and at the start that the
    /// layout says.
    #[test]
    fn starts_of_the_mac_input() {
        let url = "s://h/t?u=04112233445566&c=";
        let parts = UrlParts { uid: Some(Span { from: 10, to: 24 }), window_start: 7, ..UrlParts::default() };
        let tried = |starts| (0..=27).filter(|start| is_tried(url, &parts, *start, starts)).collect::<List<_>>();
        assert_eq!(tried(WindowStarts::Likely), [3, 4, 6, 7, 8, 10, 24, 25, 27]);
        assert_eq!(tried(WindowStarts::All), (0..=27).collect::<List<_>>());
    }

    /// Each slow derivation is done only once per key, and counts towards `tried`.
    #[test]
    fn slow_keys_are_derived_once() {
        let bytes: [[u8; 16]; 17] = core::array::from_fn(|byte| [0xA0 | u8::try_from(byte).unwrap(); 16]);
        let given = |key| GivenKey { name: "k", key, role: Role::Any };
        let keys = [given(&[1; 16]), given(&[2; 16]), given(&[3; 16])];
        let assumptions = Assumptions { keys: &keys, ..Assumptions::about("") };
        let mut watch = |_| ();
        let mut search = Search::new(&assumptions, &mut watch);
        for _ in 0..2 {
            assert_eq!((search.slow_meta_keys().len(), search.tried()), (3, 15_000));
        }
        assert!(search.is_complete());
        search.limit = 0;
        search.slow_meta_keys = None;
        assert_eq!(
            (search.slow_meta_keys().len(), search.tried()),
            (1, 20_000),
            "stops after the derivation that reached the limit"
        );
        assert!(!search.is_complete());
        // If there are more keys than fit, the search is not complete.
        for count in [16, 17] {
            let keys: List<_> = bytes.iter().take(count).map(given).collect();
            let assumptions = Assumptions { keys: &keys, ..Assumptions::about("") };
            let mut search = Search::new(&assumptions, &mut watch);
            assert_eq!((search.slow_meta_keys().len(), search.is_complete()), (16, count == 16));
        }
    }
}
