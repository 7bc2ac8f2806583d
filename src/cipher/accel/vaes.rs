//! VAES, which applies the AES instructions to two blocks in one register.

#![allow(clippy::unused_self, reason = "`self` proves that the processor has the instructions")]

use core::arch::x86_64::{
    __cpuid_count, __m128i, __m256i, _mm256_add_epi8, _mm256_aesdec_epi128, _mm256_aesdeclast_epi128,
    _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_blendv_epi8, _mm256_bslli_epi128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_xor_si256,
};
use core::sync::atomic::{AtomicU8, Ordering};

use super::vectors::{Vectors, lane_methods, look_up};
use super::x86::Hard;
use crate::cipher::block::{Block, LANES};
use crate::cipher::once::{Aes, LaneAes, Table};

// The `cpufeatures` crate detects VAES only together with AVX-512, but some processors have VAES without AVX-512.
// `available` therefore queries CPUID directly.
cpufeatures::new!(avx2, "avx2");

/// Returns `true` if the processor has VAES and the operating system supports the AVX registers. The result is cached,
/// because querying CPUID takes microseconds in a virtual machine.
fn available() -> bool {
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

/// Uses instructions. The argument of the macro must be code in a method of `Wide`.
macro_rules! with_vaes {
    ($code:expr) => {
        // SAFETY: a `Wide` exists only if the processor has VAES and AVX2.
        unsafe { $code }
    };
}

/// Proves that the processor has VAES and AVX2, and also AES-NI and AVX.
#[derive(Clone, Copy)]
pub(crate) struct Wide(Hard);

impl Wide {
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        Hard::detect().filter(|_| available()).map(Self)
    }

    #[inline(always)]
    fn join(self, low: __m128i, high: __m128i) -> __m256i {
        with_vaes!(_mm256_set_m128i(high, low))
    }

    #[inline(always)]
    fn split(self, pair: __m256i) -> [__m128i; 2] {
        with_vaes!([_mm256_castsi256_si128(pair), _mm256_extracti128_si256::<1>(pair)])
    }
}

impl Vectors for Wide {
    type Register = __m256i;

    #[inline(always)]
    fn spread(self, byte: u8) -> __m256i {
        with_vaes!(_mm256_set1_epi8(byte.cast_signed()))
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        with_vaes!(_mm256_xor_si256(a, b))
    }

    #[inline(always)]
    fn encrypt_round(self, state: __m256i, key: __m256i) -> __m256i {
        with_vaes!(_mm256_aesenc_epi128(state, key))
    }

    #[inline(always)]
    fn encrypt_last(self, state: __m256i, key: __m256i) -> __m256i {
        with_vaes!(_mm256_aesenclast_epi128(state, key))
    }

    #[inline(always)]
    fn decrypt_round(self, state: __m256i, key: __m256i) -> __m256i {
        with_vaes!(_mm256_aesdec_epi128(state, key))
    }

    #[inline(always)]
    fn decrypt_last(self, state: __m256i, key: __m256i) -> __m256i {
        with_vaes!(_mm256_aesdeclast_epi128(state, key))
    }

    /// VAES has no instruction for InvMixColumns. So this method applies the last encryption round and then a decryption
    /// round, both with a key of zeros. The decryption round undoes the encryption round, and then applies
    /// InvMixColumns.
    #[inline(always)]
    fn inverse_mix(self, key: __m256i) -> __m256i {
        with_vaes!({
            let zero = _mm256_setzero_si256();
            _mm256_aesdec_epi128(_mm256_aesenclast_epi128(key, zero), zero)
        })
    }

    #[inline(always)]
    fn next_round_key(self, key: __m256i, constant: u32) -> __m256i {
        with_vaes!({
            // Rotates the last word of each key (RotWord), and copies the result into each column.
            let rotated = _mm256_shuffle_epi8(key, _mm256_set1_epi32(0x0C0F_0E0D));
            let words = _mm256_aesenclast_epi128(rotated, _mm256_set1_epi32(constant.cast_signed()));
            let pairs = _mm256_xor_si256(key, _mm256_bslli_epi128::<4>(key));
            let sums = _mm256_xor_si256(pairs, _mm256_bslli_epi128::<8>(pairs));
            _mm256_xor_si256(sums, words)
        })
    }

    #[inline(always)]
    fn double_each(self, blocks: __m256i) -> __m256i {
        let [first, second] = self.split(blocks);
        self.join(self.0.double_each(first), self.0.double_each(second))
    }

    #[inline(always)]
    fn select_byte(self, blocks: __m256i, index: u8) -> __m256i {
        with_vaes!(_mm256_shuffle_epi8(blocks, _mm256_set1_epi8(index.cast_signed())))
    }

    #[inline(always)]
    fn high_nibbles(self, bytes: __m256i) -> __m256i {
        with_vaes!(_mm256_srli_epi16::<4>(bytes))
    }

    /// The highest bit of each byte is the mask.
    #[inline(always)]
    fn masks(self, nibbles: __m256i) -> [__m256i; 4] {
        with_vaes!({
            let eight = _mm256_slli_epi16::<4>(nibbles);
            let four = _mm256_add_epi8(eight, eight);
            let two = _mm256_add_epi8(four, four);
            [_mm256_add_epi8(two, two), two, four, eight]
        })
    }

    #[inline(always)]
    fn choose(self, even: __m256i, odd: __m256i, mask: __m256i) -> __m256i {
        with_vaes!(_mm256_blendv_epi8(even, odd, mask))
    }
}

impl Aes for Wide {
    #[inline(always)]
    fn within<T>(self, compute: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "vaes,avx2,aes")]
        fn run<T>(compute: impl FnOnce() -> T) -> T {
            compute()
        }

        with_vaes!(run(compute))
    }
}

impl LaneAes for Wide {
    type Lanes = [__m256i; LANES / 2];

    #[inline(always)]
    fn load_lanes(self, blocks: &[Block; LANES]) -> Self::Lanes {
        let mut lanes = [self.spread(0); LANES / 2];
        for (pair, [first, second]) in lanes.iter_mut().zip(blocks.as_chunks().0) {
            *pair = self.join(self.0.load(first), self.0.load(second));
        }
        lanes
    }

    #[inline(always)]
    fn store_lanes(self, lanes: Self::Lanes) -> [Block; LANES] {
        let mut blocks = [[0; 16]; LANES];
        for (pair, blocks) in lanes.into_iter().zip(blocks.as_chunks_mut().0) {
            let [first, second] = self.split(pair);
            *blocks = [self.0.store(first), self.0.store(second)];
        }
        blocks
    }

    lane_methods!();

    #[inline(always)]
    fn look_up_lanes(self, table: &Table, mut numbers: Self::Lanes, byte: u8, low: bool) -> Self::Lanes {
        for (pair, number) in numbers.iter_mut().enumerate() {
            let bytes = self.select_byte(*number, byte);
            let nibbles = if low { bytes } else { self.high_nibbles(bytes) };
            let load = |row: &[Block; LANES]| match row.as_chunks().0.get(pair) {
                Some([first, second]) => self.join(self.0.load(first), self.0.load(second)),
                None => self.spread(0),
            };
            *number = look_up(self, table, nibbles, load);
        }
        numbers
    }
}
