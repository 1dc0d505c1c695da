//! Whole gRPC calls of a real guest (`grpc.wat`) on a keyspace in memory. What they share with requests is tested
//! there: `call/tests.rs`.

use super::*;
use crate::bindings::exports::backplane::plugin::grpc_handler::Status;

const ADD: u32 = 0;
const ECHO: u32 = 1;
const FAIL: u32 = 2;
const TRAP: u32 = 3;
const SPIN: u32 = 4;
const METADATA: u32 = 5;
const ADD_READ_ONLY: u32 = 6;
const NONE: u32 = 7;

static GUEST: LazyLock<Vec<u8>> = LazyLock::new(|| compile(include_str!("grpc.wat")));

/// Methods are counted through both services.
const SERVICES: &str = r#""routes":[{"method":"GET","path":"/"}],"grpc":[
    {"service":"a.S","methods":[{"name":"Add"},{"name":"Echo","transaction":"none"},{"name":"Fail"}]},
    {"service":"b.T","methods":[{"name":"Trap"},{"name":"Spin"},{"name":"Metadata","metadata":["x-tenant"]},
                                {"name":"AddReadOnly","transaction":"read"}]}]"#;

fn bench_of_guest(mode: InstanceMode, decisions: usize, limits: PluginLimits) -> Arc<Bench> {
    Arc::new(Bench::of(&GUEST, SERVICES, mode, MemoryKeyspace::start(decisions), limits))
}

impl Bench {
    async fn ask(&self, method: u32, message: &[u8]) -> Result<GrpcAnswer, InvokeError> {
        let metadata = vec![("x-tenant".to_owned(), "acme".to_owned())];
        let call = GrpcCall { method, metadata, message: message.to_vec() };
        self.generation.handle_grpc(call, self.context(PATIENCE), OnAbandon::Finish).await
    }

    async fn message(&self, method: u32, message: &[u8]) -> Vec<u8> {
        self.ask(method, message).await.expect("an answer").expect("a message")
    }

    fn start_asking(self: &Arc<Self>, method: u32) -> tokio::task::JoinHandle<Result<GrpcAnswer, InvokeError>> {
        let this = Arc::clone(self);
        tokio::spawn(async move { this.ask(method, b"").await })
    }
}

#[tokio::test]
async fn a_method_receives_what_it_asks_for_and_answers_bytes() {
    for mode in MODES {
        let bench = bench_of_guest(mode, 9, PluginLimits::default());
        assert_eq!(bench.message(ECHO, b"").await, b"", "{mode:?}");
        assert_eq!(bench.message(ECHO, &[0xff; 70_000]).await, [0xff; 70_000], "{mode:?}");
        assert_eq!(bench.message(METADATA, b"").await, b"acme", "{mode:?}");
        assert_eq!(bench.keyspace.handed_over(), 0);
        assert_eq!((bench.generation.counters().calls, bench.generation.counters().failures), (3, 0));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_message_leaves_after_its_commit() {
    let bench = bench_of_guest(InstanceMode::Fresh, 0, PluginLimits::default());
    let call = bench.start_asking(ADD);
    bench.keyspace.wait_for_commits(1).await;
    eventually(|| bench.generation.counters().running == 0).await;
    assert!(!call.is_finished() && bench.value().is_none());
    bench.keyspace.gate.add_permits(1);
    assert_eq!(call.await.expect("no panic").expect("an answer").expect("a message"), [1, 1]);
    assert_eq!(bench.value(), Some(1));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_conflict_runs_the_method_again_on_an_instance_that_never_ran() {
    for mode in MODES {
        let bench = bench_of_guest(mode, 9, PluginLimits::default());
        let second_call = if mode == InstanceMode::Reused { 2 } else { 1 };
        assert_eq!(bench.message(ADD, b"").await, [1, 1]);
        assert_eq!(bench.message(ADD, b"").await, [2, second_call], "{mode:?}");
        bench.keyspace.will_answer([CommitError::Conflict]);
        assert_eq!(bench.message(ADD, b"").await, [3, 1], "{mode:?}");
        assert_eq!((bench.keyspace.handed_over(), bench.value()), (4, Some(3)));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn methods_in_each_others_way_take_turns() {
    let bench = bench_of_guest(InstanceMode::Fresh, 0, PluginLimits::default());
    bench.make_contended(bench.generation.place_of_method(ADD));
    let first = bench.start_asking(ADD);
    bench.keyspace.wait_for_commits(1).await;
    let second = bench.start_asking(ADD);
    bench.keyspace.wait_for_commits(2).await;
    bench.keyspace.gate.add_permits(9);
    let mut values = Vec::new();
    for call in [first, second] {
        values.push(call.await.expect("no panic").expect("an answer").expect("a message")[0]);
    }
    assert_eq!((values, bench.keyspace.handed_over(), bench.value()), (vec![1, 2], 2, Some(2)));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_status_rolls_back_and_is_within_its_bounds() {
    let bench = bench_of_guest(InstanceMode::Fresh, 9, PluginLimits::default());
    let status = async |asked: &[u8]| {
        let Status { code, reason, message } = bench.ask(FAIL, asked).await.expect("an answer").expect_err("a status");
        (code, reason, message)
    };
    assert_eq!(status(b"\x05no_stock").await, (5, "no_stock".into(), "no_stock".into()));
    assert_eq!(status(b"\x01a").await.0, 1);
    assert_eq!(status(b"\x10a").await.0, 16);
    for code in [0, 17, 255] {
        assert_eq!(status(&[code, b'a']).await.0, 2, "{code}");
    }
    assert_eq!(status(b"\x03").await, (3, "plugin_error".into(), String::new()));
    let long = [b"\x03", "é".repeat(1000).as_bytes()].concat();
    assert_eq!(status(&long).await, (3, "plugin_error".into(), "é".repeat(512)));
    assert_eq!((bench.keyspace.handed_over(), bench.value()), (0, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_method_that_traps_or_spins_commits_nothing_and_goes_to_the_slow_lane() {
    let limits = PluginLimits { cpu: Duration::from_millis(20), ..PluginLimits::default() };
    for mode in MODES {
        let bench = bench_of_guest(mode, 9, limits.clone());
        for _ in 0..2 {
            assert!(matches!(bench.ask(TRAP, b"").await, Err(InvokeError::Trapped { .. })), "{mode:?}");
            assert!(matches!(bench.ask(SPIN, b"").await, Err(InvokeError::CpuExceeded)), "{mode:?}");
        }
        assert!(matches!(bench.ask(NONE, b"").await, Err(InvokeError::Trapped { .. })), "{mode:?}");
        let is_heavy = |place| bench.generation.pace.is_heavy(place);
        let places: Vec<_> = (0..9).filter(|place| is_heavy(*place)).collect();
        assert_eq!(places, [1 + TRAP, 1 + SPIN], "behind the one route, {mode:?}");
        assert_eq!(bench.message(ADD, b"").await, [1, 1], "{mode:?}");
        assert_eq!((bench.keyspace.handed_over(), bench.value()), (1, Some(1)));
        bench.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_method_that_may_only_read_writes_nothing() {
    let bench = bench_of_guest(InstanceMode::Fresh, 9, PluginLimits::default());
    assert_eq!(bench.message(ADD, b"").await, [1, 1]);
    assert_eq!(bench.message(ADD_READ_ONLY, b"").await, [2, 1]);
    assert_eq!((bench.keyspace.handed_over(), bench.value()), (1, Some(1)));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_not_committed() {
    let limits = PluginLimits { response_bytes_max: 1, ..PluginLimits::default() };
    let bench = bench_of_guest(InstanceMode::Fresh, 9, limits);
    let refused = bench.ask(ADD, b"").await;
    assert!(matches!(refused, Err(InvokeError::ResponseTooLarge { bytes: 2, bytes_max: 1 })));
    assert_eq!((bench.keyspace.handed_over(), bench.value()), (0, None));
    bench.comes_to_rest().await;
}

#[tokio::test]
async fn who_leaves_a_method_no_time_does_not_make_it_fail() {
    let limits = PluginLimits { timeout: Duration::from_millis(200), ..PluginLimits::default() };
    let mut keyspace = MemoryKeyspace::start(9);
    keyspace.readers = Arc::new(tokio::sync::Semaphore::new(0));
    let bench = Bench::of(&GUEST, SERVICES, InstanceMode::Fresh, keyspace, limits);
    let call = async |method, timeout| {
        let call = GrpcCall { method, metadata: Vec::new(), message: Vec::new() };
        bench.generation.handle_grpc(call, bench.context(Duration::from_millis(timeout)), OnAbandon::Finish).await
    };
    // It waits for the store in vain, which is nobody's fault, however much time there was.
    for timeout in [10, 10, 190] {
        assert!(matches!(call(ADD, timeout).await, Err(InvokeError::StateUnavailable(_))));
    }
    assert!(!bench.generation.pace.is_heavy(bench.generation.place_of_method(ADD)));
    for _ in 0..2 {
        assert!(matches!(call(SPIN, 20).await, Err(InvokeError::DeadlineExceeded)));
    }
    assert_eq!(bench.generation.counters().failures, 0);
    assert!(matches!(call(SPIN, 190).await, Err(InvokeError::DeadlineExceeded)));
    assert_eq!(bench.generation.counters().failures, 1);
    bench.comes_to_rest().await;
}
