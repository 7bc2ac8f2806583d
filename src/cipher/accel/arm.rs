//! The AES instructions of ARMv8. These instructions add the round key before the substitution, but FIPS 197 adds the
//! round key at the end of a round. This module therefore passes a key of zeros to the instructions, and adds the round
//! key afterwards with an XOR.

#![allow(clippy::unused_self, reason = "`self` proves that the processor has the instructions")]

use core::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vbslq_u8, vdupq_n_u8, vdupq_n_u32, veorq_u8, vextq_u8,
    vld1q_u8, vmulq_u8, vqtbl1q_u8, vreinterpretq_u8_u32, vshlq_n_u8, vshrq_n_u8, vst1q_u8, vtstq_u8,
};

use super::vectors::Vectors;
use crate::cipher::block::Block;

cpufeatures::new!(detected, "aes");

/// Proves that the processor has the AES instructions.
#[derive(Clone, Copy)]
pub(crate) struct Hard(());

impl Hard {
    /// Returns `None` if the processor does not have the instructions.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        detected::get().then_some(Self(()))
    }

    /// Runs a computation that is compiled for the instructions.
    #[inline(always)]
    pub(super) fn run<T>(self, compute: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "aes")]
        fn run<T>(compute: impl FnOnce() -> T) -> T {
            compute()
        }

        // SAFETY: a `Hard` exists only if the processor has the AES instructions.
        unsafe { run(compute) }
    }

    #[inline(always)]
    pub(super) fn load(self, block: &Block) -> uint8x16_t {
        // SAFETY: the load reads only the 16 bytes of the block, and needs no alignment.
        unsafe { vld1q_u8(block.as_ptr()) }
    }

    #[inline(always)]
    pub(super) fn store(self, register: uint8x16_t) -> Block {
        let mut block = [0; 16];
        // SAFETY: the store writes only the 16 bytes of the block, and needs no alignment.
        unsafe { vst1q_u8(block.as_mut_ptr(), register) }
        block
    }
}

/// Uses instructions. The argument of the macro must be code in a method of `Hard`.
macro_rules! with_aes {
    ($code:expr) => {
        // SAFETY: a `Hard` exists only if the processor has the AES instructions.
        unsafe { $code }
    };
}

impl Vectors for Hard {
    type Register = uint8x16_t;

    #[inline(always)]
    fn spread(self, byte: u8) -> uint8x16_t {
        with_aes!(vdupq_n_u8(byte))
    }

    #[inline(always)]
    fn xor(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        with_aes!(veorq_u8(a, b))
    }

    #[inline(always)]
    fn encrypt_round(self, state: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        with_aes!(veorq_u8(vaesmcq_u8(vaeseq_u8(state, vdupq_n_u8(0))), key))
    }

    #[inline(always)]
    fn encrypt_last(self, state: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        with_aes!(veorq_u8(vaeseq_u8(state, vdupq_n_u8(0)), key))
    }

    #[inline(always)]
    fn decrypt_round(self, state: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        with_aes!(veorq_u8(vaesimcq_u8(vaesdq_u8(state, vdupq_n_u8(0))), key))
    }

    #[inline(always)]
    fn decrypt_last(self, state: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        with_aes!(veorq_u8(vaesdq_u8(state, vdupq_n_u8(0)), key))
    }

    #[inline(always)]
    fn inverse_mix(self, key: uint8x16_t) -> uint8x16_t {
        with_aes!(vaesimcq_u8(key))
    }

    #[inline(always)]
    fn next_round_key(self, key: uint8x16_t, constant: u32) -> uint8x16_t {
        with_aes!({
            let zero = vdupq_n_u8(0);
            // Rotates the last word of the key (RotWord), and copies the result into each column. The four bytes of the
            // constant, in little endian, are the indices of the bytes to copy.
            let rotated = vqtbl1q_u8(key, vreinterpretq_u8_u32(vdupq_n_u32(0x0C0F_0E0D)));
            let word = veorq_u8(vaeseq_u8(rotated, zero), vreinterpretq_u8_u32(vdupq_n_u32(constant)));
            let pairs = veorq_u8(key, vextq_u8::<12>(zero, key));
            let sums = veorq_u8(pairs, vextq_u8::<8>(zero, pairs));
            veorq_u8(sums, word)
        })
    }

    #[inline(always)]
    fn double_each(self, blocks: uint8x16_t) -> uint8x16_t {
        with_aes!({
            // The bit shifted out of each byte goes to the byte before it. The one shifted out of the first byte is
            // reduced to 87h in the last byte.
            let carries = vshrq_n_u8::<7>(blocks);
            let moved = vextq_u8::<1>(carries, vdupq_n_u8(0));
            let out = vextq_u8::<1>(vdupq_n_u8(0), carries);
            let reduced = vmulq_u8(out, vdupq_n_u8(0x87));
            veorq_u8(veorq_u8(vshlq_n_u8::<1>(blocks), moved), reduced)
        })
    }

    #[inline(always)]
    fn select_byte(self, blocks: uint8x16_t, index: u8) -> uint8x16_t {
        with_aes!(vqtbl1q_u8(blocks, vdupq_n_u8(index)))
    }

    #[inline(always)]
    fn high_nibbles(self, bytes: uint8x16_t) -> uint8x16_t {
        with_aes!(vshrq_n_u8::<4>(bytes))
    }

    /// All bits of each byte are the mask.
    #[inline(always)]
    fn masks(self, nibbles: uint8x16_t) -> [uint8x16_t; 4] {
        with_aes!({
            [
                vtstq_u8(nibbles, vdupq_n_u8(1)),
                vtstq_u8(nibbles, vdupq_n_u8(2)),
                vtstq_u8(nibbles, vdupq_n_u8(4)),
                vtstq_u8(nibbles, vdupq_n_u8(8)),
            ]
        })
    }

    #[inline(always)]
    fn choose(self, even: uint8x16_t, odd: uint8x16_t, mask: uint8x16_t) -> uint8x16_t {
        with_aes!(vbslq_u8(mask, odd, even))
    }
}
