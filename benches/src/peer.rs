//! The crate `ntag424` (the peer) on a set of taps. `benches/peer` compiles this file again, in a build without suntap.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;

use ntag424::high_level::{ApplicationVerifier, ReadCounterStorage};
use ntag424::sdm::{SdmUrlOptions, Verifier, sdm_url_config};
use ntag424::types::file_settings::CryptoMode;
use serde_json::{Value, json};

/// One tap. Each tap comes from a different tag, which has its own file key.
#[derive(Clone, Debug)]
pub struct Sample {
    pub url: String,
    pub file_key: [u8; 16],
    pub ctr: u32,
}

/// A set of taps with one layout, and the peer's verifier for them.
#[derive(Debug)]
pub struct PeerSet {
    pub samples: Vec<Sample>,
    pub meta_key: [u8; 16],
    pub master_key: [u8; 16],
    template: String,
    mode: CryptoMode,
    verifier: Verifier,
    turn: Cell<usize>,
}

impl PeerSet {
    #[must_use]
    pub fn new(template: &str, lrp: bool, keys: [[u8; 16]; 2], samples: Vec<Sample>) -> Self {
        let [meta_key, master_key] = keys;
        let mode = if lrp { CryptoMode::Lrp } else { CryptoMode::Aes };
        let verifier = verifier(template, mode);
        let set = Self { samples, meta_key, master_key, template: template.into(), mode, verifier, turn: Cell::new(0) };
        assert!(set.samples.iter().all(|sample| set.verify(sample) == sample.ctr), "the peer rejects a tap");
        set
    }

    /// Returns the next tap of the set, so that no tap is used twice in a row.
    pub fn next(&self) -> &Sample {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.samples.len());
        &self.samples[turn]
    }

    /// Verifies a URL without a counter store and returns its counter.
    #[must_use]
    pub fn verify(&self, sample: &Sample) -> u32 {
        let seen = self.verifier.verify_with_meta_key(sample.url.as_bytes(), &sample.file_key, &self.meta_key).unwrap();
        seen.read_ctr.unwrap()
    }

    /// Returns the number of meta-read keys that open the PICCData of a URL.
    #[must_use]
    pub fn opens(&self, url: &str, keys: &[[u8; 16]]) -> usize {
        keys.iter().filter(|key| self.verifier.decrypt_picc_data(key, url.as_bytes()).is_ok()).count()
    }

    /// Returns the verifier that derives keys and uses a counter store.
    #[must_use]
    pub fn application(&self) -> ApplicationVerifier {
        ApplicationVerifier {
            url_template: self.template.clone(),
            verifier: verifier(&self.template, self.mode),
            prefix: None,
            system_identifier: b"shop".to_vec(),
        }
    }

    /// Returns the set as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let taps: Vec<_> =
            self.samples.iter().map(|Sample { url, file_key, ctr }| json!([url, file_key, ctr])).collect();
        let lrp = self.mode == CryptoMode::Lrp;
        json!({ "template": self.template, "lrp": lrp, "keys": [self.meta_key, self.master_key], "taps": taps })
    }

    /// Reads a set that [`to_json`](Self::to_json) wrote.
    #[must_use]
    pub fn from_json(set: &Value) -> Self {
        let key = |value: &Value| serde_json::from_value::<[u8; 16]>(value.clone()).unwrap();
        let samples = set["taps"].as_array().unwrap().iter().map(|tap| Sample {
            url: tap[0].as_str().unwrap().into(),
            file_key: key(&tap[1]),
            ctr: u32::try_from(tap[2].as_u64().unwrap()).unwrap(),
        });
        let keys = [key(&set["keys"][0]), key(&set["keys"][1])];
        Self::new(set["template"].as_str().unwrap(), set["lrp"].as_bool().unwrap(), keys, samples.collect())
    }
}

/// Returns the peer's verifier for a layout, configured for full URLs.
fn verifier(template: &str, mode: CryptoMode) -> Verifier {
    let config = sdm_url_config(template, mode, SdmUrlOptions::default()).unwrap();
    let shift = i32::try_from(config.prefix_len).unwrap() - i32::try_from(config.offset).unwrap();
    Verifier::try_new(&config.sdm_settings, mode).unwrap().with_offset(shift).unwrap()
}

/// Counters in memory, with the interface that the peer needs.
#[derive(Debug, Default)]
pub struct PeerCounters(HashMap<[u8; 7], u32>);

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

/// The number of meta-read keys that the group `identify` tries.
pub const IDENTIFY_KEYS: usize = 65_536;
/// The number of meta-read keys that the group `identify_lrp` tries.
pub const IDENTIFY_KEYS_LRP: usize = 256;

/// Returns meta-read keys that open no tap.
#[must_use]
pub fn other_keys(count: usize) -> Vec<[u8; 16]> {
    let mut random = Random(2);
    (0..count).map(|_| random.bytes()).collect()
}
