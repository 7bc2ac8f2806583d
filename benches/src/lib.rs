//! Taps for the benchmarks, and the crate `ntag424` (the peer) configured for the same layouts. See `README.md` next to
//! the manifest.

#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement fails by panicking"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;

use ntag424::high_level::picc_key;
use ntag424::key_diversification::diversify_ntag424;
use ntag424::types::KeyNumber;
use suntap::kdf::an10922;
use suntap::{
    Advance, ClaimedTap, CounterId, CounterStore, Mark, MasterKey, PreparedMetaReadKey, Scheme, SdmFileReadKey,
    SdmLayout, SdmMetaReadKey, SdmReadCtr, UnixMillis, verify_batch,
};
use suntap_testkit::{Tag, Tap};

use peer::{PeerSet, Random, Sample};

pub mod peer;

/// The number of taps in one set.
pub const TAPS: usize = 256;

/// The layout of the tags of a set, as a template for suntap and as a template for the peer.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub mode: Scheme,
    pub ours: &'static str,
    pub theirs: &'static str,
}

pub const AES: Written = Written {
    mode: Scheme::Aes,
    ours: "https://example.com/t?picc_data={picc:uid,ctr}&cmac={mac}",
    theirs: "https://example.com/t?picc_data={picc:uid+ctr}&cmac=[[{mac}",
};
pub const LRP: Written = Written { mode: Scheme::Lrp, ..AES };
pub const PLAIN: Written = Written {
    mode: Scheme::Aes,
    ours: "https://example.com/t?uid={uid}&ctr={ctr}&cmac={mac}",
    theirs: "https://example.com/t?uid={uid}&ctr={ctr}&cmac=[[{mac}",
};
pub const FILE_DATA: Written = Written {
    mode: Scheme::Aes,
    ours: "https://example.com/t?picc_data={picc:uid,ctr}&enc=[[{enc:64}&cmac={mac}",
    theirs: "https://example.com/t?picc_data={picc:uid+ctr}&enc=[[[0000000000000000000000000000000000000000000000000000000000000000]&cmac={mac}",
};

/// The groups whose taps `benches/peer` also measures: the name of the group, the layout, and `true` if the file keys are
/// derived.
pub const PEER_GROUPS: [(&str, Written, bool); 5] = [
    ("verify_aes", AES, false),
    ("verify_plain", PLAIN, false),
    ("verify_file_data", FILE_DATA, false),
    ("verify_lrp", LRP, false),
    ("verify_aes_an10922", AES, true),
];

/// A set of taps, and the verifiers of suntap and of the peer for these taps.
#[derive(Debug)]
pub struct Set {
    pub layout: SdmLayout,
    pub ready_meta: PreparedMetaReadKey,
    pub ready_master: MasterKey,
    pub peer: PeerSet,
    encrypted: bool,
}

impl Set {
    /// Creates a set. The file keys are random or, if `derived`, the peer derives them from a master key by AN10922.
    #[must_use]
    pub fn new(written: Written, derived: bool) -> Self {
        let Written { mode, ours, theirs } = written;
        let mut random = Random(1);
        let master_key = random.bytes();
        let meta_key = if derived { picc_key(&master_key) } else { random.bytes() };
        let lrp = mode == Scheme::Lrp;
        let samples = (0..TAPS).map(|_| {
            let uid = random.bytes();
            let file_key =
                if derived { diversify_ntag424(&master_key, &uid, KeyNumber::Key2, b"shop") } else { random.bytes() };
            let [low, mid, high] = random.bytes();
            // The counter is at least 1, so a store whose counters stay at 0 accepts the tap any number of times.
            let ctr = u32::from_le_bytes([low | 1, mid, high, 0]);
            let tag = Tag { lrp, meta_key, file_key, uid };
            let file_data = if ours.contains("{enc") { random.bytes::<32>().to_vec() } else { Vec::new() };
            let tap = Tap { ctr, padding: random.bytes(), file_data, tt: *b"CC" };
            Sample { url: tag.write(ours, &tap).url, file_key, ctr }
        });
        let samples = samples.collect();
        let set = Self {
            layout: SdmLayout::new(mode, ours).unwrap(),
            ready_meta: SdmMetaReadKey::from_bytes(meta_key).prepare(mode),
            ready_master: MasterKey::from_bytes(master_key),
            peer: PeerSet::new(theirs, lrp, [meta_key, master_key], samples),
            encrypted: ours.contains("{picc"),
        };
        assert!(set.samples().iter().all(|sample| set.ours(sample) == sample.ctr), "suntap rejects a tap");
        set
    }

    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.peer.samples
    }

    /// Returns the next tap of the set, so that no tap is used twice in a row.
    pub fn next(&self) -> &Sample {
        self.peer.next()
    }

    pub fn claimed<'a>(&'a self, sample: &'a Sample) -> ClaimedTap<'a> {
        let tap = self.layout.parse(&sample.url).unwrap();
        if self.encrypted { tap.open(&self.ready_meta) } else { tap.read_plain() }.unwrap()
    }

    /// Verifies a URL without a counter store and returns its counter.
    #[must_use]
    pub fn ours(&self, sample: &Sample) -> u32 {
        let key = SdmFileReadKey::from_bytes(sample.file_key);
        let tap = self.claimed(sample).verify(&key).unwrap();
        // Decrypt the file data, because the peer always does.
        if tap.message().file_data_len() > 0 {
            let mut buffer = [0; 128];
            tap.message().file_data(black_box(&mut buffer)).unwrap();
        }
        tap.ctr().get()
    }

    /// Verifies many taps as one batch, and returns the number of taps that verify.
    #[must_use]
    pub fn ours_by_batch(&self, samples: &[Sample]) -> usize {
        let taps = samples.iter().map(|sample| ((), self.claimed(sample), SdmFileReadKey::from_bytes(sample.file_key)));
        verify_batch(taps).filter(|((), verified)| verified.is_ok()).count()
    }

    /// Returns all taps with the last digit changed, and the URL of one tap without its last digit.
    #[must_use]
    pub fn spoilt(&self) -> (Vec<Sample>, String) {
        let mut forged = self.samples().to_vec();
        for Sample { url, .. } in &mut forged {
            let last = url.pop();
            url.push(if last == Some('0') { '1' } else { '0' });
        }
        let mut short = self.next().url.clone();
        short.pop();
        (forged, short)
    }

    /// Derives the file key of a claimed tap by AN10922, with the peer's diversification input.
    #[must_use]
    pub fn derived(&self, tap: &ClaimedTap<'_>) -> SdmFileReadKey {
        let uid = tap.uid().unwrap();
        let application = [0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01];
        an10922::derive(&self.ready_master, &[uid.as_bytes(), &application, &[2], b"shop"]).unwrap()
    }
}

/// Counters in memory that stay at 0, so that each tap is accepted any number of times.
#[derive(Debug, Default)]
pub struct RepeatedCounters(HashMap<CounterId, Mark>);

impl CounterStore for RepeatedCounters {
    type Error = Infallible;

    fn advance(&mut self, tag: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Infallible> {
        let stored = self.0.get(tag).copied();
        let advance = Advance::decide(stored, ctr, at);
        self.0.insert(*tag, Mark { ctr: SdmReadCtr::ZERO, at, taps: 1 });
        Ok(advance)
    }
}
