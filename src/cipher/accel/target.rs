//! What functions that use the instructions are compiled for.

/// Functions that use the instructions. A caller without the same line has to be sure that the processor has them.
macro_rules! with_aes {
    ($($function:item)*) => {$(
        #[cfg_attr(target_arch = "aarch64", target_feature(enable = "aes"))]
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "aes,avx"))]
        $function
    )*};
}
pub(super) use with_aes;
