//! Defines the 16-byte blocks of the cipher, which are plain byte arrays.

use core::hint::black_box;

use dbl::Dbl;

/// One block of the cipher, or one key.
pub(crate) type Block = [u8; 16];

/// The number of keys that are used in parallel.
pub(crate) const LANES: usize = 8;

/// Encrypts blocks under a fixed key. The CMAC of this crate uses this trait.
pub(crate) trait BlockEncrypt {
    fn encrypt(&self, block: &mut Block);

    /// Runs a sequence of encryptions in which each block depends on the previous result. If a cipher has a setup cost
    /// for each call, one chain is cheaper than separate calls of `encrypt`.
    fn chain<C: Chain>(&self, chain: C) -> C::Output {
        chain.run(|mut block| {
            self.encrypt(&mut block);
            block
        })
    }
}

/// A sequence of encryptions, which is run by [`BlockEncrypt::chain`].
pub(crate) trait Chain {
    type Output: Default;

    fn run(self, encrypt: impl Fn(Block) -> Block) -> Self::Output;
}

/// Returns the first `N` bytes of an iterator. If the iterator has fewer than `N` bytes, zeros are appended.
pub(crate) fn padded<const N: usize>(bytes: impl IntoIterator<Item = u8>) -> [u8; N] {
    let mut padded = [0; N];
    padded.iter_mut().zip(bytes).for_each(|(padded, byte)| *padded = byte);
    padded
}

/// Up to 16 bytes of a message. Each chunk of a message except the last one is full. A chunk is empty only if the whole
/// message is.
#[derive(Clone, Copy)]
pub(crate) struct Chunk {
    /// The bytes of the message, followed by zeros.
    pub(crate) block: Block,
    pub(crate) len: usize,
}

impl Chunk {
    pub(crate) const EMPTY: Self = Self { block: [0; 16], len: 0 };

    /// A chunk that is full.
    pub(crate) const fn whole(block: Block) -> Self {
        Self { block, len: 16 }
    }

    /// Returns the space that is not filled.
    pub(crate) fn free(&mut self) -> &mut [u8] {
        self.block.get_mut(self.len..).unwrap_or_default()
    }
}

/// Returns the bytes of the message.
#[cfg(feature = "ecdsa")]
impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.block.get(..self.len).unwrap_or_default()
    }
}

/// Splits a message into chunks.
#[inline]
pub(crate) fn chunks(mut message: impl Iterator<Item = u8>) -> impl Iterator<Item = Chunk> {
    core::iter::from_fn(move || {
        let mut chunk = Chunk::EMPTY;
        for (free, byte) in chunk.block.iter_mut().zip(&mut message) {
            *free = byte;
            chunk.len = chunk.len.saturating_add(1);
        }
        (chunk.len > 0).then_some(chunk)
    })
}

/// Splits a message that is in memory into chunks, which takes less time than [`chunks`].
#[cfg(feature = "token")]
pub(crate) fn chunks_of(message: &[u8]) -> impl Iterator<Item = Chunk> {
    message.chunks(16).map(|part| {
        let mut chunk = Chunk { len: part.len(), ..Chunk::EMPTY };
        if let Some(filled) = chunk.block.get_mut(..part.len()) {
            filled.copy_from_slice(part);
        }
        chunk
    })
}

#[inline]
pub(crate) fn xor(mut block: Block, other: Block) -> Block {
    block.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
    block
}

/// Doubles a block in GF(2^128) without branching on its value.
#[inline]
pub(super) fn double(block: Block) -> Block {
    aes::Block::from(block).dbl().into()
}

/// Returns a mask for the bit `bit` of `index`. If this bit is 1, all bits of the mask are 1. Otherwise, the mask is 0.
/// A lookup in a secret table uses masks to hide which entry is selected. `black_box` keeps the compiler from turning
/// the mask into a branch.
#[inline]
pub(super) fn mask(index: u8, bit: u8) -> u64 {
    black_box(0_u64.wrapping_sub((index >> bit & 1).into()))
}

/// Selects one of sixteen table entries. Each of the four masks halves the number of remaining entries. This code is a
/// macro, because a function might not be inlined into code that uses the processor's AES instructions.
macro_rules! halve {
    ($table:expr, $masks:expr, $load:expr, $choose:expr) => {{
        let (choose, load, [one, two, four, eight]) = ($choose, $load, $masks);
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf] = $table;
        let (t0, t1) = (choose(load(t0), load(t1), one), choose(load(t2), load(t3), one));
        let (t2, t3) = (choose(load(t4), load(t5), one), choose(load(t6), load(t7), one));
        let (t4, t5) = (choose(load(t8), load(t9), one), choose(load(ta), load(tb), one));
        let (t6, t7) = (choose(load(tc), load(td), one), choose(load(te), load(tf), one));
        let (t0, t1) = (choose(t0, t1, two), choose(t2, t3, two));
        let (t2, t3) = (choose(t4, t5, two), choose(t6, t7, two));
        choose(choose(t0, t1, four), choose(t2, t3, four), eight)
    }};
}
pub(super) use halve;
