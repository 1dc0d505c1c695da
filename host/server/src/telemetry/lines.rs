//! From whoever logs to the writer of the log: a bounded queue without locks, and a thread that takes from it.
//!
//! Nobody waits for the writer: neither a request, nor a guest that floods the log, nor one behind a terminal that
//! stands still. A line that does not fit is lost and counted.

use std::{
    io::{self, BufWriter, Write},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use backplane_events::{Consumer, Next, Producer, QueueLimits, queue};
use tokio::{sync::Notify, time::Instant};
use tracing_subscriber::fmt::MakeWriter;

/// What the queue holds.
const QUEUE: QueueLimits = QueueLimits { items: 8192, bytes: 16 << 20 };
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 << 10;
/// Between two lines about lines that were lost.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How long the end waits for the last lines.
const END_TIMEOUT: Duration = Duration::from_secs(1);

type Line = Box<[u8]>;

/// Where lines go. Cloning is cheap.
#[derive(Clone)]
pub struct Lines(Producer<Line>);

/// The thread that writes. Dropping it writes what waits, for a second at most.
#[derive(Debug)]
pub(super) struct LineWriter {
    stop: Arc<Notify>,
    ended: mpsc::Receiver<()>,
}

impl Lines {
    /// Starts a thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LineWriter)> {
        let (producer, lines) = queue(QUEUE);
        let stop = Arc::new(Notify::new());
        let (end, ended) = mpsc::sync_channel(1);
        let asked = Arc::clone(&stop);
        // It waits, and does nothing else of a runtime's.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            runtime.block_on(write_lines(lines, &asked, BufWriter::with_capacity(WRITE_BYTES, out)));
            let _gone = end.send(());
        })?;
        Ok((Self(producer), LineWriter { stop, ended }))
    }

    /// Returns how many lines were lost because the writer was behind.
    pub fn dropped(&self) -> u64 {
        self.0.counters().refused
    }
}

impl Write for Lines {
    /// Takes a line, whole or not at all.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _lost = self.0.push(line.into(), line.len());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.stop.notify_one();
        let _late = self.ended.recv_timeout(END_TIMEOUT);
    }
}

async fn write_lines(mut lines: Consumer<Line>, stop: &Notify, mut out: impl Write) {
    let mut losses = Losses::default();
    loop {
        tokio::select! {
            next = lines.next() => losses.take(&mut out, next),
            () = stop.notified() => break,
        }
        while let Some(next) = lines.try_next() {
            losses.take(&mut out, next);
        }
        // There is nowhere to complain to.
        let _failed = out.flush();
        losses.report();
    }
    while let Some(next) = lines.try_next() {
        losses.take(&mut out, next);
    }
    let _failed = out.flush();
}

/// Lines that were lost, and when that was said last.
#[derive(Default)]
struct Losses {
    unreported: u64,
    reported: Option<Instant>,
}

impl Losses {
    fn take(&mut self, out: &mut impl Write, next: Next<Line>) {
        match next {
            Next::Item(line) => {
                let _failed = out.write_all(&line);
            }
            Next::Lost(count) => self.unreported += count,
        }
    }

    /// Says how many lines were lost, once in a while. That line may be lost, too, and is counted then.
    fn report(&mut self) {
        let is_due = self.reported.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
        if self.unreported > 0 && is_due {
            self.reported = Some(Instant::now());
            let dropped = std::mem::take(&mut self.unreported);
            tracing::warn!(dropped, "lines of the log were dropped: more came than could be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A terminal: takes a line only when it is let.
    #[derive(Clone, Default)]
    struct Terminal {
        gate: Arc<Mutex<()>>,
        shown: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _gate = self.gate.lock().expect("no test panics while it writes");
            self.shown.lock().expect("no test panics while it writes").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_stands_still_holds_up_nobody_and_costs_lines_that_are_counted() {
        let terminal = Terminal::default();
        let (mut lines, writer) = Lines::start(terminal.clone()).expect("a thread starts");
        let gate = terminal.gate.lock().expect("no test panics while it writes");
        let wanted = 3 * QUEUE.items as u64;
        for _ in 0..wanted {
            lines.write_all(b"0123456\n").expect("nobody waits");
        }
        // The writer has taken what fits between the queue and the terminal, and no more.
        let held = (QUEUE.items + WRITE_BYTES / 8 + 1) as u64;
        let dropped = lines.dropped();
        assert!(dropped >= wanted - held, "{dropped} of {wanted} were dropped");
        drop(gate);
        drop(writer);
        let shown = terminal.shown.lock().expect("no test panics while it writes").len() as u64 / 8;
        assert_eq!(shown + lines.dropped(), wanted);
    }

    #[test]
    fn long_lines_are_bounded_in_bytes() {
        let terminal = Terminal::default();
        let (mut lines, writer) = Lines::start(terminal.clone()).expect("a thread starts");
        let gate = terminal.gate.lock().expect("no test panics while it writes");
        let line = vec![b'x'; 1 << 20];
        for _ in 0..32 {
            lines.write_all(&line).expect("nobody waits");
        }
        assert!(lines.dropped() >= 14, "{} of 32 MiB were dropped", lines.dropped());
        drop(gate);
        drop(writer);
    }
}
