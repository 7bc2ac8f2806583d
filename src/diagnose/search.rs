//! Searches for the way in which a URL was made.

use heapless::Vec;

use super::assumptions::Assumptions;
use super::candidates::{self, KeyTier, MetaCandidate};
use super::key_source::KeySource;
use super::readings::Readings;
use super::url_parts::UrlParts;
use crate::cipher::{PiccWire, Suite};
use crate::key::{PreparedFileReadKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::ntag22x::{self, StatusDetect};
use crate::sun::picc::PiccData;
use crate::sun::session::MacKey;
use crate::sun::span::Span;
use crate::sun::window::{self, Piece};
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

/// The limit of the search, in MACs, which are counted like in [`Diagnosis::tried`](crate::diagnose::Diagnosis::tried).
/// Only the last step of a search can exceed the limit. On a server, this much work takes a third of a second.
pub const MAX_TRIED: u32 = 400_000;

/// The UID and the counter that a URL claims, and the key that opens its PICCData, if the URL has PICCData.
#[derive(Clone)]
pub(super) struct ClaimedValues<'a> {
    pub(super) meta_key: Option<(SdmMetaReadKey, KeySource<'a>)>,
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
}

/// A combination that yields the MAC of the URL. It shows how the URL was made.
#[derive(Clone)]
pub(super) struct Match<'a> {
    pub(super) parts: UrlParts<'a>,
    pub(super) scheme: Scheme,
    pub(super) claimed: ClaimedValues<'a>,
    pub(super) file_key: (SdmFileReadKey, KeySource<'a>),
    pub(super) session_vector: SessionVector,
    pub(super) truncation: Truncation,
}

/// The content of a session vector.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionVector {
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
    /// `true` if the bytes of the counter are in the wrong order.
    pub(super) is_ctr_reversed: bool,
}

/// The bytes of a CMAC that make up the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Truncation {
    /// The bytes with odd indices, counted from 0. A chip uses these bytes.
    OddBytes,
    EvenBytes,
    FirstHalf,
    LastHalf,
}

/// The positions at which the search lets the MAC input start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WindowStarts {
    /// The position of the MAC (for an empty MAC input), the starts of mirrors and parameters, and the start in the
    /// layout.
    Likely,
    /// Every character of the URL.
    All,
}

pub(super) struct Search<'s, 'a> {
    assumptions: &'s Assumptions<'a>,
    watch: &'s mut dyn FnMut(u32),
    tried: u32,
    /// The limit of the work, in MACs.
    limit: u32,
    /// The SDMMetaReadKeys of [`KeyTier::SlowlyDerived`], derived on first use. They are stored because they are the
    /// same for every reading.
    slow_meta_keys: Option<Vec<MetaCandidate<'a>, 16>>,
    /// `true` if the search left something out, because the limit was reached or `slow_meta_keys` was full.
    is_cut_short: bool,
}

/// The part of [`MAX_TRIED`] that is reserved for the findings about an unexplained tap.
const RESERVE: u32 = 20_000;
/// The cost of one derivation of [`KeyTier::SlowlyDerived`], in MACs.
const SLOW_DERIVATION_COST: u32 = 5000;

/// The combinations that one round of the search tries.
#[derive(Clone, Copy)]
struct Round {
    tier: KeyTier,
    starts: WindowStarts,
    /// `true` if the round also tries session vectors that no chip makes from the mirrored values.
    all_vectors: bool,
}

/// The rounds of the search, the most likely first.
const ROUNDS: [Round; 6] = [
    Round { tier: KeyTier::Direct, starts: WindowStarts::Likely, all_vectors: false },
    Round { tier: KeyTier::Derived, starts: WindowStarts::Likely, all_vectors: false },
    Round { tier: KeyTier::Direct, starts: WindowStarts::Likely, all_vectors: true },
    Round { tier: KeyTier::Direct, starts: WindowStarts::All, all_vectors: false },
    Round { tier: KeyTier::Direct, starts: WindowStarts::All, all_vectors: true },
    Round { tier: KeyTier::SlowlyDerived, starts: WindowStarts::Likely, all_vectors: false },
];

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn new(assumptions: &'s Assumptions<'a>, watch: &'s mut dyn FnMut(u32)) -> Self {
        let limit = MAX_TRIED.saturating_sub(RESERVE);
        Self { assumptions, watch, tried: 0, limit, slow_meta_keys: None, is_cut_short: false }
    }

    /// Searches round by round. Returns `None` if nothing matches within the limit.
    pub(super) fn run(&mut self, url: &str, readings: &Readings<'a>) -> Option<Match<'a>> {
        for round in ROUNDS {
            for reading in readings {
                for scheme in schemes(reading, url) {
                    for claimed in self.open(url, reading, scheme, round.tier) {
                        let found = self.try_file_keys(url, reading, scheme, &claimed, round);
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

    /// Returns `true` if the limit is reached.
    pub(super) fn is_over(&self) -> bool {
        self.tried >= self.limit
    }

    /// Returns `true` if the search has left nothing out so far.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_cut_short && !self.is_over()
    }

    /// Raises the limit by the reserve.
    pub(super) fn use_reserve(&mut self) {
        self.is_cut_short |= self.is_over();
        self.limit = MAX_TRIED;
    }

    /// Returns the work done, in MACs.
    pub(super) fn tried(&self) -> u32 {
        self.tried
    }

    /// Opens the PICCData with the keys of this tier and of the cheaper tiers, and returns every result. If there is no
    /// PICCData, returns the plain UID and counter.
    pub(super) fn open(
        &mut self,
        url: &str,
        parts: &UrlParts<'a>,
        scheme: Scheme,
        tier: KeyTier,
    ) -> Vec<ClaimedValues<'a>, 8> {
        let mut results = Vec::new();
        let Some(picc_data) = parts.picc_data else {
            let uid = parts.uid.and_then(|part| Uid::from_hex(part.of(url)).ok());
            let ctr = parts.ctr.and_then(|part| SdmReadCtr::from_msb_ascii(part.of(url)).ok());
            let _ = results.push(ClaimedValues { meta_key: None, uid, ctr });
            return results;
        };
        let mut wire = PiccWire::default();
        let digits = picc_data.of(url).as_bytes();
        let Some(Ok(())) = wire.get_mut(..digits.len() / 2).map(|wire| hex::decode_into(digits, wire)) else {
            return results;
        };
        let assumptions = self.assumptions;
        let slow_keys = if tier == KeyTier::SlowlyDerived { self.slow_meta_keys() } else { Vec::new() };
        let mut try_key = |(key, source): MetaCandidate<'a>| {
            self.count(cost(scheme));
            let content = PiccData::open(&key.prepare(scheme), &wire);
            let is_full = content.is_some_and(|PiccData { uid, ctr }| {
                results.push(ClaimedValues { meta_key: Some((key, source)), uid, ctr }).is_err()
            });
            is_full || self.is_over()
        };
        candidates::try_meta_keys(assumptions, KeyTier::Direct, &mut try_key);
        if tier != KeyTier::Direct {
            candidates::try_meta_keys(assumptions, KeyTier::Derived, &mut try_key);
        }
        slow_keys.into_iter().any(try_key);
        // A wrong key opens PICCData by chance in one of 85 cases. If a result has the known UID, only results with
        // this UID are kept.
        let known_uid = self.assumptions.uid;
        if known_uid.is_some() && results.iter().any(|claimed| claimed.uid == known_uid) {
            results.retain(|claimed| claimed.uid == known_uid);
        }
        results
    }

    /// Returns the SDMMetaReadKeys of [`KeyTier::SlowlyDerived`]. If there are too many given keys, only the first ones
    /// are used.
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

    /// Tries the file keys of this round on this reading. Returns the first match, or `None` if no key matches.
    fn try_file_keys(
        &mut self,
        url: &str,
        reading: &UrlParts<'a>,
        scheme: Scheme,
        claimed: &ClaimedValues<'a>,
        round: Round,
    ) -> Option<Match<'a>> {
        let mac = hex::decode(reading.mac.of(url).as_bytes()).ok()?;
        let mut found = None;
        let assumptions = self.assumptions;
        // The file key may be in a different tier from the key that opens the PICCData.
        let tiers: &[KeyTier] = match round.tier {
            KeyTier::Direct => &[KeyTier::Direct],
            KeyTier::Derived => &[KeyTier::Derived, KeyTier::Direct],
            KeyTier::SlowlyDerived => &[KeyTier::SlowlyDerived, KeyTier::Derived, KeyTier::Direct],
        };
        for tier in tiers {
            candidates::try_file_keys(assumptions, *tier, claimed.uid.or(assumptions.uid), |file_key| {
                self.count(if *tier == KeyTier::SlowlyDerived { SLOW_DERIVATION_COST } else { cost(scheme) });
                let prepared = file_key.0.prepare(scheme);
                for session_vector in session_vectors(claimed, assumptions.uid, round.all_vectors) {
                    let window = self.find_window(url, reading, &prepared, &session_vector, round.starts, mac);
                    if let Some((window_start, truncation)) = window {
                        let parts = UrlParts { window_start, ..*reading };
                        let (claimed, file_key) = (claimed.clone(), file_key.clone());
                        found = Some(Match { parts, scheme, claimed, file_key, session_vector, truncation });
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

    /// Returns where the MAC input begins and how the MAC is truncated, or `None` if no start yields this MAC with this
    /// key.
    fn find_window(
        &mut self,
        url: &str,
        parts: &UrlParts<'_>,
        key: &PreparedFileReadKey,
        session_vector: &SessionVector,
        starts: WindowStarts,
        mac: [u8; 8],
    ) -> Option<(usize, Truncation)> {
        let end = parts.mac.from;
        if Suite::of(key.scheme()).is_none() {
            self.count(1);
            let status = match parts.tt_status.map(|part| part.of(url)) {
                Some(text) if text.len() > 2 => Some(StatusDetect::from_ascii(text.as_bytes())?),
                _ => None,
            };
            let cmac = ntag22x::suncmac(key, session_vector.uid?, session_vector.ctr?, status)?;
            return Truncation::find(&cmac, mac).map(|truncation| (end, truncation));
        }
        let ctr = session_vector.ctr.map(|ctr| if session_vector.is_ctr_reversed { reversed(ctr) } else { ctr });
        self.count(cost(key.scheme()));
        let session = MacKey::derive(key, session_vector.uid, ctr)?;
        for start in (0..=end).rev().filter(|start| *start == end || is_tried(url, parts, *start, starts)) {
            if self.is_over() {
                break;
            }
            self.count(cost(key.scheme()));
            let cmac = session.cmac_of(window::input(pieces(url, parts, start)));
            if let Some(truncation) = Truncation::find(&cmac, mac) {
                return Some((start, truncation));
            }
        }
        None
    }

    /// Adds `cost` to the work done, and reports the total once every 4096 MACs.
    fn count(&mut self, cost: u32) {
        let before = self.tried;
        self.tried = before.saturating_add(cost);
        if before >> 12 != self.tried >> 12 {
            (self.watch)(self.tried);
        }
    }
}

/// Returns the cost of one MAC, or of preparing one key, in MACs of AES mode.
fn cost(scheme: Scheme) -> u32 {
    match Suite::of(scheme) {
        Some(Suite::Lrp(_)) => 32,
        Some(Suite::Aes) | None => 1,
    }
}

/// Returns the schemes that a tag with these mirrors can have.
pub(super) fn schemes(parts: &UrlParts<'_>, url: &str) -> impl Iterator<Item = Scheme> {
    let picc_data_chars = parts.picc_data.map(|part| part.of(url).len());
    let is_plain_pair = parts.uid.is_some() && parts.ctr.is_some() && parts.enc.is_none();
    Scheme::ALL.iter().copied().filter(move |scheme| match Suite::of(*scheme) {
        Some(suite) => picc_data_chars.is_none_or(|chars| chars == suite.picc_data_chars()),
        None => picc_data_chars.is_none() && is_plain_pair,
    })
}

/// Returns the session vector of the claimed values. If `all` is `true`, also returns the other combinations: with the
/// known UID, without UID or counter, and with the bytes of the counter in reverse order.
fn session_vectors(
    claimed: &ClaimedValues<'_>,
    known_uid: Option<Uid>,
    all: bool,
) -> impl Iterator<Item = SessionVector> {
    let (uid, ctr) = (claimed.uid, claimed.ctr);
    let regular = SessionVector { uid, ctr, is_ctr_reversed: false };
    let uids = [uid, None, known_uid.filter(|known| uid != Some(*known))];
    let others = uids.into_iter().flat_map(move |uid| {
        let counters = [(ctr, false), (None, false), (ctr, true)];
        counters.into_iter().map(move |(ctr, is_ctr_reversed)| SessionVector { uid, ctr, is_ctr_reversed })
    });
    [regular].into_iter().chain(others.filter(move |other| all && *other != regular))
}

/// Returns the counter with its bytes in reverse order.
fn reversed(ctr: SdmReadCtr) -> SdmReadCtr {
    let [low, mid, high] = ctr.to_lsb_first();
    SdmReadCtr::from_lsb_first([high, mid, low])
}

/// Returns `true` if the search tries a MAC input that begins at `start`.
fn is_tried(url: &str, parts: &UrlParts<'_>, start: usize, starts: WindowStarts) -> bool {
    let previous = start.checked_sub(1).and_then(|at| url.as_bytes().get(at));
    let Some(previous) = previous else { return starts == WindowStarts::All };
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.tt_status, parts.enc];
    starts == WindowStarts::All
        || start == parts.window_start
        || matches!(previous, b'?' | b'&' | b'/' | b'#' | b'=')
        || mirrors.into_iter().flatten().any(|mirror| mirror.from == start || mirror.to == start)
}

/// Returns the text from `start` to the MAC in pieces. Each piece says whether it is part of a mirror.
fn pieces<'u>(url: &'u str, parts: &UrlParts<'_>, start: usize) -> impl Iterator<Item = Piece<'u>> {
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.enc];
    let (mut offset, end) = (start, parts.mac.from);
    core::iter::from_fn(move || {
        let mirrors = || mirrors.iter().flatten();
        let current = mirrors().find(|mirror| mirror.contains(offset));
        let next = mirrors().map(|mirror| mirror.from).filter(|from| *from > offset).min();
        let to = current.map_or(next, |mirror| Some(mirror.to)).unwrap_or(end).min(end);
        let piece = Span { from: offset, to };
        offset = piece.to;
        // If the URL is not ASCII, a piece can begin inside a character.
        let bytes = url.as_bytes().get(piece.from..piece.to).unwrap_or_default();
        (piece.len() > 0).then_some((bytes, current.is_some()))
    })
}

impl Truncation {
    /// Returns how this CMAC was truncated to the MAC, or `None` if the MAC does not come from this CMAC.
    fn find(cmac: &[u8; 16], mac: [u8; 8]) -> Option<Self> {
        let is_mac = |bytes: &mut dyn Iterator<Item = &u8>| bytes.eq(&mac);
        if is_mac(&mut cmac.iter().skip(1).step_by(2)) {
            Some(Self::OddBytes)
        } else if is_mac(&mut cmac.iter().step_by(2)) {
            Some(Self::EvenBytes)
        } else if is_mac(&mut cmac.iter().take(8)) {
            Some(Self::FirstHalf)
        } else if is_mac(&mut cmac.iter().skip(8)) {
            Some(Self::LastHalf)
        } else {
            None
        }
    }
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
        let schemes_of = |parts: UrlParts<'_>| schemes(&parts, &"0".repeat(64)).collect::<List<_>>();
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

    /// The MAC input likely begins after a separator, at either end of a mirror, or where the layout says.
    #[test]
    fn starts_of_the_mac_input() {
        let url = "s://h/t?u=04112233445566&c=";
        let parts = UrlParts { uid: Some(Span { from: 10, to: 24 }), window_start: 7, ..UrlParts::default() };
        let tried = |starts| (0..=27).filter(|start| is_tried(url, &parts, *start, starts)).collect::<List<_>>();
        assert_eq!(tried(WindowStarts::Likely), [3, 4, 6, 7, 8, 10, 24, 25, 27]);
        assert_eq!(tried(WindowStarts::All), (0..=27).collect::<List<_>>());
    }

    /// Each slow derivation is done only once per key, and it is counted.
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
