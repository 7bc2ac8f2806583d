//! The AES-NI instructions. They are compiled for AVX, whose instructions have three operands, which saves register
//! copies.

#![allow(clippy::unused_self, reason = "`self` proves that the processor has the instructions")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_add_epi64, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128,
    _mm_aesenclast_si128, _mm_aesimc_si128, _mm_and_si128, _mm_blendv_epi8, _mm_loadu_si128, _mm_set_epi64x,
    _mm_set1_epi8, _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_slli_epi16,
    _mm_slli_si128, _mm_srli_epi16, _mm_srli_epi64, _mm_storeu_si128, _mm_sub_epi64, _mm_xor_si128,
};

use super::vectors::Vectors;
use crate::cipher::block::Block;

cpufeatures::new!(detected, "aes", "avx");

/// Proves that the processor has AES-NI and AVX.
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
        #[target_feature(enable = "aes,avx")]
        fn run<T>(compute: impl FnOnce() -> T) -> T {
            compute()
        }

        // SAFETY: a `Hard` exists only if the processor has AES-NI and AVX.
        unsafe { run(compute) }
    }

    #[inline(always)]
    pub(super) fn load(self, block: &Block) -> __m128i {
        // SAFETY: the load reads only the 16 bytes of the block, and needs no alignment.
        unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(super) fn store(self, register: __m128i) -> Block {
        let mut block = [0; 16];
        // SAFETY: the store writes only the 16 bytes of the block, and needs no alignment.
        unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), register) }
        block
    }
}

/// Uses instructions. The argument of the macro must be code in a method of `Hard`.
macro_rules! with_aes {
    ($code:expr) => {
        // SAFETY: a `Hard` exists only if the processor has AES-NI and AVX.
        unsafe { $code }
    };
}

impl Vectors for Hard {
    type Register = __m128i;

    #[inline(always)]
    fn spread(self, byte: u8) -> __m128i {
        with_aes!(_mm_set1_epi8(byte.cast_signed()))
    }

    #[inline(always)]
    fn xor(self, a: __m128i, b: __m128i) -> __m128i {
        with_aes!(_mm_xor_si128(a, b))
    }

    #[inline(always)]
    fn encrypt_round(self, state: __m128i, key: __m128i) -> __m128i {
        with_aes!(_mm_aesenc_si128(state, key))
    }

    #[inline(always)]
    fn encrypt_last(self, state: __m128i, key: __m128i) -> __m128i {
        with_aes!(_mm_aesenclast_si128(state, key))
    }

    #[inline(always)]
    fn decrypt_round(self, state: __m128i, key: __m128i) -> __m128i {
        with_aes!(_mm_aesdec_si128(state, key))
    }

    #[inline(always)]
    fn decrypt_last(self, state: __m128i, key: __m128i) -> __m128i {
        with_aes!(_mm_aesdeclast_si128(state, key))
    }

    #[inline(always)]
    fn inverse_mix(self, key: __m128i) -> __m128i {
        with_aes!(_mm_aesimc_si128(key))
    }

    #[inline(always)]
    fn next_round_key(self, key: __m128i, constant: u32) -> __m128i {
        with_aes!({
            // Rotates the last word of the key (RotWord), and copies the result into each column.
            let rotated = _mm_shuffle_epi8(key, _mm_set1_epi32(0x0C0F_0E0D));
            let word = _mm_aesenclast_si128(rotated, _mm_set1_epi32(constant.cast_signed()));
            let pairs = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
            let sums = _mm_xor_si128(pairs, _mm_slli_si128::<8>(pairs));
            _mm_xor_si128(sums, word)
        })
    }

    #[inline(always)]
    fn double_each(self, blocks: __m128i) -> __m128i {
        with_aes!({
            let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0A0B_0C0D_0E0F);
            let number = _mm_shuffle_epi8(blocks, reverse);
            // The highest bit of each half. The halves are swapped, because the bit goes to the other half.
            let carries = _mm_shuffle_epi32::<0b0100_1110>(_mm_srli_epi64::<63>(number));
            // A carry from the low half is 1, and a carry out of the block is reduced to 87h.
            let reduced = _mm_and_si128(_mm_sub_epi64(_mm_setzero_si128(), carries), _mm_set_epi64x(1, 0x87));
            _mm_shuffle_epi8(_mm_xor_si128(_mm_add_epi64(number, number), reduced), reverse)
        })
    }

    #[inline(always)]
    fn select_byte(self, blocks: __m128i, index: u8) -> __m128i {
        with_aes!(_mm_shuffle_epi8(blocks, _mm_set1_epi8(index.cast_signed())))
    }

    #[inline(always)]
    fn high_nibbles(self, bytes: __m128i) -> __m128i {
        with_aes!(_mm_srli_epi16::<4>(bytes))
    }

    /// The highest bit of each byte is the mask.
    #[inline(always)]
    fn masks(self, nibbles: __m128i) -> [__m128i; 4] {
        with_aes!({
            let eight = _mm_slli_epi16::<4>(nibbles);
            let four = _mm_add_epi8(eight, eight);
            let two = _mm_add_epi8(four, four);
            [_mm_add_epi8(two, two), two, four, eight]
        })
    }

    #[inline(always)]
    fn choose(self, even: __m128i, odd: __m128i, mask: __m128i) -> __m128i {
        with_aes!(_mm_blendv_epi8(even, odd, mask))
    }
}
