//! Computes CMACs under several keys in parallel. Each key has its own message.

#![allow(clippy::inline_always, reason = "see `compute!`")]

use super::backend::compute_lanes;
use super::block::{Block, Chunk, LANES};
use super::cmac::Subkeys;
use super::once::LaneAes;

/// Decrypts the block `blocks[i]` under `keys[i]`.
pub(crate) fn decrypt_by_each(keys: &[Block; LANES], blocks: &[Block; LANES]) -> [Block; LANES] {
    compute_lanes!(|aes| aes.store_lanes(aes.decrypt_lanes(aes.load_lanes(keys), aes.load_lanes(blocks))))
}

/// Encrypts blocks under several keys in parallel. [`CmacLanes`] uses this trait.
pub(crate) trait LaneEncrypt<A: LaneAes> {
    /// Encrypts blocks under each key. [`CmacLanes`] encrypts one block or two.
    fn encrypt<const M: usize>(&self, aes: A, blocks: [A::Lanes; M]) -> [A::Lanes; M];
}

/// AES keys for parallel use. The round keys are not stored but computed again for each encryption, because each key
/// encrypts only a few blocks.
pub(crate) struct Keys<A: LaneAes>(pub(crate) A::Lanes);

impl<A: LaneAes> LaneEncrypt<A> for Keys<A> {
    #[inline(always)]
    fn encrypt<const M: usize>(&self, aes: A, blocks: [A::Lanes; M]) -> [A::Lanes; M] {
        aes.encrypt_lanes(self.0, blocks)
    }
}

/// CMAC under several keys in parallel.
pub(crate) struct CmacLanes<A, C> {
    aes: A,
    cipher: C,
    subkeys: [Subkeys; LANES],
}

impl<A: LaneAes, C: LaneEncrypt<A>> CmacLanes<A, C> {
    #[inline(always)]
    pub(crate) fn over(aes: A, cipher: C) -> Self {
        let [l] = cipher.encrypt(aes, [aes.load_lanes(&[[0; 16]; LANES])]);
        let k1 = aes.double_lanes(l);
        let (k1, k2) = (aes.store_lanes(k1), aes.store_lanes(aes.double_lanes(k1)));
        let mut subkeys = [const { Subkeys { k1: [0; 16], k2: [0; 16] } }; LANES];
        for (subkeys, (k1, k2)) in subkeys.iter_mut().zip(k1.into_iter().zip(k2)) {
            *subkeys = Subkeys { k1, k2 };
        }
        Self { aes, cipher, subkeys }
    }

    /// Computes `M` MACs for each key. Each message is exactly one block long.
    #[inline(always)]
    pub(crate) fn one_block<const M: usize>(&self, messages: [&[Block; LANES]; M]) -> [A::Lanes; M] {
        let mut states = [self.aes.load_lanes(&[[0; 16]; LANES]); M];
        for (state, message) in states.iter_mut().zip(messages) {
            let mut blocks = *message;
            for (block, subkeys) in blocks.iter_mut().zip(&self.subkeys) {
                *block = subkeys.whole(*block);
            }
            *state = self.aes.load_lanes(&blocks);
        }
        self.cipher.encrypt(self.aes, states)
    }

    /// Computes one MAC for each key. The messages may have different lengths. Encryption continues for all keys until
    /// the longest message ends, and the extra results for shorter messages are ignored.
    #[inline(always)]
    pub(crate) fn compute(&self, mut messages: [impl Iterator<Item = Chunk>; LANES]) -> [Block; LANES] {
        let (mut states, mut tags) = (self.aes.load_lanes(&[[0; 16]; LANES]), [[0; 16]; LANES]);
        // The chunk of each message that is encrypted next, or `None` after the end of the message.
        let mut chunks = messages.each_mut().map(|message| Some(message.next().unwrap_or(Chunk::EMPTY)));
        while chunks.iter().any(Option::is_some) {
            let (mut absorbed, mut ends) = ([[0; 16]; LANES], [false; LANES]);
            let lanes = chunks.iter_mut().zip(&mut messages).zip(&self.subkeys);
            for (((chunk, message), subkeys), (block, end)) in lanes.zip(absorbed.iter_mut().zip(&mut ends)) {
                let Some(current) = *chunk else { continue };
                *chunk = message.next();
                *end = chunk.is_none();
                *block = if *end { subkeys.last(current) } else { current.block };
            }
            [states] = self.cipher.encrypt(self.aes, [self.aes.xor_lanes(states, self.aes.load_lanes(&absorbed))]);
            for ((tag, state), end) in tags.iter_mut().zip(self.aes.store_lanes(states)).zip(ends) {
                if end {
                    *tag = state;
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
    use crate::cipher::block::chunks;
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
            let (tags, [single, sevens]) = compute_lanes!(|aes| {
                let lanes = CmacLanes::over(aes, Keys(aes.load_lanes(&keys)));
                let blocks = lanes.one_block([&whole, &[[7; 16]; LANES]]);
                (
                    lanes.compute(messages.each_ref().map(|message| chunks(message.iter().copied()))),
                    blocks.map(|blocks| aes.store_lanes(blocks)),
                )
            });
            for (lane, key) in keys.iter().enumerate() {
                assert_eq!(tags[lane], oracle(key, &messages[lane]));
                assert_eq!(single[lane], oracle(key, &whole[lane]));
                assert_eq!(sevens[lane], oracle(key, &[7; 16]));
            }
        }
    }
}
