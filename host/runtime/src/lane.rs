//! Keeps long computations out of the way of short ones.
//!
//! A call starts on the thread that read its request. One that has computed for longer than [`SHORT`] moves, as it
//! is, to a few threads of low scheduling priority: there it competes with other long calls, and the operating
//! system takes the processor away from it whenever a short one is ready. A call that is expected to be long
//! (see `pace`) starts there.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{runtime, task::JoinHandle};

use crate::meter::{Measured, Metered, Overrun, SHORT};

/// `nice` value of what may wait, long calls and compilers (setpriority(2)): about a tenth of a normal thread's weight.
pub(crate) const NICE: i32 = 10;

/// The threads for long calls, and for the work of loading plugins.
#[derive(Debug)]
pub(crate) struct SlowLane {
    runtime: Option<runtime::Runtime>,
}

impl SlowLane {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// When the system has no threads to give.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("slow-lane")
            .enable_all()
            .on_thread_start(lower_priority)
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    pub(crate) fn handle(&self) -> &runtime::Handle {
        self.runtime.as_ref().expect("the runtime is taken only in drop").handle()
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        // A runtime may be dropped on a thread of another one only when it does not wait for its tasks.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lower_priority() {
    // On Linux a thread has a priority of its own, and id 0 is the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "long calls run at normal priority");
    }
}

/// What happens to a call whose caller went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAbandon {
    /// It stops: nobody reads the answer, and it changes nothing.
    Cancel,
    /// It runs to its end: half of a change is worse than an answer that nobody reads.
    Finish,
}

/// The call ended without a result.
#[derive(Debug)]
pub(crate) enum CallEnded {
    /// Its budget was spent.
    Overrun(Overrun),
    /// A host function panicked, or the host is shutting down.
    Lost,
}

/// Runs one metered call, first here and then, when it is long, in the slow lane.
pub(crate) struct Steered<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    place: Place<F>,
    slow: runtime::Handle,
    on_abandon: OnAbandon,
}

enum Place<F: Future> {
    Here(Metered<F>),
    Slow(JoinHandle<Measured<Result<F::Output, Overrun>>>),
    Ended,
}

impl<F> Steered<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    /// Runs `call` here for as long as it is short.
    pub(crate) fn new(call: Metered<F>, slow: runtime::Handle, on_abandon: OnAbandon) -> Self {
        Self { place: Place::Here(call), slow, on_abandon }
    }

    /// Runs `call` in the slow lane from its beginning.
    pub(crate) fn slow(call: Metered<F>, slow: runtime::Handle, on_abandon: OnAbandon) -> Self {
        Self { place: Place::Slow(slow.spawn(call)), slow, on_abandon }
    }

    fn take_place(&mut self) -> Place<F> {
        std::mem::replace(&mut self.place, Place::Ended)
    }
}

impl<F> Future for Steered<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = Measured<Result<F::Output, CallEnded>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Place::Here(call) = &mut this.place {
            if let Poll::Ready(ended) = Pin::new(&mut *call).poll(context) {
                this.place = Place::Ended;
                return Poll::Ready(ended.into());
            }
            if call.spent() < SHORT {
                return Poll::Pending;
            }
            if let Place::Here(call) = this.take_place() {
                this.place = Place::Slow(this.slow.spawn(call));
            }
        }
        let lost = Measured { result: Err(CallEnded::Lost), spent: Duration::ZERO };
        let Place::Slow(task) = &mut this.place else { return Poll::Ready(lost) };
        let joined = ready!(Pin::new(task).poll(context));
        this.place = Place::Ended;
        Poll::Ready(joined.map_or(lost, Measured::into))
    }
}

impl<T> From<Measured<Result<T, Overrun>>> for Measured<Result<T, CallEnded>> {
    fn from(ended: Measured<Result<T, Overrun>>) -> Self {
        Self { result: ended.result.map_err(CallEnded::Overrun), spent: ended.spent }
    }
}

impl<F> Drop for Steered<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn drop(&mut self) {
        match (self.take_place(), self.on_abandon) {
            // A call that panicked cannot go on.
            (Place::Here(call), OnAbandon::Finish) if !std::thread::panicking() => drop(self.slow.spawn(call)),
            (Place::Slow(task), OnAbandon::Cancel) => task.abort(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::{sync::oneshot, time::Instant};

    use super::*;
    use crate::meter::Budget;

    fn metered<F: Future>(future: F) -> Metered<F> {
        let budget = Budget { deadline: Instant::now() + Duration::from_secs(10), cpu: Duration::from_secs(10) };
        Metered::new(future, budget)
    }

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    async fn compute(time: Duration) -> String {
        let started = Instant::now();
        while started.elapsed() < time {
            std::thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
        thread_name()
    }

    #[tokio::test]
    async fn a_short_call_stays_and_a_long_one_moves() {
        let lane = SlowLane::start(1).expect("a thread");
        let run = |time| Steered::new(metered(compute(time)), lane.handle().clone(), OnAbandon::Cancel);
        assert_eq!(run(Duration::ZERO).await.result.expect("ends"), thread_name());
        assert_eq!(run(Duration::from_millis(20)).await.result.expect("ends"), "slow-lane");
    }

    #[tokio::test]
    async fn a_call_can_start_in_the_slow_lane() {
        let lane = SlowLane::start(1).expect("a thread");
        let call = metered(compute(Duration::ZERO));
        let ended = Steered::slow(call, lane.handle().clone(), OnAbandon::Cancel).await;
        assert_eq!(ended.result.expect("ends"), "slow-lane");
    }

    #[tokio::test]
    async fn an_abandoned_call_stops_or_finishes_as_it_was_told() {
        let lane = SlowLane::start(1).expect("a thread");
        for (on_abandon, expected) in [(OnAbandon::Finish, true), (OnAbandon::Cancel, false)] {
            let finished = Arc::new(AtomicBool::new(false));
            let (release, released) = oneshot::channel::<()>();
            let (ended, end) = oneshot::channel::<()>();
            let call = {
                let finished = Arc::clone(&finished);
                async move {
                    let _ended = ended;
                    let _ = released.await;
                    finished.store(true, Ordering::SeqCst);
                }
            };
            let mut steered = Steered::new(metered(call), lane.handle().clone(), on_abandon);
            assert!(tokio::time::timeout(Duration::from_millis(1), &mut steered).await.is_err());
            drop(steered);
            let _ = release.send(());
            let _ = end.await;
            assert_eq!(finished.load(Ordering::SeqCst), expected, "{on_abandon:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_in_the_slow_lane_is_a_lost_call() {
        let lane = SlowLane::start(1).expect("a thread");
        let call = async {
            compute(Duration::from_millis(10)).await;
            std::panic::resume_unwind(Box::new("lost"));
        };
        let ended = Steered::<_>::new(metered(call), lane.handle().clone(), OnAbandon::Cancel).await;
        assert!(matches!(ended.result, Err::<(), _>(CallEnded::Lost)));
    }
}
