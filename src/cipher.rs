//! Implements AES, CMAC and the leakage-resilient primitive (LRP). A key can be prepared once and used for many
//! operations.

#[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod accel;
mod backend;
mod block;
mod cmac;
mod lanes;
#[cfg_attr(
    not(feature = "lrp"),
    allow(dead_code, unreachable_pub, reason = "its public functions are not exported then")
)]
pub mod lrp;
mod once;
mod soft;
mod suite;
mod wipe;

#[cfg(feature = "emulator")]
pub(crate) use backend::Encryptor;
pub(crate) use backend::side_by_side;
#[cfg(feature = "emulator")]
pub(crate) use block::BlockEncrypt;
#[cfg(feature = "token")]
pub(crate) use block::chunks_of;
pub(crate) use block::{Block, Chunk, LANES, chunks, padded};
pub(crate) use cmac::Cmac;
pub(crate) use lanes::decrypt_by_each;
pub(crate) use suite::{Chained, PiccCipher, PiccWire, Suite, SuiteCmac};
pub(crate) use wipe::{Secret, on_deep_wiped_stack};
