//! Implements the block cipher with the processor's AES instructions. On a processor without these instructions, this
//! module uses [`soft`].
//!
//! All `unsafe` code of this crate is in this module and its submodules. The code is `unsafe` for two reasons. First, an
//! instruction may be used only on a processor that has it. Each method that uses an instruction is a method of a type
//! that exists only on such a processor, so it is safe to call. Second, registers are loaded and stored through raw
//! pointers.
//!
//! This module is faster than a separate cipher call for each block, for three reasons.
//! - To compute SubWord, a step of the key schedule, this module uses the instruction for the last round of the cipher.
//!   On x86-64, the special instruction for the key schedule has three times the latency of the last-round instruction.
//! - If a key is used for only one block, its round keys are computed while the block is encrypted.
//! - The round keys of several tags are computed in parallel. The processor works on one key while it waits for the
//!   result of another key.
//!
//! The compiler keeps blocks in registers only if it inlines everything into [`Aes::within`], the one function that
//! is compiled for the instructions. So all functions here are always inlined.

#![allow(unsafe_code, reason = "`unsafe` is confined to this directory, see above")]
#![allow(clippy::inline_always, reason = "see above")]

use core::hint::black_box;

use super::block::{Block, BlockEncrypt, Chain, LANES};
use super::once::{Aes, LaneAes, OnceAes, Table};
use super::soft;

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod vaes;
mod vectors;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Hard;
#[cfg(target_arch = "x86_64")]
pub(crate) use vaes::Wide;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::Hard;

use vectors::{RoundKeys, Vectors, decrypt, encrypt, expand, expand_and_encrypt, lane_methods, look_up, xor_each};

impl Aes for Hard {
    /// Wipes nothing: round keys are in registers or wipe themselves.
    #[inline(always)]
    fn within<T>(self, compute: impl FnOnce() -> T) -> T {
        self.run(compute)
    }
}

impl OnceAes for Hard {
    #[inline(always)]
    fn encrypt_by<const N: usize, const M: usize>(self, keys: [Block; N], blocks: [[Block; N]; M]) -> [[Block; N]; M] {
        let mut states = [[self.spread(0); N]; M];
        for (states, blocks) in states.iter_mut().zip(&blocks) {
            *states = self.load_each(blocks);
        }
        let states = expand_and_encrypt(self, self.load_each(&keys), states);
        let mut blocks = blocks;
        for (blocks, states) in blocks.iter_mut().zip(states) {
            *blocks = self.store_each(states);
        }
        blocks
    }

    #[inline(always)]
    fn decrypt(self, key: Block, block: Block) -> Block {
        let expanded = expand(self, [self.load(&key)]);
        let [block] = decrypt(self, &expanded, [self.load(&block)]);
        self.store(block)
    }

    #[inline(always)]
    fn chain<C: Chain>(self, key: Block, chain: C) -> C::Output {
        let expanded = expand(self, [self.load(&key)]);
        chain.run(
            #[inline(always)]
            |block| {
                let [block] = encrypt(self, &expanded, [self.load(&block)]);
                self.store(block)
            },
        )
    }

    #[inline(always)]
    fn double(self, block: Block) -> Block {
        self.store(self.double_each(self.load(&block)))
    }

    #[inline(always)]
    fn look_up(self, table: &[u128; 16], index: u8) -> Block {
        // `black_box` hides that all bytes of the register are equal. Otherwise, the compiler could select with a branch.
        let nibbles = black_box(self.spread(index));
        self.store(look_up(self, table, nibbles, |entry| self.load(&entry.to_ne_bytes())))
    }
}

impl LaneAes for Hard {
    type Lanes = [<Self as Vectors>::Register; LANES];

    #[inline(always)]
    fn load_lanes(self, blocks: &[Block; LANES]) -> Self::Lanes {
        self.load_each(blocks)
    }

    #[inline(always)]
    fn store_lanes(self, lanes: Self::Lanes) -> [Block; LANES] {
        self.store_each(lanes)
    }

    lane_methods!();

    #[inline(always)]
    fn look_up_lanes(self, table: &Table, mut numbers: Self::Lanes, byte: u8, low: bool) -> Self::Lanes {
        for (lane, number) in numbers.iter_mut().enumerate() {
            let bytes = self.select_byte(*number, byte);
            let nibbles = black_box(if low { bytes } else { self.high_nibbles(bytes) });
            let load = |row: &[Block; LANES]| row.get(lane).map_or_else(|| self.spread(0), |block| self.load(block));
            *number = look_up(self, table, nibbles, load);
        }
        numbers
    }
}

impl Hard {
    #[inline(always)]
    fn load_each<const N: usize>(self, blocks: &[Block; N]) -> [<Self as Vectors>::Register; N] {
        let mut registers = [self.spread(0); N];
        for (register, block) in registers.iter_mut().zip(blocks) {
            *register = self.load(block);
        }
        registers
    }

    #[inline(always)]
    fn store_each<const N: usize>(self, registers: [<Self as Vectors>::Register; N]) -> [Block; N] {
        let mut blocks = [[0; 16]; N];
        for (block, register) in blocks.iter_mut().zip(registers) {
            *block = self.store(register);
        }
        blocks
    }
}

/// The round keys of one key, for a key that is stored.
pub(crate) type Schedule = RoundKeys<<Hard as Vectors>::Register, 1>;

/// A key prepared for encryption.
pub(crate) enum Encryptor {
    /// The round keys for the AES instructions.
    Hard(Hard, Schedule),
    Soft(soft::Encryptor),
}

/// A key prepared for decryption.
pub(crate) enum Decryptor {
    /// The round keys in the order in which decryption uses them, with InvMixColumns applied.
    Hard(Hard, Schedule),
    Soft(soft::Decryptor),
}

impl Encryptor {
    pub(crate) fn new(key: &Block) -> Self {
        match Hard::detect() {
            Some(aes) => aes.within(
                #[inline(always)]
                || Self::Hard(aes, expand(aes, [aes.load(key)])),
            ),
            None => Self::Soft(soft::Encryptor::new(key)),
        }
    }
}

impl BlockEncrypt for Encryptor {
    fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Hard(aes, keys) => aes.within(
                #[inline(always)]
                || {
                    let [state] = encrypt(*aes, keys, [aes.load(block)]);
                    *block = aes.store(state);
                },
            ),
            Self::Soft(key) => key.encrypt(block),
        }
    }

    fn chain<C: Chain>(&self, chain: C) -> C::Output {
        match self {
            Self::Hard(aes, keys) => aes.within(
                #[inline(always)]
                || {
                    chain.run(
                        #[inline(always)]
                        |block| {
                            let [state] = encrypt(*aes, keys, [aes.load(&block)]);
                            aes.store(state)
                        },
                    )
                },
            ),
            Self::Soft(key) => key.chain(chain),
        }
    }
}

impl Decryptor {
    pub(crate) fn new(key: &Block) -> Self {
        match Hard::detect() {
            Some(aes) => aes.within(
                #[inline(always)]
                || Self::Hard(aes, inverted(aes, expand(aes, [aes.load(key)]))),
            ),
            None => Self::Soft(soft::Decryptor::new(key)),
        }
    }

    pub(crate) fn decrypt(&self, block: &mut Block) {
        match self {
            Self::Hard(aes, keys) => aes.within(
                #[inline(always)]
                || {
                    let [mut state] = xor_each(*aes, [aes.load(block)], &keys.first);
                    for [key] in &keys.rounds {
                        state = aes.decrypt_round(state, *key);
                    }
                    let [last] = keys.last;
                    *block = aes.store(aes.decrypt_last(state, last));
                },
            ),
            Self::Soft(key) => key.decrypt(block),
        }
    }
}

/// Converts encryption round keys to decryption round keys, in the order in which decryption uses them.
#[inline(always)]
fn inverted(aes: Hard, mut keys: Schedule) -> Schedule {
    let RoundKeys { first, rounds, last, .. } = &mut keys;
    core::mem::swap(first, last);
    rounds.reverse();
    for [key] in rounds {
        *key = aes.inverse_mix(*key);
    }
    keys
}

impl From<&Encryptor> for Decryptor {
    fn from(key: &Encryptor) -> Self {
        match key {
            Encryptor::Hard(aes, RoundKeys { first, rounds, last, zero }) => aes.within(
                #[inline(always)]
                || {
                    let keys = RoundKeys { first: *first, rounds: *rounds, last: *last, zero: *zero };
                    Self::Hard(*aes, inverted(*aes, keys))
                },
            ),
            Encryptor::Soft(key) => Self::Soft(key.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::ManuallyDrop;

    use super::*;
    use crate::cipher::backend::within;
    use crate::cipher::cmac::tests::{random_blocks, take};
    use crate::cipher::soft::Soft;

    /// The environment variable `SUNTAP_WANTS` names the instructions that a test run must cover. Without this check, a
    /// run could pass on a machine that does not have these instructions.
    #[test]
    fn required_instructions_are_available() {
        let wanted = std::env::var("SUNTAP_WANTS").unwrap_or_default();
        for wanted in wanted.split_whitespace() {
            let is_covered = match wanted {
                "aes" => Hard::detect().is_some(),
                "soft" => Hard::detect().is_none(),
                #[cfg(target_arch = "x86_64")]
                "vaes" => Wide::detect().is_some(),
                other => panic!("unknown instructions in SUNTAP_WANTS: {other}"),
            };
            assert!(is_covered, "{wanted}");
        }
    }

    /// `compute_lanes!` uses `Hard` only if the processor has no VAES.
    #[test]
    fn lanes_of_each_cipher_are_equal() {
        fn results(
            aes: impl LaneAes,
            keys: &[Block; LANES],
            blocks: &[Block; LANES],
            table: &Table,
        ) -> [[Block; LANES]; 6] {
            within!(aes, {
                let (keys, blocks) = (aes.load_lanes(keys), aes.load_lanes(blocks));
                let [encrypted] = aes.encrypt_lanes(keys, [blocks]);
                let (low, high) = (aes.look_up_lanes(table, keys, 5, true), aes.look_up_lanes(table, keys, 5, false));
                [
                    encrypted,
                    aes.decrypt_lanes(keys, blocks),
                    aes.double_lanes(blocks),
                    aes.xor_lanes(keys, blocks),
                    low,
                    high,
                ]
                .map(|lanes| aes.store_lanes(lanes))
            })
        }

        let Some(hard) = Hard::detect() else { return };
        let mut random = random_blocks();
        for _ in 0..64 {
            let (keys, blocks) = (take(&mut random), take(&mut random));
            let table = core::array::from_fn(|_| take(&mut random));
            let expected = results(Soft, &keys, &blocks, &table);
            assert_eq!(results(hard, &keys, &blocks, &table), expected);
            #[cfg(target_arch = "x86_64")]
            if let Some(wide) = Wide::detect() {
                assert_eq!(results(wide, &keys, &blocks, &table), expected);
            }
        }
    }

    #[test]
    fn round_keys_are_wiped_when_they_are_dropped() {
        let Some(aes) = Hard::detect() else { return };
        let mut keys = ManuallyDrop::new(expand(aes, [aes.load(b"0aB1cD2eF3gH4iJ5")]));
        let stored = |keys: &Schedule| {
            let mut all = [keys.first, keys.last].to_vec();
            all.extend(keys.rounds);
            all.concat().into_iter().map(|key| aes.store(key)).collect::<std::vec::Vec<_>>()
        };
        assert!(stored(&keys).iter().all(|key| *key != [0; 16]));
        // SAFETY: the value is not dropped again, and its fields are plain data.
        unsafe { ManuallyDrop::drop(&mut keys) };
        assert_eq!(stored(&keys), [[0; 16]; 11]);
    }
}
