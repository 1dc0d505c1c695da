//! What a call costs without HTTP: `cargo bench -p backplane-runtime -- COMPONENT...`.
//!
//! Each component must answer `GET` on its first route, with one parameter. Its calls come one after another on one
//! thread, and each is followed by the task that makes the next instance ready, as under load. `--seconds N` is how
//! long each component runs, 3 by default: more for a profiler.
//!
//! Compiling needs a process of its own: this program starts itself for it, as the server does.

use std::{
    env::args,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use backplane_runtime::{
    CallContext, CompileCommand, ContentHash, Generation, HostLimits, OnAbandon, PluginSettings, Request, Runtime,
    RuntimeOptions, Source, compile_component, describe,
};

const COMPILE: &str = "compile-component";
/// Calls between two looks at the clock.
const BATCH: u32 = 200;

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock that cannot be moved")]
fn clock() -> Instant {
    Instant::now()
}

fn main() {
    let arguments: Vec<String> = args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [command, memory, cpu] = arguments.as_slice()
        && command == COMPILE
    {
        let number = |text: &String| text.parse().expect("the runtime passes numbers");
        return compile_component(number(memory), number(cpu)).expect("compiles");
    }
    let at = arguments.iter().position(|argument| argument == "--seconds");
    let seconds = at.and_then(|at| arguments.get(at + 1)).map_or(3, |text| text.parse().expect("a number of seconds"));
    let files = arguments.iter().enumerate().filter(|(index, _)| at.is_none_or(|at| *index != at && *index != at + 1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    for (_, file) in files {
        runtime.block_on(measure(Path::new(file), Duration::from_secs(seconds)));
    }
}

async fn measure(file: &Path, time: Duration) {
    let generation = load(file).await;
    let mut batches = Vec::new();
    let end = clock() + time;
    while clock() < end {
        let begin = clock();
        for _ in 0..BATCH {
            call(&generation).await;
            // The task that gives the used instance back and makes the next one.
            tokio::task::yield_now().await;
        }
        batches.push(begin.elapsed() / BATCH);
    }
    batches.sort_unstable();
    let of = |part: usize| batches.get(batches.len() * part / 100).copied().unwrap_or_default().as_secs_f64() * 1e6;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    println!(
        "{name:<20} median {:>6.2} us a call, 10 % under {:>6.2} us, 10 % over {:>6.2} us",
        of(50),
        of(10),
        of(90)
    );
}

async fn load(file: &Path) -> Arc<Generation> {
    let bytes = std::fs::read(file).expect("the component can be read");
    let described = describe(&bytes, None).expect("a plugin");
    let source = Source { hash: ContentHash::of(&bytes), bytes: bytes.into(), sidecar: None };
    let options = RuntimeOptions {
        limits: HostLimits::default(),
        cache_directory: None,
        compile_command: CompileCommand { program: PathBuf::from("/proc/self/exe"), arguments: vec![COMPILE.into()] },
        threads: 2,
    };
    let runtime = Runtime::start(options).expect("starts");
    runtime.load(source, described.manifest, described.descriptors, PluginSettings::default()).await.expect("loads")
}

async fn call(generation: &Arc<Generation>) {
    let request = Request {
        route: 0,
        method: "GET".to_owned(),
        path: "/Ada".to_owned(),
        query: None,
        params: vec!["Ada".to_owned()],
        headers: Vec::new(),
        body: Vec::new(),
    };
    let context = CallContext {
        request_id: "0190f3c2-7b1a-7cc0-8000-000000000000".to_owned(),
        principal: None,
        trace_parent: None,
        deadline: tokio::time::Instant::now() + Duration::from_secs(10),
        keyspace: None,
    };
    let answer = generation.handle_http(request, context, OnAbandon::Cancel).await;
    assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
}
