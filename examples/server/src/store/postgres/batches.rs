//! Collects calls while earlier calls are in progress, so that one statement serves many of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot::Sender;

/// Maximum number of calls in a batch.
const MAX: usize = 256;

/// Calls that wait for a task. A call that meets no other call is carried out at once, in a batch of its own.
pub(super) struct Batches<C> {
    state: Mutex<State<C>>,
    /// Maximum number of tasks.
    limit: usize,
}

struct State<C> {
    waiting: VecDeque<C>,
    tasks: usize,
}

/// A task that carries out batches.
struct Task<C> {
    batches: Arc<Batches<C>>,
    /// The task is counted in [`State::tasks`].
    is_counted: bool,
}

impl<C: Send + 'static> Batches<C> {
    /// Creates an empty collection. At most `limit` batches are carried out at the same time.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { waiting: VecDeque::new(), tasks: 0 }), limit })
    }

    /// Adds a call. `carry_out` gets batches with this call and others, each call once. It runs in a task of its own, so it does not
    /// end when one caller stops waiting.
    pub(super) fn add<F: Future<Output = ()> + Send>(
        self: &Arc<Self>,
        call: C,
        mut carry_out: impl FnMut(Vec<C>) -> F + Send + 'static,
    ) {
        let mut state = self.state();
        state.waiting.push_back(call);
        if state.tasks >= self.limit {
            return;
        }
        state.tasks = state.tasks.saturating_add(1);
        drop(state);
        let mut task = Task { batches: Arc::clone(self), is_counted: true };
        tokio::spawn(async move {
            while let Some(batch) = task.next() {
                carry_out(batch).await;
            }
        });
    }
}

/// Does the work of a batch. Gives it up, and returns `None`, when all callers have stopped waiting.
pub(super) async fn while_wanted<'a, T, A: 'a>(
    answers: impl IntoIterator<Item = &'a mut Sender<A>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let all_closed = async {
        for answer in answers {
            answer.closed().await;
        }
    };
    tokio::select! {
        biased;
        result = work => Some(result),
        () = all_closed => None,
    }
}

impl<C> Batches<C> {
    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Task<C> {
    /// Returns the next batch. If there is none, the task is over: a call that is added from now on starts another one.
    fn next(&mut self) -> Option<Vec<C>> {
        let mut state = self.batches.state();
        let count = state.waiting.len().min(MAX);
        let batch: Vec<C> = state.waiting.drain(..count).collect();
        if batch.is_empty() {
            state.tasks = state.tasks.saturating_sub(1);
            self.is_counted = false;
            return None;
        }
        Some(batch)
    }
}

/// Keeps the count right if a batch panics.
impl<C> Drop for Task<C> {
    fn drop(&mut self) {
        if self.is_counted {
            let mut state = self.batches.state();
            state.tasks = state.tasks.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    #[tokio::test]
    async fn calls_that_wait_share_a_batch() {
        let batches = Batches::new(1);
        let (first_may_end, (sizes, mut seen)) = (Arc::new(Semaphore::new(0)), mpsc::unbounded_channel());
        for call in 0..600 {
            let (first_may_end, sizes) = (Arc::clone(&first_may_end), sizes.clone());
            batches.add(call, move |batch: Vec<i32>| {
                let (first_may_end, sizes) = (Arc::clone(&first_may_end), sizes.clone());
                async move {
                    first_may_end.acquire().await.unwrap().forget();
                    sizes.send((batch[0], batch.len())).unwrap();
                }
            });
        }
        first_may_end.add_permits(10);
        let mut next = async || seen.recv().await.unwrap();
        assert_eq!([next().await, next().await, next().await], [(0, 256), (256, 256), (512, 88)]);
    }

    #[tokio::test]
    async fn a_panic_does_not_stop_later_calls() {
        let (batches, done) = (Batches::new(1), Arc::new(AtomicUsize::new(0)));
        let carry_out = |done: &Arc<AtomicUsize>| {
            let done = Arc::clone(done);
            move |batch: Vec<bool>| {
                let done = Arc::clone(&done);
                async move {
                    assert!(batch[0], "this panic is part of the test");
                    done.fetch_add(batch.len(), SeqCst);
                }
            }
        };
        batches.add(false, carry_out(&done));
        while batches.state().tasks > 0 {
            tokio::task::yield_now().await;
        }
        batches.add(true, carry_out(&done));
        while done.load(SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(batches.state().tasks, 0);
    }
}
