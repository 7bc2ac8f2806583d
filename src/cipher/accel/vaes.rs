//! Uses VAES, which applies the AES instructions to two blocks in one register. VAES has no instruction for
//! InvMixColumns, so [`inverse_mix`] combines two other instructions.

use core::arch::x86_64::{
    __cpuid_count, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_aesdec_epi128, _mm256_aesdeclast_epi128,
    _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_bslli_epi128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_set_m128i, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_storeu_si256, _mm256_xor_si256,
};
use core::sync::atomic::{AtomicU8, Ordering};

use super::round_keys::{LAST_CONSTANT, ROUND_CONSTANTS, RoundKeys};
use crate::cipher::block::{Block, LANES};

// The `cpufeatures` crate detects VAES only together with AVX-512, but some processors have VAES without AVX-512.
// `available` therefore queries CPUID directly.
cpufeatures::new!(avx2, "avx2");

/// Returns `true` if the processor has VAES and the operating system supports the AVX registers. The result is cached,
/// because querying CPUID takes microseconds in a virtual machine.
pub(super) fn available() -> bool {
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);

    let known = ANSWER.load(Ordering::Relaxed);
    if known != UNKNOWN {
        return known == YES;
    }
    // CPUID leaf 7 exists on every processor with AVX2, because leaf 7 also reports AVX2. Source: Intel Software
    // Developer's Manual, CPUID.
    // SAFETY: every 64-bit x86 processor has CPUID.
    #[allow(unused_unsafe, reason = "newer compilers treat the call as safe")]
    let features = || unsafe { __cpuid_count(7, 0) }.ecx;
    let is_available = avx2::get() && features() >> 9 & 1 == 1;
    ANSWER.store(if is_available { YES } else { NO }, Ordering::Relaxed);
    is_available
}

const PAIRS: usize = LANES / 2;

type Pair = __m256i;

/// Like `with_aes`, but for VAES and AVX2.
macro_rules! with_vaes {
    ($($function:item)*) => {$(
        #[target_feature(enable = "vaes,avx2")]
        $function
    )*};
}

with_vaes! {
    #[inline]
    fn load(first: &Block, second: &Block) -> Pair {
        // SAFETY: each load reads only the 16 bytes of its block, and needs no alignment.
        unsafe { _mm256_set_m128i(_mm_loadu_si128(second.as_ptr().cast()), _mm_loadu_si128(first.as_ptr().cast())) }
    }

    #[inline]
    fn store(pair: Pair, first: &mut Block, second: &mut Block) {
        // SAFETY: each store writes only the 16 bytes of its block, and needs no alignment.
        unsafe {
            _mm_storeu_si128(first.as_mut_ptr().cast(), _mm256_castsi256_si128(pair));
            _mm_storeu_si128(second.as_mut_ptr().cast(), _mm256_extracti128_si256::<1>(pair));
        }
    }

    #[inline]
    fn next_round_keys(keys: Pair, constant: u32) -> Pair {
        let rotated = _mm256_shuffle_epi8(keys, _mm256_set1_epi32(0x0C0F_0E0D));
        let words = _mm256_aesenclast_epi128(rotated, _mm256_set1_epi32(constant.cast_signed()));
        let pairs = _mm256_xor_si256(keys, _mm256_bslli_epi128::<4>(keys));
        let sums = _mm256_xor_si256(pairs, _mm256_bslli_epi128::<8>(pairs));
        _mm256_xor_si256(sums, words)
    }

    /// Computes InvMixColumns. The function applies the last encryption round and then a decryption round, both with a
    /// key of zeros. The decryption round undoes the encryption round, and then applies InvMixColumns.
    #[inline]
    fn inverse_mix(keys: Pair) -> Pair {
        let zero = _mm256_setzero_si256();
        _mm256_aesdec_epi128(_mm256_aesenclast_epi128(keys, zero), zero)
    }

    /// Like [`expand_and_encrypt`](super::expand_and_encrypt), but with VAES.
    pub(super) fn expand_and_encrypt<const M: usize>(keys: &[Block; LANES], blocks: &mut [[Block; M]; LANES]) {
        let mut keys = load_keys(keys);
        let mut states = [[_mm256_setzero_si256(); M]; PAIRS];
        for ((states, key), [first, second]) in states.iter_mut().zip(&keys).zip(blocks.as_chunks().0) {
            for ((state, first), second) in states.iter_mut().zip(first).zip(second) {
                *state = _mm256_xor_si256(load(first, second), *key);
            }
        }
        for constant in ROUND_CONSTANTS {
            for (states, key) in states.iter_mut().zip(&mut keys) {
                *key = next_round_keys(*key, constant);
                for state in states {
                    *state = _mm256_aesenc_epi128(*state, *key);
                }
            }
        }
        for ((states, key), [first, second]) in states.iter_mut().zip(keys).zip(blocks.as_chunks_mut().0) {
            let key = next_round_keys(key, LAST_CONSTANT);
            for ((state, first), second) in states.iter_mut().zip(first).zip(second) {
                store(_mm256_aesenclast_epi128(*state, key), first, second);
            }
        }
    }

    /// Like [`expand_and_decrypt`](super::expand_and_decrypt), but with VAES.
    pub(super) fn expand_and_decrypt(keys: &[Block; LANES], blocks: &mut [Block; LANES]) {
        let first = load_keys(keys);
        let mut expanded = RoundKeys::<LANES>::none();
        let mut keys = first;
        for (round, constant) in expanded.rounds.iter_mut().zip(ROUND_CONSTANTS) {
            for (key, kept) in keys.iter_mut().zip(round.as_chunks_mut().0) {
                *key = next_round_keys(*key, constant);
                store_numbers(*key, kept);
            }
        }
        let mut states = load_keys(blocks);
        for (state, key) in states.iter_mut().zip(keys) {
            *state = _mm256_xor_si256(*state, next_round_keys(key, LAST_CONSTANT));
        }
        for round in expanded.rounds.iter().rev() {
            for (state, kept) in states.iter_mut().zip(round.as_chunks().0) {
                *state = _mm256_aesdec_epi128(*state, inverse_mix(load_numbers(kept)));
            }
        }
        for ((state, key), [one, two]) in states.into_iter().zip(first).zip(blocks.as_chunks_mut().0) {
            store(_mm256_aesdeclast_epi128(state, key), one, two);
        }
    }

    #[inline]
    fn load_keys(keys: &[Block; LANES]) -> [Pair; PAIRS] {
        let mut pairs = [_mm256_setzero_si256(); PAIRS];
        for (pair, [first, second]) in pairs.iter_mut().zip(keys.as_chunks().0) {
            *pair = load(first, second);
        }
        pairs
    }

    #[inline]
    fn load_numbers(numbers: &[u128; 2]) -> Pair {
        // SAFETY: the load reads only the 32 bytes of the two numbers, and needs no alignment.
        unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
    }

    #[inline]
    fn store_numbers(pair: Pair, numbers: &mut [u128; 2]) {
        // SAFETY: the store writes only the 32 bytes of the two numbers, and needs no alignment.
        unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), pair) }
    }
}
