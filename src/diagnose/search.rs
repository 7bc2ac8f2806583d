//! Searches for the way in which a URL was made.

use heapless::Vec;

use super::anatomy::Anatomy;
use super::candidates::{self, Kind, Meta};
use super::case::Case;
use super::read::Readings;
use super::source::KeySource;
use crate::cipher::{PiccWire, Suite};
use crate::key::{PreparedFileReadKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::ntag22x::{self, StatusDetect};
use crate::sun::picc::PiccData;
use crate::sun::session::MacKey;
use crate::sun::span::Span;
use crate::sun::window::{self, Piece};
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

/// The limit of the search, in MACs as [`Diagnosis::tried`](crate::diagnose::Diagnosis::tried) counts them. Only the
/// last step that was begun can exceed it. The limit corresponds to a third of a second on a server.
pub const MAX_TRIED: u32 = 400_000;

/// The content of a PICCData, and the key that opens it.
#[derive(Clone)]
pub(super) struct Opened<'a> {
    pub(super) meta: Option<(SdmMetaReadKey, KeySource<'a>)>,
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
}

/// The way in which a URL was made.
#[derive(Clone)]
pub(super) struct Made<'a> {
    pub(super) anatomy: Anatomy<'a>,
    pub(super) scheme: Scheme,
    pub(super) opened: Opened<'a>,
    pub(super) file: (SdmFileReadKey, KeySource<'a>),
    /// The content of the session vector.
    pub(super) vector: Vector,
    pub(super) cut: Cut,
}

/// The content of a session vector.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Vector {
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
    /// `true` if the bytes of the counter are in the other order.
    pub(super) turned: bool,
}

/// The bytes of a CMAC that the MAC consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cut {
    /// The bytes with odd indices, counted from 0. This is what a chip does.
    Odd,
    Even,
    First,
    Last,
}

/// The starts of the MAC input that are tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Windows {
    /// An empty MAC input, the places where mirrors and parameters begin, and the start that the layout says.
    Likely,
    /// Every character of the URL.
    All,
}

pub(super) struct Search<'s, 'a> {
    case: &'s Case<'a>,
    watch: &'s mut dyn FnMut(u32),
    tried: u32,
    /// The limit of the work, in MACs.
    limit: u32,
    /// The SDMMetaReadKeys of [`Kind::Slow`], once they were needed. They are the same for every reading.
    slow: Option<Vec<Meta<'a>, 16>>,
    /// `true` if something was left out: the limit was reached, or `slow` could not hold all keys.
    cut: bool,
}

/// The part of [`MAX_TRIED`] that is kept for the findings about an unexplained tap.
const RESERVE: u32 = 20_000;
/// The cost of one derivation of [`Kind::Slow`], in MACs.
const SLOW: u32 = 5000;

/// The rounds of the search, the most likely first.
const ROUNDS: [(Kind, Windows, bool); 6] = [
    (Kind::Direct, Windows::Likely, false),
    (Kind::Derived, Windows::Likely, false),
    (Kind::Direct, Windows::Likely, true),
    (Kind::Direct, Windows::All, false),
    (Kind::Direct, Windows::All, true),
    (Kind::Slow, Windows::Likely, false),
];

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn new(case: &'s Case<'a>, watch: &'s mut dyn FnMut(u32)) -> Self {
        Self { case, watch, tried: 0, limit: MAX_TRIED.saturating_sub(RESERVE), slow: None, cut: false }
    }

    /// Searches round by round. Returns `None` if nothing matches within the limit.
    pub(super) fn run(&mut self, url: &str, readings: &Readings<'a>) -> Option<Made<'a>> {
        for round in ROUNDS {
            for anatomy in readings {
                for scheme in schemes(anatomy, url) {
                    for opened in self.open(url, anatomy, scheme, round.0) {
                        let made = self.files(url, anatomy, scheme, &opened, round);
                        if made.is_some() || self.is_over() {
                            return made;
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

    /// Returns `true` if nothing was left out so far.
    pub(super) fn is_complete(&self) -> bool {
        !self.cut && !self.is_over()
    }

    /// Raises the limit by the reserve.
    pub(super) fn use_reserve(&mut self) {
        self.cut |= self.is_over();
        self.limit = MAX_TRIED;
    }

    /// Returns the work done, in MACs.
    pub(super) fn tried(&self) -> u32 {
        self.tried
    }

    /// Opens the PICCData with the keys of this kind and of the kinds before it. Returns every result. Without
    /// PICCData, returns the plain UID and counter.
    pub(super) fn open(&mut self, url: &str, anatomy: &Anatomy<'a>, scheme: Scheme, kind: Kind) -> Vec<Opened<'a>, 8> {
        let mut opened = Vec::new();
        let Some(picc_data) = anatomy.picc_data else {
            let uid = anatomy.uid.and_then(|part| Uid::from_hex(part.of(url)).ok());
            let ctr = anatomy.ctr.and_then(|part| SdmReadCtr::from_msb_ascii(part.of(url)).ok());
            let _ = opened.push(Opened { meta: None, uid, ctr });
            return opened;
        };
        let mut wire = PiccWire::default();
        let digits = picc_data.of(url).as_bytes();
        let Some(Ok(())) = wire.get_mut(..digits.len() / 2).map(|wire| hex::decode_into(digits, wire)) else {
            return opened;
        };
        let case = self.case;
        let slow = if kind == Kind::Slow { self.slow() } else { Vec::new() };
        let mut each = |(key, source): Meta<'a>| {
            self.count(cost(scheme));
            let content = PiccData::open(&key.prepare(scheme), &wire);
            let full = content.is_some_and(|PiccData { uid, ctr }| {
                opened.push(Opened { meta: Some((key, source)), uid, ctr }).is_err()
            });
            full || self.is_over()
        };
        candidates::metas(case, Kind::Direct, &mut each);
        if kind != Kind::Direct {
            candidates::metas(case, Kind::Derived, &mut each);
        }
        slow.into_iter().any(each);
        // A wrong key opens a PICCData by chance once in 85 times. If the UID is known, it decides.
        let known = self.case.uid;
        if known.is_some() && opened.iter().any(|opened| opened.uid == known) {
            opened.retain(|opened| opened.uid == known);
        }
        opened
    }

    /// Returns the SDMMetaReadKeys of [`Kind::Slow`], derived from the first given keys.
    fn slow(&mut self) -> Vec<Meta<'a>, 16> {
        if let Some(slow) = &self.slow {
            return slow.clone();
        }
        let (case, mut slow) = (self.case, Vec::new());
        candidates::metas(case, Kind::Slow, |meta| {
            self.count(SLOW);
            let full = slow.push(meta).is_err();
            self.cut |= full;
            full || self.is_over()
        });
        self.slow.insert(slow).clone()
    }

    fn files(
        &mut self,
        url: &str,
        anatomy: &Anatomy<'a>,
        scheme: Scheme,
        opened: &Opened<'a>,
        (kind, windows, mixed): (Kind, Windows, bool),
    ) -> Option<Made<'a>> {
        let mac = hex::decode(anatomy.mac.of(url).as_bytes()).ok()?;
        let mut found = None;
        let case = self.case;
        // The file key may be of another kind than the key that opens the PICCData.
        let kinds: &[Kind] = match kind {
            Kind::Direct => &[Kind::Direct],
            Kind::Derived => &[Kind::Derived, Kind::Direct],
            Kind::Slow => &[Kind::Slow, Kind::Derived, Kind::Direct],
        };
        for kind in kinds {
            candidates::files(case, *kind, opened.uid.or(case.uid), |file| {
                self.count(if *kind == Kind::Slow { SLOW } else { cost(scheme) });
                let key = file.0.prepare(scheme);
                for vector in vectors(opened, case.uid, mixed) {
                    if let Some((window, cut)) = self.windows(url, anatomy, &key, &vector, windows, mac) {
                        let anatomy = Anatomy { window, ..*anatomy };
                        let (opened, file) = (opened.clone(), file.clone());
                        found = Some(Made { anatomy, scheme, opened, file, vector, cut });
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

    /// Returns where the MAC input begins and how the MAC is truncated, or `None` if no start gives this MAC under this
    /// key.
    fn windows(
        &mut self,
        url: &str,
        anatomy: &Anatomy<'_>,
        key: &PreparedFileReadKey,
        vector: &Vector,
        windows: Windows,
        mac: [u8; 8],
    ) -> Option<(usize, Cut)> {
        let end = anatomy.mac.from;
        if Suite::of(key.scheme()).is_none() {
            self.count(1);
            let status = match anatomy.tt_status.map(|part| part.of(url)) {
                Some(text) if text.len() > 2 => Some(StatusDetect::from_ascii(text.as_bytes())?),
                _ => None,
            };
            let cmac = ntag22x::suncmac(key, vector.uid?, vector.ctr?, status)?;
            return Cut::of(&cmac, mac).map(|cut| (end, cut));
        }
        let ctr = vector.ctr.map(|ctr| if vector.turned { turned(ctr) } else { ctr });
        self.count(cost(key.scheme()));
        let session = MacKey::derive(key, vector.uid, ctr)?;
        for from in (0..=end).rev().filter(|from| *from == end || is_start(url, anatomy, *from, windows)) {
            if self.is_over() {
                break;
            }
            self.count(cost(key.scheme()));
            let cmac = session.cmac_of(window::input(pieces(url, anatomy, from)));
            if let Some(cut) = Cut::of(&cmac, mac) {
                return Some((from, cut));
            }
        }
        None
    }

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

/// Returns the modes that a tag with these mirrors can have.
pub(super) fn schemes(anatomy: &Anatomy<'_>, url: &str) -> impl Iterator<Item = Scheme> {
    let digits = anatomy.picc_data.map(|part| part.of(url).len());
    let bare = anatomy.uid.is_some() && anatomy.ctr.is_some() && anatomy.enc.is_none();
    Scheme::ALL.iter().copied().filter(move |scheme| match Suite::of(*scheme) {
        Some(suite) => digits.is_none_or(|digits| digits == suite.picc_data_chars()),
        None => digits.is_none() && bare,
    })
}

/// Returns the session vector of the mirrored values and, if `mixed`, all other combinations: with the known UID,
/// without UID or counter, and with the counter in the other byte order.
fn vectors(opened: &Opened<'_>, known: Option<Uid>, mixed: bool) -> impl Iterator<Item = Vector> {
    let (uid, ctr) = (opened.uid, opened.ctr);
    let right = Vector { uid, ctr, turned: false };
    let uids = [uid, None, known.filter(|known| uid != Some(*known))];
    let others = uids.into_iter().flat_map(move |uid| {
        let counters = [(ctr, false), (None, false), (ctr, true)];
        counters.into_iter().map(move |(ctr, turned)| Vector { uid, ctr, turned })
    });
    [right].into_iter().chain(others.filter(move |other| mixed && *other != right))
}

/// Returns the counter with its bytes in the other order.
fn turned(ctr: SdmReadCtr) -> SdmReadCtr {
    let [low, mid, high] = ctr.to_lsb_first();
    SdmReadCtr::from_lsb_first([high, mid, low])
}

fn is_start(url: &str, anatomy: &Anatomy<'_>, from: usize, windows: Windows) -> bool {
    let before = from.checked_sub(1).and_then(|at| url.as_bytes().get(at));
    let Some(before) = before else { return windows == Windows::All };
    let parts = [anatomy.picc_data, anatomy.uid, anatomy.ctr, anatomy.tt_status, anatomy.enc];
    windows == Windows::All
        || from == anatomy.window
        || matches!(before, b'?' | b'&' | b'/' | b'#' | b'=')
        || parts.into_iter().flatten().any(|part| part.from == from || part.to == from)
}

/// Returns the text from `from` to the MAC in pieces. Each piece says whether it is part of a mirror.
fn pieces<'u>(url: &'u str, anatomy: &Anatomy<'_>, from: usize) -> impl Iterator<Item = Piece<'u>> {
    let mirrors = [anatomy.picc_data, anatomy.uid, anatomy.ctr, anatomy.enc];
    let (mut at, end) = (from, anatomy.mac.from);
    core::iter::from_fn(move || {
        let mirrors = || mirrors.iter().flatten();
        let inside = mirrors().find(|mirror| mirror.contains(at));
        let next = mirrors().map(|mirror| mirror.from).filter(|from| *from > at).min();
        let piece = Span { from: at, to: inside.map_or(next, |mirror| Some(mirror.to)).unwrap_or(end).min(end) };
        at = piece.to;
        // A piece of a URL that is not ASCII can begin inside a character.
        let bytes = url.as_bytes().get(piece.from..piece.to).unwrap_or_default();
        (piece.len() > 0).then_some((bytes, inside.is_some()))
    })
}

impl Cut {
    /// Returns how the MAC was truncated from this CMAC, or `None` if it was not.
    fn of(cmac: &[u8; 16], mac: [u8; 8]) -> Option<Self> {
        let is = |bytes: &mut dyn Iterator<Item = &u8>| bytes.eq(&mac);
        if is(&mut cmac.iter().skip(1).step_by(2)) {
            Some(Self::Odd)
        } else if is(&mut cmac.iter().step_by(2)) {
            Some(Self::Even)
        } else if is(&mut cmac.iter().take(8)) {
            Some(Self::First)
        } else if is(&mut cmac.iter().skip(8)) {
            Some(Self::Last)
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
        let anatomy = Anatomy { mac: Span { from: 3, to: 19 }, ..Anatomy::default() };
        let all = |from| pieces(url, &anatomy, from).collect::<List<_>>();
        assert_eq!(all(1), [("é".as_bytes(), false)]);
        assert_eq!(all(2), [(&"é".as_bytes()[1..], false)]);
        assert_eq!(all(3), []);
    }

    /// An NTAG 22x has a UID and a counter and nothing else. The length of a PICCData gives its mode.
    #[test]
    fn modes_of_what_is_mirrored() {
        let part = |len| Some(Span { from: 0, to: len });
        let of = |anatomy: Anatomy<'_>| schemes(&anatomy, &"0".repeat(64)).collect::<List<_>>();
        let none = Anatomy::default();
        let (uid, ctr) = (part(14), part(6));
        let both = [Scheme::Aes, Scheme::Lrp];
        assert_eq!(of(none), both);
        assert_eq!(of(Anatomy { uid, ..none }), both);
        assert_eq!(of(Anatomy { ctr, ..none }), both);
        assert_eq!(of(Anatomy { uid, ctr, ..none }), [Scheme::Aes, Scheme::Lrp, Scheme::Suncmac]);
        assert_eq!(of(Anatomy { uid, ctr, enc: part(32), ..none }), both);
        assert_eq!(of(Anatomy { uid, ctr, picc_data: part(32), ..none }), [Scheme::Aes]);
        assert_eq!(of(Anatomy { picc_data: part(48), ..none }), [Scheme::Lrp]);
        assert_eq!([Scheme::Aes, Scheme::Lrp, Scheme::Suncmac].map(cost), [1, 32, 1]);
    }

    /// The MAC input likely begins after a separator, at either end of a mirror, or where the layout says.
    #[test]
    fn starts_of_the_mac_input() {
        let url = "s://h/t?u=04112233445566&c=";
        let anatomy = Anatomy { uid: Some(Span { from: 10, to: 24 }), window: 7, ..Anatomy::default() };
        let starts = |windows| (0..=27).filter(|from| is_start(url, &anatomy, *from, windows)).collect::<List<_>>();
        assert_eq!(starts(Windows::Likely), [3, 4, 6, 7, 8, 10, 24, 25, 27]);
        assert_eq!(starts(Windows::All), (0..=27).collect::<List<_>>());
    }

    /// Each slow derivation is done once per key and counted.
    #[test]
    fn slow_keys_are_derived_once() {
        let bytes: [[u8; 16]; 17] = core::array::from_fn(|byte| [0xA0 | u8::try_from(byte).unwrap(); 16]);
        let given = |key| GivenKey { name: "k", key, role: Role::Any };
        let keys = [given(&[1; 16]), given(&[2; 16]), given(&[3; 16])];
        let case = Case { keys: &keys, ..Case::of("") };
        let mut watch = |_| ();
        let mut search = Search::new(&case, &mut watch);
        for _ in 0..2 {
            assert_eq!((search.slow().len(), search.tried()), (3, 15_000));
        }
        assert!(search.is_complete());
        search.limit = 0;
        search.slow = None;
        assert_eq!((search.slow().len(), search.tried()), (1, 20_000), "no more than was begun");
        assert!(!search.is_complete());
        // If there are more keys than fit, the search is not complete.
        for count in [16, 17] {
            let keys: List<_> = bytes.iter().take(count).map(given).collect();
            let case = Case { keys: &keys, ..Case::of("") };
            let mut search = Search::new(&case, &mut watch);
            assert_eq!((search.slow().len(), search.is_complete()), (16, count == 16));
        }
    }
}
