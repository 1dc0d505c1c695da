//! Holds one guest computation to its CPU budget and its wall deadline.
//!
//! A guest yields at every tick (see `ticker`), so a poll is short and the time spent in polls is the CPU time
//! of the guest and of the host functions that it called, without what it waited for. While a call is short, the
//! time of a poll is read off the clock, which costs next to nothing, and counts for no more than makes the call a long
//! one: the processor may have been away meanwhile. From then on polls are timed by the thread's own CPU clock: a call
//! pays for what it used.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// The bounds of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) deadline: Instant,
    pub(crate) cpu: Duration,
}

/// Which bound ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overrun {
    Deadline,
    Cpu,
}

/// What came of a call, and what it cost.
#[derive(Debug)]
pub(crate) struct Measured<T> {
    pub(crate) result: T,
    /// CPU time.
    pub(crate) spent: Duration,
}

/// A future that is dropped, and with it the guest, when its budget is spent.
pub(crate) struct Metered<F> {
    future: Pin<Box<F>>,
    budget: Budget,
    spent: Duration,
    /// Made when the future waits for the first time: most calls never do.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<F> Metered<F> {
    pub(crate) fn new(future: F, budget: Budget) -> Self {
        Self { future: Box::pin(future), budget, spent: Duration::ZERO, alarm: None }
    }

    /// Returns the CPU time used so far.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }
}

thread_local! {
    /// Whether the future that was polled last waits in [`uncut`]. Set and read within one poll of a [`Metered`].
    static IS_UNCUT: Cell<bool> = const { Cell::new(false) };
}

/// Waits for `future` whatever is left of the budget of the [`Metered`] around it.
///
/// For what cannot be called back: the call must hear how it ended. `future` needs a bound of its own.
pub(crate) async fn uncut<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let poll = |context: &mut Context<'_>| {
        let polled = future.as_mut().poll(context);
        IS_UNCUT.set(polled.is_pending());
        polled
    };
    poll_fn(poll).await
}

/// CPU time after which a call is long.
pub(crate) const SHORT: Duration = Duration::from_millis(2);

/// Times one poll.
enum Stopwatch {
    Clock(Instant),
    Thread(Duration),
}

impl Stopwatch {
    fn start(spent: Duration) -> Self {
        if spent < SHORT { Self::Clock(Instant::now()) } else { Self::Thread(thread_cpu_time()) }
    }

    fn elapsed(self) -> Duration {
        match self {
            Self::Clock(started) => started.elapsed().min(SHORT),
            Self::Thread(started) => thread_cpu_time().saturating_sub(started),
        }
    }
}

/// Returns the CPU time that the calling thread has used (clock_gettime(2)).
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl<F: Future> Future for Metered<F> {
    type Output = Measured<Result<F::Output, Overrun>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let measured = |result, spent| Poll::Ready(Measured { result, spent });
        let stopwatch = Stopwatch::start(this.spent);
        IS_UNCUT.set(false);
        let polled = this.future.as_mut().poll(context);
        this.spent += stopwatch.elapsed();
        if let Poll::Ready(output) = polled {
            return measured(Ok(output), this.spent);
        }
        if IS_UNCUT.get() {
            return Poll::Pending;
        }
        if this.spent >= this.budget.cpu {
            return measured(Err(Overrun::Cpu), this.spent);
        }
        let deadline = this.budget.deadline;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(alarm.as_mut().poll(context));
        measured(Err(Overrun::Deadline), this.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(wall: Duration, cpu: Duration) -> Budget {
        Budget { deadline: Instant::now() + wall, cpu }
    }

    #[tokio::test]
    async fn lets_a_quick_future_through() {
        let metered = Metered::new(async { 7 }, budget(Duration::from_secs(1), Duration::from_secs(1)));
        assert_eq!(metered.await.result, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_future_that_waits_past_its_deadline() {
        let waiting = std::future::pending::<()>();
        let metered = Metered::new(waiting, budget(Duration::from_secs(3), Duration::from_secs(1)));
        assert_eq!(metered.await.result, Err(Overrun::Deadline));
    }

    /// Keeps the processor busy.
    fn compute(time: Duration) {
        let started = thread_cpu_time();
        while thread_cpu_time() - started < time {}
    }

    #[tokio::test]
    async fn a_long_call_does_not_pay_for_time_without_the_processor() {
        let stopwatch = Stopwatch::start(SHORT);
        std::thread::sleep(Duration::from_millis(20));
        compute(Duration::from_millis(1));
        assert!((Duration::from_millis(1)..Duration::from_millis(15)).contains(&stopwatch.elapsed()));
    }

    #[tokio::test]
    async fn no_call_pays_its_budget_for_one_time_without_the_processor() {
        let waiting = async {
            std::thread::sleep(Duration::from_millis(50));
            tokio::task::yield_now().await;
            7
        };
        let ended = Metered::new(waiting, budget(Duration::from_secs(60), Duration::from_millis(20))).await;
        assert_eq!(ended.result, Ok(7));
        assert!((SHORT..Duration::from_millis(20)).contains(&ended.spent), "{:?}", ended.spent);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_past_the_deadline_for_what_cannot_be_called_back() {
        let waiting = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            uncut(tokio::time::sleep(Duration::from_secs(9))).await;
            7
        };
        let metered = Metered::new(waiting, budget(Duration::from_secs(3), Duration::from_secs(1)));
        assert_eq!(metered.await.result, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_again_afterwards() {
        let waiting = async {
            uncut(tokio::time::sleep(Duration::from_secs(9))).await;
            std::future::pending::<()>().await;
        };
        let started = Instant::now();
        let metered = Metered::new(waiting, budget(Duration::from_secs(3), Duration::from_secs(1)));
        assert_eq!(metered.await.result, Err(Overrun::Deadline));
        assert_eq!(started.elapsed(), Duration::from_secs(9));
    }

    #[tokio::test]
    async fn ends_a_future_that_computes_past_its_budget() {
        let computing = async {
            loop {
                compute(Duration::from_millis(1));
                tokio::task::yield_now().await;
            }
        };
        let metered = Metered::<_>::new(computing, budget(Duration::from_secs(60), Duration::from_millis(5)));
        let ended: Measured<Result<(), Overrun>> = metered.await;
        assert_eq!(ended.result, Err(Overrun::Cpu));
        assert!(ended.spent >= Duration::from_millis(5));
    }
}
