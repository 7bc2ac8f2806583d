//! Runs async code with a blocking store. The same code therefore works for blocking and async stores.

/// Runs a future that waits only for a blocking store. The future is therefore never pending.
pub(crate) fn run_ready<F: Future>(future: F) -> F::Output {
    let mut future = core::pin::pin!(future);
    let waker = core::task::Waker::noop();
    loop {
        if let core::task::Poll::Ready(output) = future.as_mut().poll(&mut core::task::Context::from_waker(waker)) {
            return output;
        }
    }
}
