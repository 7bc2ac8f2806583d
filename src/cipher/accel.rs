//! Implements the block cipher with the processor's AES instructions. On a processor without these instructions, this
//! module uses [`soft`].
//!
//! All `unsafe` code of this crate is in this module and its submodules. The code is `unsafe` for two reasons. First, a
//! function that uses the AES instructions may be called only on a processor with these instructions. Second, registers
//! are loaded and stored through raw pointers.
//!
//! This module is faster than a separate cipher call for each block, for three reasons.
//! - To compute SubWord, a step of the key schedule, this module uses the instruction for the last round of the cipher.
//!   On x86-64, the special instruction for the key schedule has three times the latency of the last-round instruction.
//! - If a key is used for only one block, its round keys are computed while the block is encrypted.
//! - The round keys of several tags are computed in parallel. The processor works on one key while it waits for the
//!   result of another key.

#![allow(unsafe_code, reason = "`unsafe` is confined to this directory, see above")]

use super::block::{Block, BlockEncrypt, Chain, halve, mask};
use super::soft;
use super::wipe::on_wiped_stack;

#[cfg(target_arch = "aarch64")]
mod arm;
mod round_keys;
mod target;
#[cfg(target_arch = "x86_64")]
mod vaes;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
use arm as arch;
#[cfg(target_arch = "x86_64")]
use x86 as arch;

use arch::{
    Register, and, decrypt_last, decrypt_round, encrypt_last, encrypt_round, inverse_mix, load, next_round_key, spread,
    store, xor,
};
use round_keys::{LAST_CONSTANT, ROUND_CONSTANTS, RoundKeys};
use target::with_aes;

/// Returns `true` if the processor has the AES instructions. With `--cfg suntap_backend="soft"`, the function always
/// returns `false`, so that tests can cover the software path.
fn available() -> bool {
    !cfg!(suntap_backend = "soft") && arch::available()
}

with_aes! {
    // A loop is faster than `map` here. The function `map` is compiled without the target features for AES, so a
    // closure would not be inlined into `map`.
    #[inline]
    fn load_each<const N: usize>(blocks: &[Block; N]) -> [Register; N] {
        let mut registers = [load(&[0; 16]); N];
        for (register, block) in registers.iter_mut().zip(blocks) {
            *register = load(block);
        }
        registers
    }

    #[inline]
    fn expand<const N: usize>(keys: &[Block; N]) -> RoundKeys<N> {
        let mut expanded = RoundKeys::none();
        expanded.first = keys.map(u128::from_ne_bytes);
        let mut key = load_each(keys);
        for (round, constant) in expanded.rounds.iter_mut().zip(ROUND_CONSTANTS) {
            for (kept, key) in round.iter_mut().zip(&mut key) {
                *key = next_round_key(*key, constant);
                *kept = u128::from_ne_bytes(store(*key));
            }
        }
        for (kept, key) in expanded.last.iter_mut().zip(key) {
            *kept = u128::from_ne_bytes(store(next_round_key(key, LAST_CONSTANT)));
        }
        expanded
    }

    /// Converts encryption round keys to decryption round keys, in the order in which decryption uses them.
    #[inline]
    fn invert<const N: usize>(keys: &mut RoundKeys<N>) {
        core::mem::swap(&mut keys.first, &mut keys.last);
        keys.rounds.reverse();
        for key in keys.rounds.as_flattened_mut() {
            *key = u128::from_ne_bytes(store(inverse_mix(load(&key.to_ne_bytes()))));
        }
    }

    #[inline]
    fn encrypt<const N: usize>(keys: &RoundKeys<N>, blocks: &mut [Block; N]) {
        let mut states = load_each(blocks);
        for (state, key) in states.iter_mut().zip(&keys.first) {
            *state = xor(*state, load(&key.to_ne_bytes()));
        }
        for round in &keys.rounds {
            for (state, key) in states.iter_mut().zip(round) {
                *state = encrypt_round(*state, load(&key.to_ne_bytes()));
            }
        }
        for ((block, state), key) in blocks.iter_mut().zip(states).zip(&keys.last) {
            *block = store(encrypt_last(state, load(&key.to_ne_bytes())));
        }
    }

    #[inline]
    fn decrypt<const N: usize>(keys: &RoundKeys<N>, blocks: &mut [Block; N]) {
        let mut states = load_each(blocks);
        for (state, key) in states.iter_mut().zip(&keys.first) {
            *state = xor(*state, load(&key.to_ne_bytes()));
        }
        for round in &keys.rounds {
            for (state, key) in states.iter_mut().zip(round) {
                *state = decrypt_round(*state, load(&key.to_ne_bytes()));
            }
        }
        for ((block, state), key) in blocks.iter_mut().zip(states).zip(&keys.last) {
            *block = store(decrypt_last(state, load(&key.to_ne_bytes())));
        }
    }

    /// Encrypts the blocks in `blocks[i]` under `keys[i]`. The round keys are computed during the encryption, and are
    /// not stored.
    fn expand_and_encrypt<const N: usize, const M: usize>(keys: &[Block; N], blocks: &mut [[Block; M]; N]) {
        let mut key = load_each(keys);
        let mut states = [load_each(&[[0; 16]; M]); N];
        for (states, blocks) in states.iter_mut().zip(&*blocks) {
            *states = load_each(blocks);
        }
        for (states, key) in states.iter_mut().zip(&key) {
            for state in states {
                *state = xor(*state, *key);
            }
        }
        for constant in ROUND_CONSTANTS {
            for (states, key) in states.iter_mut().zip(&mut key) {
                *key = next_round_key(*key, constant);
                for state in states {
                    *state = encrypt_round(*state, *key);
                }
            }
        }
        for ((blocks, states), key) in blocks.iter_mut().zip(states).zip(key) {
            let key = next_round_key(key, LAST_CONSTANT);
            for (block, state) in blocks.iter_mut().zip(states) {
                *block = store(encrypt_last(state, key));
            }
        }
    }

    fn expand_and_decrypt<const N: usize>(keys: &[Block; N], blocks: &mut [Block; N]) {
        let expanded = expand(keys);
        let mut states = load_each(blocks);
        for (state, key) in states.iter_mut().zip(&expanded.last) {
            *state = xor(*state, load(&key.to_ne_bytes()));
        }
        for round in expanded.rounds.iter().rev() {
            for (state, key) in states.iter_mut().zip(round) {
                *state = decrypt_round(*state, inverse_mix(load(&key.to_ne_bytes())));
            }
        }
        for ((block, state), key) in blocks.iter_mut().zip(states).zip(&expanded.first) {
            *block = store(decrypt_last(state, load(&key.to_ne_bytes())));
        }
    }

    fn encrypt_chain<C: Chain>(keys: &RoundKeys<1>, chain: C) -> C::Output {
        chain.run(|block| {
            let mut one = [*block];
            encrypt(keys, &mut one);
            [*block] = one;
        })
    }

    fn expand_and_chain<C: Chain>(key: &Block, chain: C) -> C::Output {
        encrypt_chain(&expand(&[*key]), chain)
    }

        fn look_up_by_registers(table: &[u128; 16], [one, two, four, eight]: [u64; 4]) -> Block {
        let masks = [spread(one), spread(two), spread(four), spread(eight)];
        store(halve!(table, masks, load_number, choose))
    }

        #[inline]
    fn load_number(number: &u128) -> Register {
        load(&number.to_ne_bytes())
    }

        #[inline]
    fn choose(even: Register, odd: Register, mask: Register) -> Register {
        xor(even, and(xor(even, odd), mask))
    }

    // `expand`, `encrypt` and `decrypt` are inlined into other functions inside `with_aes!`. Code outside `with_aes!`
    // calls the functions below instead.
    fn expand_apart<const N: usize>(keys: &[Block; N]) -> RoundKeys<N> {
        expand(keys)
    }

    fn expand_for_decryption(key: &Block) -> RoundKeys<1> {
        let mut expanded = expand(&[*key]);
        invert(&mut expanded);
        expanded
    }

    fn inverted(keys: &RoundKeys<1>) -> RoundKeys<1> {
        let mut keys = keys.clone();
        invert(&mut keys);
        keys
    }

    fn encrypt_apart<const N: usize>(keys: &RoundKeys<N>, blocks: &mut [Block; N]) {
        encrypt(keys, blocks);
    }

    fn decrypt_apart(keys: &RoundKeys<1>, blocks: &mut [Block; 1]) {
        decrypt(keys, blocks);
    }
}

/// Returns `true` if it is faster to process several keys in parallel than one by one.
pub(crate) fn side_by_side() -> bool {
    available()
}

/// A key prepared for encryption.
pub(crate) enum Encryptor {
    /// The round keys for the AES instructions. Each variant `Hard` in this module is constructed only if the processor
    /// has these instructions.
    Hard(RoundKeys<1>),
    Soft(soft::Encryptor),
}

/// A key prepared for decryption.
pub(crate) enum Decryptor {
    Hard(RoundKeys<1>),
    Soft(soft::Decryptor),
}

impl Encryptor {
    pub(crate) fn new(key: &Block) -> Self {
        if available() {
            // SAFETY: `available` has checked that the processor has the AES instructions.
            Self::Hard(unsafe { expand_apart(&[*key]) })
        } else {
            Self::Soft(soft::Encryptor::new(key))
        }
    }
}

impl BlockEncrypt for Encryptor {
    fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Hard(keys) => {
                let mut one = [*block];
                // SAFETY: a `Hard` is constructed only if the processor has the AES instructions.
                unsafe { encrypt_apart(keys, &mut one) };
                [*block] = one;
            }
            Self::Soft(key) => key.encrypt(block),
        }
    }

    fn chain<C: Chain>(&self, chain: C) -> C::Output {
        match self {
            // SAFETY: a `Hard` is constructed only if the processor has the AES instructions.
            Self::Hard(keys) => unsafe { encrypt_chain(keys, chain) },
            Self::Soft(key) => key.chain(chain),
        }
    }
}

impl Decryptor {
    pub(crate) fn new(key: &Block) -> Self {
        if available() {
            // SAFETY: `available` has checked that the processor has the AES instructions.
            Self::Hard(unsafe { expand_for_decryption(key) })
        } else {
            Self::Soft(soft::Decryptor::new(key))
        }
    }

    pub(crate) fn decrypt(&self, block: &mut Block) {
        match self {
            Self::Hard(keys) => {
                let mut one = [*block];
                // SAFETY: a `Hard` is constructed only if the processor has the AES instructions.
                unsafe { decrypt_apart(keys, &mut one) };
                [*block] = one;
            }
            Self::Soft(key) => key.decrypt(block),
        }
    }
}

impl From<&Encryptor> for Decryptor {
    fn from(key: &Encryptor) -> Self {
        match key {
            // SAFETY: a `Hard` is constructed only if the processor has the AES instructions.
            Encryptor::Hard(keys) => Self::Hard(unsafe { inverted(keys) }),
            Encryptor::Soft(key) => Self::Soft(key.into()),
        }
    }
}

/// Returns the table entry for the low four bits of `index`. The function always reads all entries, so its memory
/// accesses do not depend on the index.
pub(crate) fn look_up(table: &[u128; 16], index: u8) -> Block {
    if available() {
        let masks = [mask(index, 0), mask(index, 1), mask(index, 2), mask(index, 3)];
        // SAFETY: `available` has checked that the processor has the AES instructions.
        unsafe { look_up_by_registers(table, masks) }
    } else {
        soft::look_up(table, index)
    }
}

/// Runs a computation with keys that are used once, and wipes what it leaves. With the AES instructions, the round keys
/// of such a key are in registers or wipe themselves, so nothing else is wiped.
pub(crate) fn wiping<T>(compute: impl FnOnce() -> T) -> T {
    if available() { compute() } else { on_wiped_stack(compute) }
}

/// Runs one chain of encryptions under a key. The round keys are computed for this call only.
pub(crate) fn chain_once<C: Chain>(key: &Block, chain: C) -> C::Output {
    if available() {
        // SAFETY: `available` has checked that the processor has the AES instructions.
        unsafe { expand_and_chain(key, chain) }
    } else {
        soft::chain_once(key, chain)
    }
}

/// Encrypts the blocks in `blocks[i]` under `keys[i]`. The round keys are computed for this call only.
pub(crate) fn encrypt_by_each<const N: usize, const M: usize>(keys: &[Block; N], blocks: &mut [[Block; M]; N]) {
    if available() {
        #[cfg(target_arch = "x86_64")]
        if let (Ok(keys), Ok(blocks)) = (keys.as_slice().try_into(), blocks.as_mut_slice().try_into())
            && vaes::available()
        {
            // SAFETY: `vaes::available` has checked that the processor has VAES.
            return unsafe { vaes::expand_and_encrypt(keys, blocks) };
        }
        // SAFETY: `available` has checked that the processor has the AES instructions.
        unsafe { expand_and_encrypt(keys, blocks) }
    } else {
        soft::encrypt_by_each(keys, blocks);
    }
}

/// Decrypts the block `blocks[i]` under `keys[i]`. The round keys are computed for this call only.
pub(crate) fn decrypt_by_each<const N: usize>(keys: &[Block; N], blocks: &mut [Block; N]) {
    if available() {
        #[cfg(target_arch = "x86_64")]
        if let (Ok(keys), Ok(blocks)) = (keys.as_slice().try_into(), blocks.as_mut_slice().try_into())
            && vaes::available()
        {
            // SAFETY: `vaes::available` has checked that the processor has VAES.
            return unsafe { vaes::expand_and_decrypt(keys, blocks) };
        }
        // SAFETY: `available` has checked that the processor has the AES instructions.
        unsafe { expand_and_decrypt(keys, blocks) }
    } else {
        soft::decrypt_by_each(keys, blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The environment variable `SUNTAP_WANTS` names the instructions that a test run must cover. Without this check, a
    /// run could pass on a machine that does not have these instructions.
    #[test]
    fn required_instructions_are_available() {
        let wanted = std::env::var("SUNTAP_WANTS").unwrap_or_default();
        for wanted in wanted.split_whitespace() {
            let is_covered = match wanted {
                "aes" => available(),
                "soft" => !available(),
                #[cfg(target_arch = "x86_64")]
                "vaes" => available() && vaes::available(),
                other => panic!("unknown instructions in SUNTAP_WANTS: {other}"),
            };
            assert!(is_covered, "{wanted}");
        }
    }
}
