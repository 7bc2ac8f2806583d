//! Which of many keys opens a tap whose tag nobody knows yet.
//!
//! PICCData says itself whether it opened: its first byte is right by chance one time in 256 (in 85, where the layout does not
//! pin what it holds). So of N keys the right one comes out, and now and then a wrong one with it, which the SDMMAC then refuses.
//! Nothing is kept but the tap: memory does not grow with the number of keys, and keys may come from an iterator.
//!
//! The search ends at the key that fits, so its time tells an observer where that is; what no key fits takes longest.
//!
//! ```
//! use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, identify, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
//!
//! // Tags of several customers come to one service, and nothing in the URL says whose they are.
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

/// The keys that open a tap, as an iterator of [`Candidate`]s in the order of the keys. A key that was prepared for another mode
/// than that of the layout opens nothing.
///
/// Keys are taken as they are, or prepared. With the feature `accel`, keys as they are take no longer than prepared ones where there
/// are so many that they have to be fetched from memory: eight are expanded side by side. Without it, prepare what is tried often.
///
/// A candidate is a claim like any: verify it before anything else is done with it.
pub fn candidates<'t, 'a, I>(tap: &'t UnverifiedTap<'a>, keys: I) -> Candidates<'t, 'a, I::IntoIter>
where
    I: IntoIterator<Item: MetaReadKey>,
{
    Candidates { tap, keys: keys.into_iter(), taken: 0, tried: 0, opened: Deque::new() }
}

/// A key that opens the PICCData of a tap.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// Where the key is among the keys, from 0.
    pub index: usize,
    /// What it opens to.
    pub tap: ClaimedTap<'a>,
}

/// See [`candidates`].
pub struct Candidates<'t, 'a, I> {
    tap: &'t UnverifiedTap<'a>,
    keys: I,
    /// Of the keys, and of them those that were told of.
    taken: usize,
    tried: usize,
    /// What the keys behind those open to.
    opened: Deque<(usize, PiccData), LANES>,
}

impl<I> Candidates<'_, '_, I> {
    /// How many keys were tried so far: up to the last candidate, or all when there is none any more.
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

/// What each key of a group opens the PICCData of a tap to.
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

/// The keys, if all are plain and this machine expands them faster side by side.
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

/// The first candidate whose SDMMAC matches. `file_key` gives the file-read key of a candidate, by the place of its meta-read key
/// and what it opened to, or `None` if there is none.
///
/// # Errors
/// [`NotIdentified`] if none does, or if the one that does carries no counter.
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
            // This one matched, and no other will.
            Err(why @ VerifyError::NoCounter) => return Err(NotIdentified { tried: candidates.tried, why }),
            Err(_) => {}
        }
    }
    Err(NotIdentified { tried: candidates.tried, why: VerifyError::NotAuthentic })
}

/// A verified tap, and whose it is.
#[derive(Debug)]
#[must_use = "a verified tap is not known to be new: commit it"]
pub struct Identified<'a> {
    /// Where its meta-read key is among the keys, from 0.
    pub index: usize,
    /// The tap.
    pub tap: VerifiedTap<'a>,
    /// How many keys were tried.
    pub tried: usize,
}

/// No key made a verified tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotIdentified {
    /// How many keys were tried.
    pub tried: usize,
    /// [`VerifyError::NotAuthentic`] if none matched; [`VerifyError::NoCounter`] if one matched, the last of those tried, and the
    /// tap carries no counter.
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
