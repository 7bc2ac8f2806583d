//! What is printed of a panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and returns `None` if it panics. Nothing is printed of a panic of this thread.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    // The hook is replaced only once. Two threads that replace it for a while could restore that of each other.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                print(panic);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    IS_QUIET.set(before);
    result
}

/// Writes panics to the log. The hook of the standard library would wait for standard error.
pub(crate) fn log() {
    set_hook(Box::new(|panic| {
        if !IS_QUIET.get() {
            tracing::error!("{}", panic.to_string().replace('\n', " "));
        }
    }));
}
