//! Defines the target features of functions that use the AES instructions.

/// Compiles functions with the target features for AES. A caller that is compiled without these features must first
/// make sure that the processor has the AES instructions.
macro_rules! with_aes {
    ($($function:item)*) => {$(
        #[cfg_attr(target_arch = "aarch64", target_feature(enable = "aes"))]
        #[cfg_attr(target_arch = "x86_64", target_feature(enable = "aes,avx"))]
        $function
    )*};
}
pub(super) use with_aes;
