//! Finds which of many keys opens a tap of an unknown tag.
//!
//! PICCData shows whether a key opened it. Under a wrong key its first byte is valid by chance one time in 256, or one
//! time in 85 if the layout does not pin what it holds. So the search through N keys finds the right one and sometimes
//! a wrong one, which the SDMMAC then rejects. Only the tap is kept: memory does not grow with the number of keys, and
//! keys may come from an iterator.
//!
//! The search ends at the matching key, so its running time shows an observer the position of that key. A tap that no
//! key matches takes longest.
//!
//! ```
//! use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, identify, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
//!
//! // One service receives taps from several customers, and nothing in the URL says which customer a tag belongs to.
//! let customers = [[1; 16], [2; 16], [0; 16], [3; 16]];
//! let meta_keys = customers.map(|key| SdmMetaReadKey::from_bytes(key).prepare(Scheme::Aes));
//!
//! let tap = LAYOUT.parse("https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086")?;
//! let found = identify::first_verified(&tap, &meta_keys, |customer, _claimed| {
//!     // Here a real service derives the key of the claimed UID.
//!     Some(SdmFileReadKey::from_bytes(*customers.get(customer)?).prepare(Scheme::Aes))
//! })?;
//! assert_eq!((found.index, found.tried), (2, 3));
//! assert_eq!(found.tap.ctr().get(), 61); // and now: commit
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;

use heapless::{Deque, Vec};

use crate::cipher::{Block, LANES, Secret, decrypt_by_each, side_by_side};
use crate::key::{FileReadKey, MetaReadKey};
use crate::sun::error::VerifyError;
use crate::sun::picc::PiccData;
use crate::sun::tap::{ClaimedTap, UnverifiedTap, VerifiedTap};

/// Returns the keys that open a tap, as an iterator of [`Candidate`]s in the order of the keys. A key that was prepared
/// for another scheme than that of the layout opens nothing.
///
/// Keys may be plain or prepared. With the feature `accel`, plain keys take no longer than prepared ones if there are
/// so many that they must be fetched from memory, because eight are expanded in parallel. Without it, prepare keys that
/// are tried often.
///
/// A candidate is only claimed: verify it before you use it for anything else.
pub fn candidates<'t, 'a, I>(tap: &'t UnverifiedTap<'a>, keys: I) -> Candidates<'t, 'a, I::IntoIter>
where
    I: IntoIterator<Item: MetaReadKey>,
{
    Candidates { tap, keys: keys.into_iter(), taken: 0, tried: 0, opened: Deque::new() }
}

/// A key that opens the PICCData of a tap.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The index of the key among the keys, from 0.
    pub index: usize,
    /// The claimed tap that the key opens.
    pub tap: ClaimedTap<'a>,
}

/// See [`candidates`].
pub struct Candidates<'t, 'a, I> {
    tap: &'t UnverifiedTap<'a>,
    keys: I,
    /// The number of keys taken from `keys`. `tried` is the number of those whose results were returned.
    taken: usize,
    tried: usize,
    /// The results of keys that were taken but whose results were not returned yet.
    opened: Deque<(usize, PiccData), LANES>,
}

impl<I> Candidates<'_, '_, I> {
    /// Returns the number of keys tried so far: up to the last candidate, or all of them if there are no more
    /// candidates.
    pub fn tried(&self) -> usize {
        self.tried
    }
}

impl<'a, I: Iterator<Item: MetaReadKey>> Iterator for Candidates<'_, 'a, I> {
    type Item = Candidate<'a>;

    fn next(&mut self) -> Option<Candidate<'a>> {
        while self.opened.is_empty() {
            let group: Vec<_, LANES> = self.keys.by_ref().take(LANES).collect();
            if group.is_empty() {
                self.tried = self.taken;
                return None;
            }
            let places = open(self.tap, &group).into_iter().zip(self.taken..);
            self.opened.extend(places.filter_map(|(picc_data, index)| Some((index, picc_data?))));
            self.taken = self.taken.saturating_add(group.len());
        }
        let (index, picc_data) = self.opened.pop_front()?;
        self.tried = index.saturating_add(1);
        Some(Candidate { index, tap: self.tap.claimed(picc_data) })
    }
}

/// Opens the PICCData of a tap with each key of a group.
fn open(tap: &UnverifiedTap<'_>, keys: &Vec<impl MetaReadKey, LANES>) -> [Option<PiccData>; LANES] {
    let mut opened = [None; LANES];
    if let Some((block, plain)) = tap.picc_block().zip(all_plain(keys)) {
        let mut blocks = [block; LANES];
        decrypt_by_each(&plain.0, &mut blocks);
        for ((place, block), _) in opened.iter_mut().zip(&blocks).zip(keys) {
            *place = tap.read_picc_data(block);
        }
    } else {
        for (place, key) in opened.iter_mut().zip(keys) {
            *place = tap.picc_data_by(key).ok();
        }
    }
    opened
}

/// Returns the keys if all are plain and this machine expands them faster in parallel.
fn all_plain(keys: &Vec<impl MetaReadKey, LANES>) -> Option<Secret<[Block; LANES]>> {
    let mut plain = Secret([[0; 16]; LANES]);
    for (place, key) in plain.0.iter_mut().zip(keys) {
        *place = *key.plain()?.expose_bytes();
    }
    side_by_side().then_some(plain)
}

impl<I> fmt::Debug for Candidates<'_, '_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("tried", &self.tried).finish_non_exhaustive()
    }
}

/// Returns the first candidate whose SDMMAC matches. `file_key` returns the file-read key of a candidate, given the
/// index of its meta-read key and the claimed tap, or `None` if there is none.
///
/// # Errors
/// Returns [`NotIdentified`] if no candidate matches, or if the matching tap carries no counter.
pub fn first_verified<'a, I, K: FileReadKey>(
    tap: &UnverifiedTap<'a>,
    keys: I,
    mut file_key: impl FnMut(usize, &ClaimedTap<'a>) -> Option<K>,
) -> Result<Identified<'a>, NotIdentified>
where
    I: IntoIterator<Item: MetaReadKey>,
{
    let mut candidates = candidates(tap, keys);
    while let Some(Candidate { index, tap }) = candidates.next() {
        let Some(key) = file_key(index, &tap) else { continue };
        match tap.verify(&key) {
            Ok(tap) => return Ok(Identified { index, tap, tried: candidates.tried }),
            // This candidate matched, so no other will.
            Err(why @ VerifyError::NoCounter) => return Err(NotIdentified { tried: candidates.tried, why }),
            Err(_) => {}
        }
    }
    Err(NotIdentified { tried: candidates.tried, why: VerifyError::NotAuthentic })
}

/// A verified tap, and the key that opened it.
#[derive(Debug)]
#[must_use = "a verified tap is not known to be new: commit it"]
pub struct Identified<'a> {
    /// The index of its meta-read key among the keys, from 0.
    pub index: usize,
    /// The verified tap.
    pub tap: VerifiedTap<'a>,
    /// The number of keys that were tried.
    pub tried: usize,
}

/// The error if no key gives a verified tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotIdentified {
    /// The number of keys that were tried.
    pub tried: usize,
    /// [`VerifyError::NotAuthentic`] if no key matched. [`VerifyError::NoCounter`] if the last key that was tried
    /// matched, and the tap carries no counter.
    pub why: VerifyError,
}

impl fmt::Display for NotIdentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after {} keys", self.why, self.tried)
    }
}

impl core::error::Error for NotIdentified {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.why)
    }
}
