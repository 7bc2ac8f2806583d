//! Runs async code with blocking stores, so that the same code works for both kinds of stores.

/// Runs a future that waits only for a blocking store. Such a future is never pending.
pub(crate) fn run_ready<F: Future>(future: F) -> F::Output {
    let mut future = core::pin::pin!(future);
    let waker = core::task::Waker::noop();
    loop {
        if let core::task::Poll::Ready(output) = future.as_mut().poll(&mut core::task::Context::from_waker(waker)) {
            return output;
        }
    }
}
