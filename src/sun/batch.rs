//! Batch verification: computes the MACs of up to eight taps in parallel. Each tap can have a different key.

use heapless::Deque;

use super::error::VerifyError;
use super::session::{MacKey, vector_of_mac};
use super::tap::{ClaimedTap, VerifiedTap};
use super::window;
use crate::cipher::{Block, LANES, Secret, Suite, side_by_side};
use crate::key::{SdmFileReadKey, counter_id_message};
use crate::value::CounterId;

/// Maximum length of a MAC input in bytes, for parallel verification. Longer MAC inputs are rare. If one tap of a group
/// (up to eight taps) has a longer MAC input, all taps of the group are verified one at a time.
const INPUT: usize = 256;

/// Verifies many taps, each with the file-read key of its tag. Each item of `taps` consists of three parts: any value
/// that identifies the tap to the caller (for example a line number), the tap, and the key.
///
/// For each item, the returned iterator yields the identifying value and the result of [`verify`](ClaimedTap::verify).
/// The results are in the order of `taps`.
///
/// If the feature `accel` is on and the processor has AES instructions, this function is faster than a loop with
/// `verify`. The iterator then takes eight taps at a time and computes their MACs in parallel: the processor starts an
/// AES instruction for one tap while an AES instruction for another tap is still running.
///
/// In all other cases, the iterator verifies one tap at a time and is not faster than the loop. These cases include
/// taps of an NTAG 22x, and any group of eight taps that mixes schemes. The iterator never holds more than eight taps
/// in memory.
///
/// ```
/// use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, sdm_layout, verify_batch};
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
///
/// let meta_key = SdmMetaReadKey::FACTORY.prepare(Scheme::Aes);
/// let log = [
///     "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086",
///     "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337087",
/// ];
/// let opened = log.iter().enumerate().filter_map(|(line, url)| Some((line, LAYOUT.parse(url).ok()?.open(&meta_key).ok()?)));
/// let taps = opened.map(|(line, claimed)| (line, claimed, SdmFileReadKey::FACTORY));
/// let verified: Vec<_> = verify_batch(taps).map(|(line, verified)| (line, verified.is_ok())).collect();
/// assert_eq!(verified, [(0, true), (1, false)]);
/// ```
pub fn verify_batch<'a, P, I>(taps: I) -> impl Iterator<Item = (P, Result<VerifiedTap<'a>, VerifyError>)>
where
    I: IntoIterator<Item = (P, ClaimedTap<'a>, SdmFileReadKey)>,
{
    Batch { taps: taps.into_iter(), group: Deque::new(), macs: None }
}

/// The iterator that [`verify_batch`] returns.
struct Batch<'a, P, I> {
    taps: I,
    /// The taps that were taken from `taps` and are not verified yet.
    group: Deque<(P, ClaimedTap<'a>, SdmFileReadKey), LANES>,
    /// The session keys, CMACs and counter ids (the ids under which a store keeps the counters) of the taps in `group`.
    /// `None` if the taps of the group are verified one at a time.
    macs: Option<core::array::IntoIter<(MacKey, Block, CounterId), LANES>>,
}

impl<'a, P, I: Iterator<Item = (P, ClaimedTap<'a>, SdmFileReadKey)>> Iterator for Batch<'a, P, I> {
    type Item = (P, Result<VerifiedTap<'a>, VerifyError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.group.is_empty() {
            self.group.extend(self.taps.by_ref().take(LANES));
            self.macs = macs(&self.group).map(IntoIterator::into_iter);
        }
        let (payload, tap, key) = self.group.pop_front()?;
        let verified = match self.macs.as_mut().and_then(Iterator::next) {
            Some((mac_key, cmac, id)) => tap.verified_by(&mac_key, &cmac, id, &key),
            None => tap.verify(&key),
        };
        Some((payload, verified))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.taps.size_hint();
        let waiting = self.group.len();
        (least.saturating_add(waiting), most.and_then(|most| most.checked_add(waiting)))
    }
}

/// Computes the session keys, CMACs and counter ids of a group of taps in parallel. A counter id is the id under which
/// a store keeps the counter of a tag.
///
/// Returns `None` in these cases:
/// - The feature `accel` is off, or the processor has no AES instructions.
/// - The group is empty.
/// - The taps have different schemes, or their scheme has no session keys.
/// - A MAC input is longer than [`INPUT`].
fn macs<P>(group: &Deque<(P, ClaimedTap<'_>, SdmFileReadKey), LANES>) -> Option<[(MacKey, Block, CounterId); LANES]> {
    let scheme = group.front()?.1.layout.scheme();
    let mixed = group.iter().any(|(_, tap, _)| tap.layout.scheme() != scheme);
    if !side_by_side() || mixed {
        return None;
    }
    let suite = Suite::of(scheme)?;
    let mut keys = Secret([[0; 16]; LANES]);
    // Holds two blocks for each tap: the session vector, and the message from which the counter id is computed.
    let mut vectors = [[[0; 16]; 2]; LANES];
    let mut inputs = [const { heapless::Vec::<u8, INPUT>::new() }; LANES];
    let places = keys.0.iter_mut().zip(&mut vectors).zip(&mut inputs);
    for ((_, tap, key), ((key_place, vector), input)) in group.iter().zip(places) {
        *key_place = *key.expose_bytes();
        let (uid, ctr) = (tap.received.uid, tap.received.ctr);
        *vector = [vector_of_mac(suite, uid, ctr), counter_id_message(uid)];
        window::of(tap.layout, &tap.received).try_for_each(|byte| input.push(byte)).ok()?;
    }
    let chained = suite.chained_cmacs(&keys.0, &vectors, &inputs.each_ref().map(heapless::Vec::as_slice));
    let mut macs =
        chained.secrets.0.map(|secret| (MacKey::new(suite, secret), [0; 16], CounterId::from_bytes([0; 16])));
    for (((_, cmac, id), computed), id_bytes) in macs.iter_mut().zip(chained.cmacs).zip(chained.ids) {
        (*cmac, *id) = (computed, CounterId::from_bytes(id_bytes));
    }
    Some(macs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sun::layout::SdmLayout;
    use crate::value::Scheme;

    /// The MACs of a group are computed in parallel only if all taps have the same scheme and the processor supports
    /// parallel computation. `verify_batch` returns the same results with and without parallel computation, so this
    /// test calls `macs` directly.
    #[test]
    fn taps_of_one_scheme_are_computed_in_parallel() {
        let url = "https://a.b/04112233445566/000007/0123456789ABCDEF";
        let layout = |scheme| SdmLayout::new(scheme, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
        let is_parallel = |scheme_of: &dyn Fn(usize) -> Scheme| {
            let layouts: [SdmLayout; LANES] = core::array::from_fn(|index| layout(scheme_of(index)));
            let mut group = Deque::new();
            for layout in &layouts {
                let tap = layout.parse(url).unwrap().read_plain().unwrap();
                group.push_back(((), tap, SdmFileReadKey::FACTORY)).ok().unwrap();
            }
            macs(&group).is_some()
        };
        for scheme in Scheme::ALL.iter().filter(|scheme| !scheme.is_signed()) {
            assert_eq!(is_parallel(&|_| *scheme), side_by_side() && Suite::of(*scheme).is_some(), "{scheme:?}");
            let mixed = |index| if index == 3 { *scheme } else { Scheme::Aes };
            assert!(*scheme == Scheme::Aes || !is_parallel(&mixed), "{scheme:?} among taps in AES mode");
        }
    }
}
