//! Batch verification: computes the MACs of up to eight taps in parallel. Each tap can have a different key.

use heapless::{Deque, Vec};

use super::error::VerifyError;
use super::session::{Session, vector_of_mac};
use super::tap::{ClaimedTap, VerifiedTap};
use super::window;
use crate::cipher::{Chained, LANES, Secret, Suite, side_by_side};
use crate::key::{SdmFileReadKey, counter_id_message};
use crate::value::CounterId;

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
    Batch { taps: taps.into_iter(), group: Deque::new(), keys: Keys::new(), sessions: Sessions::default() }
}

/// The taps of a group that are not verified yet.
type Group<'a, P> = Deque<(P, ClaimedTap<'a>), LANES>;
/// The keys of all taps of a group. They stay in their places until they are wiped: an item that is taken from a `Deque`
/// leaves a copy.
type Keys = Vec<SdmFileReadKey, LANES>;

/// The iterator that [`verify_batch`] returns.
struct Batch<'a, P, I> {
    taps: I,
    group: Group<'a, P>,
    keys: Keys,
    /// The values that verification needs, for the taps in `group`. No values if the taps of the group are verified one
    /// at a time.
    sessions: Sessions,
}

impl<'a, P, I: Iterator<Item = (P, ClaimedTap<'a>, SdmFileReadKey)>> Iterator for Batch<'a, P, I> {
    type Item = (P, Result<VerifiedTap<'a>, VerifyError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.group.is_empty() {
            self.keys.clear();
            for (payload, tap, key) in self.taps.by_ref().take(LANES) {
                // A whole group fits into both, so nothing is lost.
                let _ = self.group.push_back((payload, tap));
                let _ = self.keys.push(key);
            }
            self.sessions = Sessions::new(&self.group, &self.keys);
        }
        let index = self.keys.len().checked_sub(self.group.len())?;
        let ((payload, tap), key) = self.group.pop_front().zip(self.keys.get(index))?;
        let verified = match self.sessions.next() {
            Some(session) => tap.verified_by(&session, key),
            None => tap.verify(key),
        };
        Some((payload, verified))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.taps.size_hint();
        let waiting = self.group.len();
        (least.saturating_add(waiting), most.and_then(|most| most.checked_add(waiting)))
    }
}

/// The results of [`Suite::chained_cmacs`] for the taps of a group, and the index of the tap that is next.
#[derive(Default)]
struct Sessions {
    computed: Option<Chained>,
    next: usize,
}

impl Sessions {
    /// Computes the sessions of a group of taps in parallel.
    ///
    /// There are no sessions in these cases:
    /// - The feature `accel` is off, or the processor has no AES instructions.
    /// - The group is empty.
    /// - The taps have different schemes, or their scheme has no session keys.
    fn new<P>(group: &Group<'_, P>, keys: &Keys) -> Self {
        Self { computed: Self::compute(group, keys), next: 0 }
    }

    fn compute<P>(group: &Group<'_, P>, group_keys: &Keys) -> Option<Chained> {
        let (_, first) = group.front()?;
        let scheme = first.layout.scheme();
        let mixed = group.iter().any(|(_, tap)| tap.layout.scheme() != scheme);
        if !side_by_side() || mixed {
            return None;
        }
        let suite = Suite::of_session(scheme)?;
        let mut keys = Secret([[0; 16]; LANES]);
        // The messages are those from which the counter ids are computed.
        let (mut vectors, mut messages) = ([[0; 16]; LANES], [[0; 16]; LANES]);
        let places = keys.0.iter_mut().zip(&mut vectors).zip(&mut messages);
        for (((_, tap), key), ((key_place, vector), message)) in group.iter().zip(group_keys).zip(places) {
            *key_place = *key.expose_bytes();
            let (uid, ctr) = (tap.received.uid, tap.received.ctr);
            (*vector, *message) = (vector_of_mac(suite, uid, ctr), counter_id_message(uid));
        }
        let mut taps = group.iter();
        // In a group of fewer than eight taps, the first tap fills the rest.
        let mut input = || taps.next().map_or(first, |(_, tap)| tap);
        let inputs = [(); LANES].map(|()| input()).map(|tap| window::mac_input(tap.layout, &tap.received));
        Some(suite.chained_cmacs(&keys.0, [&vectors, &messages], inputs))
    }
}

impl Iterator for Sessions {
    type Item = Session;

    fn next(&mut self) -> Option<Session> {
        let Chained { secrets, ids, cmacs } = self.computed.as_ref()?;
        let index = self.next;
        self.next = index.saturating_add(1);
        let id = ids.as_ref().and_then(|ids| ids.get(index)).map(|id| CounterId::from_bytes(*id));
        Some(Session { secret: Secret(*secrets.0.get(index)?), id, cmac: *cmacs.get(index)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sun::layout::SdmLayout;
    use crate::value::Scheme;

    /// The MACs of a group are computed in parallel only if all taps have the same scheme and the processor supports
    /// parallel computation. `verify_batch` returns the same results with and without parallel computation, so this
    /// test asks for the sessions.
    #[test]
    fn taps_of_one_scheme_are_computed_in_parallel() {
        let url = "https://a.b/04112233445566/000007/0123456789ABCDEF";
        let layout = |scheme| SdmLayout::new(scheme, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
        let is_parallel = |scheme_of: &dyn Fn(usize) -> Scheme| {
            let layouts: [SdmLayout; LANES] = core::array::from_fn(|index| layout(scheme_of(index)));
            let mut group = Deque::new();
            for layout in &layouts {
                let tap = layout.parse(url).unwrap().read_plain().unwrap();
                group.push_back(((), tap)).ok().unwrap();
            }
            let keys: Keys = [SdmFileReadKey::FACTORY; LANES].into();
            let session = Sessions::new(&group, &keys).next();
            // In LRP mode, the counter id is computed after the MAC is verified.
            let has_id = session.as_ref().is_some_and(|session| session.id.is_some());
            assert_eq!(has_id, session.is_some() && scheme_of(0) == Scheme::Aes);
            session.is_some()
        };
        for scheme in Scheme::ALL.iter().filter(|scheme| !scheme.is_signed()) {
            assert_eq!(is_parallel(&|_| *scheme), side_by_side() && Suite::of_session(*scheme).is_some(), "{scheme:?}");
            let mixed = |index| if index == 3 { *scheme } else { Scheme::Aes };
            assert!(*scheme == Scheme::Aes || !is_parallel(&mixed), "{scheme:?} among taps in AES mode");
        }
    }
}
