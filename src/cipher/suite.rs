//! Defines the cryptographic suite of SDM, which is AES or the leakage-resilient primitive (LRP).
//!
//! This module handles all differences between AES and LRP. Without the feature `lrp`, the type [`Enabled`] has no
//! values, so [`Suite::Lrp`] cannot be constructed. The compiler then removes every branch for this variant.

use super::backend::{Decryptor, Encryptor, compute, compute_lanes};
use super::block::{Block, BlockEncrypt as _, Chunk, LANES};
use super::cmac::Cmac;
use super::lanes::{CmacLanes, Keys};
use super::lrp::{Enabled, Lrp, LrpLanes};
use super::once::LaneAes;
use super::wipe::Secret;
use crate::value::Scheme;

/// Mirrored PICCData, decoded from hexadecimal. With AES, the first 16 bytes are the ciphertext, and the last 8 bytes
/// are zeros. With LRP, the first 8 bytes are PICCRand, a random number from the chip, and the other 16 bytes are the
/// ciphertext.
pub(crate) type PiccWire = [u8; 24];

/// The cryptographic suite: AES or LRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the second variant cannot be constructed without the feature `lrp`")]
pub(crate) enum Suite {
    Aes,
    Lrp(Enabled),
}

impl Suite {
    /// Returns the suite of the session keys of a scheme, or `None` if the scheme has no session keys.
    pub(crate) const fn of_session(scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Aes => Some(Self::Aes),
            #[cfg(feature = "lrp")]
            Scheme::Lrp => Some(Self::Lrp(Enabled)),
            Scheme::Suncmac => None,
            #[cfg(feature = "ecdsa")]
            Scheme::Ecdsa => None,
        }
    }

    /// Returns the suite that encrypts PICCData, or `None` for SUNCMAC, which has no PICCData.
    pub(crate) const fn of_picc_data(scheme: Scheme) -> Option<Self> {
        match scheme {
            #[cfg(feature = "ecdsa")]
            Scheme::Ecdsa => Some(Self::Aes),
            scheme => Self::of_session(scheme),
        }
    }

    /// Returns the suite for CMACs under a file-read key. For SUNCMAC, the suite is AES, because SUNCMAC uses AES-CMAC.
    pub(crate) fn of_cmac(scheme: Scheme) -> Self {
        Self::of_session(scheme).unwrap_or(Self::Aes)
    }

    /// Returns the number of hexadecimal digits in mirrored PICCData.
    pub(crate) const fn picc_data_chars(self) -> usize {
        match self {
            Self::Aes => 32,
            Self::Lrp(_) => 48,
        }
    }

    /// Computes the CMAC of a message. The key is prepared for this call only.
    pub(crate) fn cmac(self, key: &Block, message: impl Iterator<Item = Chunk>) -> Block {
        match self {
            Self::Aes => Cmac::once(key, message),
            Self::Lrp(enabled) => Cmac::once_lrp(enabled, key, message),
        }
    }

    /// Computes the CMAC of one block. The key is prepared for this call only.
    pub(crate) fn cmac_of_block(self, key: &Block, message: &Block) -> Block {
        match self {
            Self::Aes => {
                let [mac] = Cmac::once_each(key, [*message]);
                mac
            }
            Self::Lrp(enabled) => Cmac::once_lrp(enabled, key, core::iter::once(Chunk::whole(*message))),
        }
    }

    /// Decrypts SDMENCFileData in place. `blocks` must start with the first block of SDMENCFileData. The array of three
    /// bytes is SDMReadCtr, LSB first. Source: NT4H2421Gx §9.3.6.
    pub(crate) fn decrypt_file_data(self, key: &Block, [low, mid, high]: [u8; 3], blocks: &mut [Block]) {
        match self {
            Self::Aes => compute!(|_aes| {
                let key = Encryptor::new(key);
                let mut iv = [low, mid, high, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                key.encrypt(&mut iv);
                Decryptor::from(&key).decrypt_cbc(iv, blocks);
            }),
            Self::Lrp(enabled) => Lrp::prepare(enabled, key, 1).decrypt(&mut [low, mid, high, 0, 0, 0], blocks),
        }
    }

    /// Decrypts PICCData. The key is prepared for this call only.
    pub(crate) fn decrypt_picc_data(self, key: &Block, picc_data: &PiccWire) -> Block {
        match self {
            Self::Aes => compute!(|_aes| decrypt_picc_data_aes(&Decryptor::new(key), picc_data)),
            Self::Lrp(enabled) => decrypt_picc_data_lrp(&Lrp::prepare(enabled, key, 0), picc_data),
        }
    }

    /// Computes the session keys, the counter ids and the MACs of several taps in parallel. For each tap, the caller
    /// passes a key, two blocks and a message. The session key is the CMAC of the first block under the key. The
    /// counter id is the CMAC of the second block under the key; it is not computed in LRP mode. The MAC is the CMAC of
    /// the message under the session key.
    pub(crate) fn chained_cmacs(
        self,
        keys: &[Block; LANES],
        [first, second]: [&[Block; LANES]; 2],
        messages: [impl Iterator<Item = Chunk>; LANES],
    ) -> Chained {
        compute_lanes!(|aes| self.chain_lanes(aes, keys, [first, second], messages))
    }

    /// Computes [`chained_cmacs`](Self::chained_cmacs) inside of [`compute_lanes!`].
    #[allow(clippy::inline_always, reason = "see `compute!`")]
    #[inline(always)]
    fn chain_lanes<A: LaneAes>(
        self,
        aes: A,
        keys: &[Block; LANES],
        [first, second]: [&[Block; LANES]; 2],
        messages: [impl Iterator<Item = Chunk>; LANES],
    ) -> Chained {
        let keys = aes.load_lanes(keys);
        let (secrets, ids, cmacs) = match self {
            Self::Aes => {
                let [secrets, ids] = CmacLanes::over(aes, Keys(keys)).one_block([first, second]);
                (secrets, Some(ids), CmacLanes::over(aes, Keys(secrets)).compute(messages))
            }
            Self::Lrp(enabled) => {
                let [secrets] = CmacLanes::over(aes, LrpLanes::new(aes, enabled, keys)).one_block([first]);
                (secrets, None, CmacLanes::over(aes, LrpLanes::new(aes, enabled, secrets)).compute(messages))
            }
        };
        Chained { secrets: Secret(aes.store_lanes(secrets)), ids: ids.map(|ids| aes.store_lanes(ids)), cmacs }
    }
}

/// The results of [`Suite::chained_cmacs`]: the session keys (`secrets`), the counter ids (`ids`, or `None` in LRP mode)
/// and the MACs (`cmacs`).
pub(crate) struct Chained {
    pub(crate) secrets: Secret<[Block; LANES]>,
    pub(crate) ids: Option<[Block; LANES]>,
    pub(crate) cmacs: [Block; LANES],
}

/// A key prepared for decrypting PICCData.
#[allow(clippy::large_enum_variant, reason = "without a heap, no variant can be boxed")]
pub(crate) enum PiccCipher {
    Aes(Secret<Decryptor>),
    Lrp(Lrp),
}

impl PiccCipher {
    pub(crate) fn new(suite: Suite, key: &Block) -> Self {
        match suite {
            Suite::Aes => Self::Aes(compute!(|_aes| Secret(Decryptor::new(key)))),
            Suite::Lrp(enabled) => Self::Lrp(Lrp::prepare(enabled, key, 0)),
        }
    }

    /// Decrypts PICCData.
    pub(crate) fn decrypt(&self, picc_data: &PiccWire) -> Block {
        match self {
            Self::Aes(Secret(key)) => decrypt_picc_data_aes(key, picc_data),
            Self::Lrp(key) => decrypt_picc_data_lrp(key, picc_data),
        }
    }
}

/// Source: NT4H2421Gx §9.3.4.
fn decrypt_picc_data_aes(key: &Decryptor, picc_data: &PiccWire) -> Block {
    let [mut block @ .., _, _, _, _, _, _, _, _] = *picc_data;
    key.decrypt(&mut block);
    block
}

/// In LRICB, the encryption mode of LRP, PICCRand is the counter. Source: NT4H2421Gx §9.3.4.
fn decrypt_picc_data_lrp(key: &Lrp, picc_data: &PiccWire) -> Block {
    let [mut rand @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *picc_data;
    let [_, _, _, _, _, _, _, _, mut block @ ..] = *picc_data;
    key.decrypt(&mut rand, core::slice::from_mut(&mut block));
    block
}

/// A key prepared for CMAC, with AES or LRP.
#[allow(clippy::large_enum_variant, reason = "without a heap, no variant can be boxed")]
pub(crate) enum SuiteCmac {
    Aes(Secret<Cmac>),
    Lrp { cmac: Cmac<Lrp>, key: Secret<Block> },
}

impl SuiteCmac {
    pub(crate) fn new(suite: Suite, key: &Block) -> Self {
        match suite {
            Suite::Aes => Self::Aes(Cmac::prepare(key)),
            Suite::Lrp(enabled) => Self::Lrp { cmac: Cmac::lrp(enabled, key), key: Secret(*key) },
        }
    }

    pub(crate) fn one_block(&self, message: &Block) -> Block {
        match self {
            Self::Aes(Secret(cmac)) => cmac.one_block(message),
            Self::Lrp { cmac, .. } => cmac.one_block(message),
        }
    }

    /// Computes the AES-CMAC of one block, even if the suite is LRP. A counter id is always an AES-CMAC.
    pub(crate) fn aes_one_block(&self, message: &Block) -> Block {
        match self {
            Self::Aes(Secret(cmac)) => cmac.one_block(message),
            Self::Lrp { key, .. } => Suite::Aes.cmac_of_block(&key.0, message),
        }
    }

    pub(crate) fn compute(&self, message: impl Iterator<Item = Chunk>) -> Block {
        match self {
            Self::Aes(Secret(cmac)) => cmac.compute(message),
            Self::Lrp { cmac, .. } => cmac.compute(message),
        }
    }
}
