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

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;

use ntag424::high_level::{ApplicationVerifier, ReadCounterStorage, picc_key};
use ntag424::key_diversification::diversify_ntag424;
use ntag424::sdm::{SdmUrlOptions, Verifier, sdm_url_config};
use ntag424::types::KeyNumber;
use ntag424::types::file_settings::CryptoMode;
use suntap::kdf::an10922;
use suntap::{
    Advance, ClaimedTap, CounterId, CounterStore, Mark, MasterKey, PreparedMetaReadKey, Scheme, SdmFileReadKey,
    SdmLayout, SdmMetaReadKey, SdmReadCtr, UnixMillis, verify_batch,
};
use suntap_testkit::{Tag, Tap};

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

/// Reproducible pseudorandom numbers: SplitMix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

/// One tap. Each tap comes from a different tag, which has its own file key.
#[derive(Clone, Debug)]
pub struct Sample {
    pub url: String,
    pub file_key: [u8; 16],
    pub ctr: u32,
}

/// A set of taps, and the verifiers of suntap and of the peer for these taps.
#[derive(Debug)]
pub struct Set {
    pub layout: SdmLayout,
    pub samples: Vec<Sample>,
    pub meta_key: [u8; 16],
    pub ready_meta: PreparedMetaReadKey,
    pub master_key: [u8; 16],
    pub ready_master: MasterKey,
    pub peer: Verifier,
    pub peer_mode: CryptoMode,
    encrypted: bool,
    turn: Cell<usize>,
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
        let peer_mode = if lrp { CryptoMode::Lrp } else { CryptoMode::Aes };
        let set = Self {
            layout: SdmLayout::new(mode, ours).unwrap(),
            samples,
            meta_key,
            ready_meta: SdmMetaReadKey::from_bytes(meta_key).prepare(mode),
            master_key,
            ready_master: MasterKey::from_bytes(master_key),
            peer: peer(theirs, peer_mode),
            peer_mode,
            encrypted: ours.contains("{picc"),
            turn: Cell::new(0),
        };
        assert!(set.samples.iter().all(|sample| set.ours(sample) == sample.ctr), "ours");
        assert!(set.samples.iter().all(|sample| set.theirs(sample) == sample.ctr), "theirs");
        set
    }

    /// Returns the next tap of the set, so that no tap is used twice in a row.
    pub fn next(&self) -> &Sample {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.samples.len());
        &self.samples[turn]
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

    /// Like [`Self::ours`], but with the peer.
    #[must_use]
    pub fn theirs(&self, sample: &Sample) -> u32 {
        let seen = self.peer.verify_with_meta_key(sample.url.as_bytes(), &sample.file_key, &self.meta_key).unwrap();
        seen.read_ctr.unwrap()
    }

    /// Returns all taps with the last digit changed, and the URL of one tap without its last digit.
    #[must_use]
    pub fn spoilt(&self) -> (Vec<Sample>, String) {
        let mut forged = self.samples.clone();
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

    /// Returns the peer's verifier that derives keys and uses a counter store.
    #[must_use]
    pub fn application(&self, theirs: &str) -> ApplicationVerifier {
        ApplicationVerifier {
            url_template: theirs.into(),
            verifier: peer(theirs, self.peer_mode),
            prefix: None,
            system_identifier: b"shop".to_vec(),
        }
    }
}

/// Returns the peer's verifier for a layout, configured for full URLs.
fn peer(template: &str, mode: CryptoMode) -> Verifier {
    let config = sdm_url_config(template, mode, SdmUrlOptions::default()).unwrap();
    let shift = i32::try_from(config.prefix_len).unwrap() - i32::try_from(config.offset).unwrap();
    Verifier::try_new(&config.sdm_settings, mode).unwrap().with_offset(shift).unwrap()
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

/// Counters in memory, with the interface that the peer needs.
#[derive(Debug, Default)]
pub struct PeerCounters(pub HashMap<[u8; 7], u32>);

impl ReadCounterStorage for PeerCounters {
    type Error = Infallible;

    async fn get(&mut self, uid: &[u8; 7]) -> Result<u32, Infallible> {
        Ok(self.0.get(uid).copied().unwrap_or_default())
    }

    async fn set(&mut self, uid: &[u8; 7], _: u32) -> Result<(), Infallible> {
        // The counter stays at 0, so each tap is accepted any number of times.
        self.0.insert(*uid, 0);
        Ok(())
    }
}
