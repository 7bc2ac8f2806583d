//! Encrypts blocks and computes CMACs under several keys in parallel. Each key has its own block or message.

use super::backend::encrypt_by_each;
use super::block::{Block, LANES, padded, xor};
use super::cmac::Subkeys;
use super::wipe::Secret;

/// Encrypts blocks under several keys in parallel. [`CmacLanes`] uses this trait.
pub(crate) trait LaneEncrypt {
    /// Encrypts each block under the key at the same index.
    fn encrypt(&self, blocks: &mut [Block; LANES]);
}

/// AES keys for parallel use. The round keys are not stored but computed again for each encryption, because each key
/// encrypts only a few blocks.
pub(crate) struct Lanes(Secret<[Block; LANES]>);

impl Lanes {
    pub(crate) fn new(keys: &[Block; LANES]) -> Self {
        Self(Secret(*keys))
    }
}

impl LaneEncrypt for Lanes {
    fn encrypt(&self, blocks: &mut [Block; LANES]) {
        let mut given = blocks.map(|block| [block]);
        encrypt_by_each(&self.0.0, &mut given);
        *blocks = given.map(|[block]| block);
    }
}

/// CMAC under several keys in parallel.
pub(crate) struct CmacLanes<C = Lanes> {
    cipher: C,
    subkeys: [Subkeys; LANES],
}

impl CmacLanes {
    /// Computes two MACs for each key. Each message is exactly one block long.
    pub(crate) fn two_blocks(&self, messages: &[[Block; 2]; LANES]) -> [[Block; 2]; LANES] {
        let mut states = *messages;
        for (states, subkeys) in states.iter_mut().zip(&self.subkeys) {
            for state in states {
                *state = subkeys.whole(*state);
            }
        }
        encrypt_by_each(&self.cipher.0.0, &mut states);
        states
    }
}

impl<C: LaneEncrypt> CmacLanes<C> {
    pub(crate) fn over(cipher: C) -> Self {
        let mut l = [[0; 16]; LANES];
        cipher.encrypt(&mut l);
        Self { cipher, subkeys: l.map(Subkeys::new) }
    }

    /// Computes one MAC for each key. Each message is exactly one block long.
    pub(crate) fn one_block(&self, messages: &[Block; LANES]) -> [Block; LANES] {
        let mut states = *messages;
        states.iter_mut().zip(&self.subkeys).for_each(|(state, subkeys)| *state = subkeys.whole(*state));
        self.cipher.encrypt(&mut states);
        states
    }

    /// Computes one MAC for each key. The messages may have different lengths. Encryption continues for all keys until
    /// the longest message ends, and the extra results for shorter messages are ignored.
    pub(crate) fn of(&self, messages: &[&[u8]; LANES]) -> [Block; LANES] {
        let (mut states, mut tags) = ([[0; 16]; LANES], [[0; 16]; LANES]);
        let mut rests = messages.map(Some);
        while rests.iter().any(Option::is_some) {
            let mut ends = [false; LANES];
            for (((rest, state), end), subkeys) in rests.iter_mut().zip(&mut states).zip(&mut ends).zip(&self.subkeys) {
                let Some(bytes) = *rest else { continue };
                let absorbed = if let Some((block, following @ [_, ..])) = bytes.split_first_chunk::<16>() {
                    *rest = Some(following);
                    *block
                } else {
                    (*rest, *end) = (None, true);
                    subkeys.last(padded(bytes.iter().copied()), bytes.len())
                };
                *state = xor(*state, absorbed);
            }
            self.cipher.encrypt(&mut states);
            for ((tag, state), end) in tags.iter_mut().zip(&states).zip(ends) {
                if end {
                    *tag = *state;
                }
            }
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::cipher::cmac::tests::{oracle, random_blocks, take};

    /// Computes the CMACs of messages of different lengths in parallel, and compares them with the `cmac` crate.
    #[test]
    fn lanes_equal_the_crate() {
        let mut random = random_blocks();
        for round in 0..256 {
            let (keys, whole) = (take::<LANES>(&mut random), take::<LANES>(&mut random));
            let messages: [Vec<u8>; LANES] = core::array::from_fn(|lane| {
                let length = (37 * lane + round) % 81;
                random.by_ref().take(5).flatten().take(length).collect()
            });
            let lanes = CmacLanes::over(Lanes::new(&keys));
            let tags = lanes.of(&messages.each_ref().map(Vec::as_slice));
            let single = lanes.one_block(&whole);
            let pairs = lanes.two_blocks(&whole.map(|block| [block, [7; 16]]));
            for (lane, key) in keys.iter().enumerate() {
                assert_eq!(tags[lane], oracle(key, &messages[lane]));
                assert_eq!(single[lane], oracle(key, &whole[lane]));
                assert_eq!(pairs[lane], [oracle(key, &whole[lane]), oracle(key, &[7; 16])]);
            }
        }
    }
}
