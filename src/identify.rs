//! Finds the meta-read key of a tap by trying many keys. The meta-read key decrypts the PICCData of the tap.
//!
//! The first byte of decrypted PICCData says which values the PICCData contains. With the correct key, this byte is
//! valid. With a wrong key, the byte is random. If the layout has `{picc}` without options, 3 of the 256 possible bytes
//! are valid. If `{picc}` has options, as in `{picc:uid,ctr}`, only 1 of the 256 possible bytes is valid. A search may
//! therefore find wrong keys in addition to the correct key. A wrong key is rejected later, because the SDMMAC does not
//! match.
//!
//! The search takes the keys from an iterator, at most eight at a time. The memory use of the search therefore does not
//! depend on the number of keys.
//!
//! [`first_verified`] stops at the first match, so its running time reveals the position of the matching key in the
//! list. The search takes longest if no key matches.
//!
//! ```
//! use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, identify, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
//!
//! // This service receives taps from the tags of several customers. The URL does not name the customer.
//! let customers = [[1; 16], [2; 16], [0; 16], [3; 16]];
//! let meta_keys = customers.map(|key| SdmMetaReadKey::from_bytes(key).prepare(Scheme::Aes));
//!
//! let tap = LAYOUT.parse("https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086")?;
//! let (customer, tap) = identify::first_verified(&tap, &meta_keys, |customer, _claimed| {
//!     // A real service would derive the file-read key from the UID of the claimed tap here.
//!     Some(SdmFileReadKey::from_bytes(*customers.get(customer)?).prepare(Scheme::Aes))
//! })?;
//! assert_eq!((customer, tap.ctr().get()), (2, 61)); // next step: commit
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use heapless::{Deque, Vec};

use crate::cipher::{Block, LANES, Secret, decrypt_by_each};
use crate::key::{FileReadKey, MetaReadKey};
use crate::sun::error::{Field, VerifyError};
use crate::sun::picc::PiccData;
use crate::sun::tap::{ClaimedTap, UnverifiedTap, VerifiedTap};
use crate::value::ConfigError;

/// Returns an iterator over the keys that decrypt the PICCData of a tap to valid content. Each item consists of the
/// index of a key, counted from 0, and of the tap with the decrypted values (the claimed tap). The items are in the
/// order of the keys. The iterator skips keys that were prepared for a scheme other than the scheme of the layout.
///
/// The keys may be plain (`SdmMetaReadKey`) or prepared (`PreparedMetaReadKey`). The AES round keys of a plain key are
/// computed again for each tap. The AES round keys of a prepared key are computed only once. Without the feature
/// `accel`, prepare the keys if you try them on many taps. With `accel`, the round keys of eight plain keys are
/// computed in parallel. Prepared keys then save time only if all of them fit into the CPU cache.
///
/// If the tag signs its taps, do not verify the candidates of several keys: a signature does not show which key decrypts
/// the PICCData.
///
/// The claimed taps are not verified. Before verification, use the values of a claimed tap only to choose a key.
pub fn candidates<'a, I>(tap: &UnverifiedTap<'a>, keys: I) -> impl Iterator<Item = (usize, ClaimedTap<'a>)>
where
    I: IntoIterator<Item: MetaReadKey>,
{
    Candidates::new(tap, keys)
}

/// The iterator that [`candidates`] returns.
pub(crate) struct Candidates<'t, 'a, I> {
    tap: &'t UnverifiedTap<'a>,
    keys: I,
    /// The number of keys that have already been tried.
    tried: usize,
    /// Decrypted PICCData that the iterator has not returned yet, with the indices of the keys that decrypted it.
    opened: Deque<(usize, PiccData), LANES>,
}

impl<'t, 'a, I> Candidates<'t, 'a, I> {
    pub(crate) fn new(tap: &'t UnverifiedTap<'a>, keys: impl IntoIterator<IntoIter = I>) -> Self {
        Self { tap, keys: keys.into_iter(), tried: 0, opened: Deque::new() }
    }
}

impl<'a, I: Iterator<Item: MetaReadKey>> Iterator for Candidates<'_, 'a, I> {
    type Item = (usize, ClaimedTap<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.opened.is_empty() {
            let group: Vec<_, LANES> = self.keys.by_ref().take(LANES).collect();
            if group.is_empty() {
                return None;
            }
            let places = open(self.tap, &group).into_iter().zip(self.tried..);
            self.opened.extend(places.filter_map(|(picc_data, index)| Some((index, picc_data?))));
            self.tried = self.tried.saturating_add(group.len());
        }
        let (index, picc_data) = self.opened.pop_front()?;
        Some((index, self.tap.claimed(picc_data)))
    }
}

/// Decrypts the PICCData of a tap with each key of a group. The result has one entry per key. An entry is `None` if its
/// key does not decrypt the PICCData to valid content.
fn open(tap: &UnverifiedTap<'_>, keys: &Vec<impl MetaReadKey, LANES>) -> [Option<PiccData>; LANES] {
    let mut opened = [None; LANES];
    if let Some((block, plain)) = tap.picc_block().zip(all_plain(keys)) {
        let blocks = decrypt_by_each(&plain.0, &[block; LANES]);
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

/// Returns the bytes of the keys if all keys are plain. Returns `None` otherwise.
fn all_plain(keys: &Vec<impl MetaReadKey, LANES>) -> Option<Secret<[Block; LANES]>> {
    let mut plain = Secret([[0; 16]; LANES]);
    for (place, key) in plain.0.iter_mut().zip(keys) {
        *place = *key.plain()?.expose_bytes();
    }
    Some(plain)
}

/// Verifies the [`candidates`] in order, and stops at the first candidate with a matching SDMMAC. A candidate is a
/// claimed tap, decrypted with one of the meta-read keys. Returns the index of the meta-read key, counted from 0, and
/// the verified tap.
///
/// A signature does not show which key decrypts the PICCData. If the tag signs its taps, this function therefore accepts
/// only one meta-read key.
///
/// For each candidate, this function calls `file_key` with the index of the meta-read key and the claimed tap.
/// `file_key` returns the file-read key for the claimed UID, or `None` to skip the candidate.
///
/// # Errors
/// Returns [`VerifyError::NotAuthentic`] if no candidate has a matching SDMMAC. Returns [`VerifyError::NoCounter`] if a
/// candidate has a matching SDMMAC but no counter. Returns a [`ConfigError`] if the layout has no `{picc}`, if there is
/// more than one key for a layout with `{sig}`, or if no MAC was compared, because every file-read key has the wrong
/// scheme. If only some file-read keys have the wrong scheme, a forged tap can also cause this error.
pub fn first_verified<'a, I, K: FileReadKey>(
    tap: &UnverifiedTap<'a>,
    keys: I,
    mut file_key: impl FnMut(usize, &ClaimedTap<'a>) -> Option<K>,
) -> Result<(usize, VerifiedTap<'a>), VerifyError>
where
    I: IntoIterator<Item: MetaReadKey>,
{
    if !tap.layout().has(Field::PiccData) {
        return Err(ConfigError::NoPiccData.into());
    }
    let mut keys = keys.into_iter().fuse();
    let first = keys.next();
    #[cfg(feature = "ecdsa")]
    if tap.layout().scheme().is_signed() && keys.next().is_some() {
        return Err(ConfigError::ManyMetaKeys.into());
    }
    let mut failure = None;
    for (index, tap) in candidates(tap, first.into_iter().chain(keys)) {
        let Some(key) = file_key(index, &tap) else { continue };
        match tap.verify(&key) {
            Ok(tap) => return Ok((index, tap)),
            // The MAC of this candidate matched, so no other candidate can match.
            Err(VerifyError::NoCounter) => return Err(VerifyError::NoCounter),
            Err(error @ VerifyError::Config(_)) => failure = failure.or(Some(error)),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or(VerifyError::NotAuthentic))
}
