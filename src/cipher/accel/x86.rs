//! Wraps the AES-NI instructions. The functions are compiled for AVX. AVX instructions have three operands, which saves
//! register copies.

use core::arch::x86_64::{
    __m128i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aesimc_si128,
    _mm_loadu_si128, _mm_set1_epi32, _mm_shuffle_epi8, _mm_slli_si128, _mm_storeu_si128, _mm_xor_si128,
};

use core::arch::x86_64::{_mm_and_si128, _mm_set1_epi64x};

use super::target::with_aes;
use crate::cipher::block::Block;

cpufeatures::new!(detected, "aes", "avx");

/// Returns `true` if the processor has the AES instructions.
pub(super) fn available() -> bool {
    detected::get()
}

pub(super) type Register = __m128i;

with_aes! {
    #[inline]
    pub(super) fn load(block: &Block) -> Register {
        // SAFETY: the load reads only the 16 bytes of the block, and needs no alignment.
        unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
    }

    #[inline]
    pub(super) fn store(register: Register) -> Block {
        let mut block = [0; 16];
        // SAFETY: the store writes only the 16 bytes of the block, and needs no alignment.
        unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), register) }
        block
    }

    #[inline]
    pub(super) fn xor(a: Register, b: Register) -> Register {
        _mm_xor_si128(a, b)
    }

        #[inline]
    pub(super) fn and(a: Register, b: Register) -> Register {
        _mm_and_si128(a, b)
    }

    /// Copies `half` into both halves of a register.
        #[inline]
    pub(super) fn spread(half: u64) -> Register {
        _mm_set1_epi64x(half.cast_signed())
    }

    #[inline]
    pub(super) fn encrypt_round(state: Register, key: Register) -> Register {
        _mm_aesenc_si128(state, key)
    }

    #[inline]
    pub(super) fn encrypt_last(state: Register, key: Register) -> Register {
        _mm_aesenclast_si128(state, key)
    }

    #[inline]
    pub(super) fn decrypt_round(state: Register, key: Register) -> Register {
        _mm_aesdec_si128(state, key)
    }

    #[inline]
    pub(super) fn decrypt_last(state: Register, key: Register) -> Register {
        _mm_aesdeclast_si128(state, key)
    }

    #[inline]
    pub(super) fn inverse_mix(key: Register) -> Register {
        _mm_aesimc_si128(key)
    }

    /// Computes the next round key. To compute SubWord, a step of the key schedule, this function uses the instruction
    /// for the last round of the cipher. The instruction also applies ShiftRows. The function passes four equal
    /// columns, and on these, ShiftRows has no effect. Source: FIPS 197 §5.2.
    #[inline]
    pub(super) fn next_round_key(key: Register, constant: u32) -> Register {
        // Rotates the last word of the key (RotWord), and copies the result into each column.
        let rotated = _mm_shuffle_epi8(key, _mm_set1_epi32(0x0C0F_0E0D));
        let word = _mm_aesenclast_si128(rotated, _mm_set1_epi32(constant.cast_signed()));
        let pairs = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
        let sums = _mm_xor_si128(pairs, _mm_slli_si128::<8>(pairs));
        _mm_xor_si128(sums, word)
    }
}
