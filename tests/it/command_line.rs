//! The command line, as operators and authors use it.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    thread,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, getpriority_process, setpriority_process, waitid};
use serde_json::Value;

use crate::harness::{backplane, component, with_manifest};

#[track_caller]
fn run(folder: &Path, arguments: &[&str]) -> Output {
    backplane().args(arguments).current_dir(folder).output().expect("the program starts")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

#[test]
fn check_accepts_a_plugin_and_shows_what_it_answers() {
    let folder = folder();
    fs::write(folder.path().join("hello.wasm"), component("hello")).expect("written");
    let output = run(folder.path(), &["check", "hello.wasm"]);
    assert!(output.status.success(), "{}", text(&output));
    for part in ["hello", "0.1.0", "GET", "/hello/{name}"] {
        assert!(text(&output).contains(part), "no {part} in {}", text(&output));
    }
}

#[test]
fn check_prints_json_for_programs() {
    let folder = folder();
    fs::write(folder.path().join("hello.wasm"), component("hello")).expect("written");
    let output = run(folder.path(), &["check", "--json", "hello.wasm"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert!(output.status.success(), "{report}");
    assert_eq!((&report["name"], &report["version"]), (&"hello".into(), &"0.1.0".into()), "{report}");
    assert!(report["imports"].is_array() && report["routes"].is_array(), "{report}");
}

#[test]
fn check_refuses_what_the_server_would_refuse_with_the_same_reason() {
    let folder = folder();
    let future = with_manifest(r#"{"api":"9.0","name":"a","version":"1.0.0"}"#);
    let init = component("init-refuses");
    let sockets = component("sockets");
    for (bytes, reason) in [
        (&b"not wasm"[..], "not WebAssembly"),
        (b"\0asm\x01\0\0\0", "core module"),
        (&future, "needs host"),
        (&sockets, "wasi:sockets"),
        (&init, "the stars are not right"),
    ] {
        fs::write(folder.path().join("bad.wasm"), bytes).expect("written");
        for arguments in [&["check", "bad.wasm"][..], &["check", "--json", "bad.wasm"]] {
            let output = run(folder.path(), arguments);
            assert_eq!(output.status.code(), Some(1), "{}", text(&output));
            assert!(text(&output).contains(reason), "no `{reason}` in {}", text(&output));
        }
    }
}

#[test]
fn check_of_no_file_says_so() {
    let output = run(folder().path(), &["check", "nothing.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("nothing.wasm"), "{}", text(&output));
}

#[test]
fn serve_reports_every_mistake_in_its_configuration_at_once() {
    let folder = folder();
    let config = "lisen = \"127.0.0.1:1\"\n[http]\nheader_timout = \"1s\"\nbody_timeout = 5\n";
    fs::write(folder.path().join("backplane.toml"), config).expect("written");
    let output = run(folder.path(), &["serve"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    for part in ["lisen", "did you mean `listen`?", "header_timout", "http.body_timeout"] {
        assert!(text(&output).contains(part), "no {part} in {}", text(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was made before that");
}

#[test]
fn serve_says_when_its_address_is_taken() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = run(folder.path(), &["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&address), "{}", text(&output));
}

#[test]
fn config_prints_what_is_in_effect() {
    let folder = folder();
    fs::write(folder.path().join("backplane.toml"), "service = \"shop\"\n").expect("written");
    let output = run(folder.path(), &["config", "--listen", "127.0.0.1:9999"]);
    assert!(output.status.success(), "{}", text(&output));
    for part in ["service = \"shop\"", "listen = \"127.0.0.1:9999\""] {
        assert!(text(&output).contains(part), "no {part} in {}", text(&output));
    }
}

#[test]
fn a_new_plugin_builds_and_answers_as_it_stands() {
    let folder = folder();
    let output = run(folder.path(), &["new", "shop-orders"]);
    assert!(output.status.success(), "{}", text(&output));
    let server = crate::harness::Setup::new().start();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-plugin");
    let built = backplane()
        .args(["build", "--out"])
        .arg(server.folder())
        .current_dir(folder.path().join("shop-orders"))
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("the program starts");
    assert!(built.status.success(), "{}", text(&built));
    server.wait_for_status("/api/plugins/shop-orders", 200);
    let route = server.get("/api/plugins/shop-orders").json()["routes"][0].clone();
    let path = route["path"].as_str().expect("a path").replace("{name}", "Ada");
    assert_eq!(server.get(&path).status, 200, "{route}");
}

#[test]
fn new_leaves_a_folder_that_holds_something_alone() {
    let folder = folder();
    fs::create_dir(folder.path().join("mine")).expect("made");
    fs::write(folder.path().join("mine/notes.txt"), "mine").expect("written");
    let output = run(folder.path(), &["new", "mine"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(fs::read_dir(folder.path().join("mine")).expect("a folder").count(), 1);
}

/// The server starts it from a thread of low priority, from which it must not go down further.
#[test]
fn the_compiler_runs_at_the_same_low_priority_whoever_starts_it() {
    let from_thread_of_low_priority = || {
        setpriority_process(None, 10).expect("a thread can lower its priority");
        let mut compiler = backplane();
        compiler.args(["compile-component", "1000000000", "10"]).stdin(Stdio::null()).stderr(Stdio::null());
        let mut compiler = compiler.spawn().expect("the program starts");
        let id = Pid::from_child(&compiler);
        // What has ended is there until it is waited for.
        waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("it is a child of the test");
        let priority = getpriority_process(Some(id)).expect("each process has one");
        let status = compiler.wait().expect("it is a child of the test");
        assert!(!status.success(), "nothing is no component");
        priority
    };
    assert_eq!(thread::spawn(from_thread_of_low_priority).join().expect("the thread ends"), 10);
}
