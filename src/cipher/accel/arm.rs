//! Wraps the AES instructions of ARMv8. These instructions add the round key before the substitution, but FIPS 197 adds
//! the round key at the end of a round. The wrappers therefore pass a key of zeros to the instructions, and add the
//! round key afterwards with an XOR.

use core::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vdupq_n_u8, vdupq_n_u32, veorq_u8, vextq_u8, vld1q_u8,
    vqtbl1q_u8, vreinterpretq_u8_u32, vst1q_u8,
};

use core::arch::aarch64::{vandq_u8, vdupq_n_u64, vreinterpretq_u8_u64};

use super::target::with_aes;
use crate::cipher::block::Block;

cpufeatures::new!(detected, "aes");

/// Returns `true` if the processor has the AES instructions.
pub(super) fn available() -> bool {
    detected::get()
}

pub(super) type Register = uint8x16_t;

with_aes! {
    #[inline]
    pub(super) fn load(block: &Block) -> Register {
        // SAFETY: the load reads only the 16 bytes of the block, and needs no alignment.
        unsafe { vld1q_u8(block.as_ptr()) }
    }

    #[inline]
    pub(super) fn store(register: Register) -> Block {
        let mut block = [0; 16];
        // SAFETY: the store writes only the 16 bytes of the block, and needs no alignment.
        unsafe { vst1q_u8(block.as_mut_ptr(), register) }
        block
    }

    #[inline]
    pub(super) fn xor(a: Register, b: Register) -> Register {
        veorq_u8(a, b)
    }

        #[inline]
    pub(super) fn and(a: Register, b: Register) -> Register {
        vandq_u8(a, b)
    }

    /// Copies `half` into both halves of a register.
        #[inline]
    pub(super) fn spread(half: u64) -> Register {
        vreinterpretq_u8_u64(vdupq_n_u64(half))
    }

    #[inline]
    pub(super) fn encrypt_round(state: Register, key: Register) -> Register {
        veorq_u8(vaesmcq_u8(vaeseq_u8(state, vdupq_n_u8(0))), key)
    }

    #[inline]
    pub(super) fn encrypt_last(state: Register, key: Register) -> Register {
        veorq_u8(vaeseq_u8(state, vdupq_n_u8(0)), key)
    }

    #[inline]
    pub(super) fn decrypt_round(state: Register, key: Register) -> Register {
        veorq_u8(vaesimcq_u8(vaesdq_u8(state, vdupq_n_u8(0))), key)
    }

    #[inline]
    pub(super) fn decrypt_last(state: Register, key: Register) -> Register {
        veorq_u8(vaesdq_u8(state, vdupq_n_u8(0)), key)
    }

    #[inline]
    pub(super) fn inverse_mix(key: Register) -> Register {
        vaesimcq_u8(key)
    }

    /// Computes the next round key. To compute SubWord, a step of the key schedule, this function uses the instruction
    /// for the last round of the cipher. The instruction also applies ShiftRows. ShiftRows changes nothing here,
    /// because the four columns that the instruction gets are equal. Source: FIPS 197 §5.2.
    #[inline]
    pub(super) fn next_round_key(key: Register, constant: u32) -> Register {
        let zero = vdupq_n_u8(0);
        // Rotates the last word of the key (RotWord), and copies the result into each column. The four bytes of the
        // constant, in little endian, are the indices of the bytes to copy.
        let last_word = vreinterpretq_u8_u32(vdupq_n_u32(0x0C0F_0E0D));
        let rotated = vqtbl1q_u8(key, last_word);
        let word = veorq_u8(vaeseq_u8(rotated, zero), vreinterpretq_u8_u32(vdupq_n_u32(constant)));
        let pairs = veorq_u8(key, vextq_u8::<12>(zero, key));
        let sums = veorq_u8(pairs, vextq_u8::<8>(zero, pairs));
        veorq_u8(sums, word)
    }
}
