//! Runs async code with a blocking counter store, so that blocking and async stores share one implementation.

/// Runs a future that waits only for a blocking counter store. A blocking store is never pending, so the loop ends
/// after the first poll.
pub(crate) fn run_ready<F: Future>(future: F) -> F::Output {
    let mut future = core::pin::pin!(future);
    let waker = core::task::Waker::noop();
    loop {
        if let core::task::Poll::Ready(output) = future.as_mut().poll(&mut core::task::Context::from_waker(waker)) {
            return output;
        }
    }
}
