//! What happens after a panic: the program stops. No panic returns or unwinds to the caller.

#![allow(unsafe_code, reason = "to stop needs a system call or an instruction")]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop()
}

/// Stops the program like a failed assertion in C.
#[cfg(not(target_os = "none"))]
fn stop() -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: `abort` of the C library has no preconditions.
    unsafe { abort() }
}

/// Executes an undefined instruction, so that the fault handler of the firmware runs.
#[cfg(all(target_os = "none", target_arch = "arm"))]
fn stop() -> ! {
    // SAFETY: the instruction raises a fault and does not return.
    unsafe { core::arch::asm!("udf #0", options(noreturn, nomem, nostack)) }
}

/// Waits for the watchdog.
#[cfg(all(target_os = "none", not(target_arch = "arm")))]
fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
