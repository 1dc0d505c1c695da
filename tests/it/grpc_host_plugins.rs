//! `backplane.v1.Plugins`: what an operator does with plugins over gRPC, and that HTTP tells the same.

use std::{
    fmt::Debug,
    io::{self, Cursor, Read},
    iter::repeat,
    thread,
};

use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::{StreamExt as _, iter, wrappers::ReceiverStream};
use tonic::{Code, Response, Status, Streaming};

use crate::harness::{
    Grpc, PATIENCE, Server, Setup, administrators_token, check_status,
    pb::{
        GetPluginRequest, ListVersionsRequest, Plugin, PluginState, RemovePluginRequest, RollbackPluginRequest,
        UploadHeader, UploadPluginRequest, UploadPluginResponse, WatchPluginsRequest, WatchPluginsResponse,
        upload_plugin_request::Part,
    },
    sha256, wait_for, wait_until, with_manifest, with_version,
};

/// Splits a component as a client does that does not know how long it is.
fn parts(file: &str, bytes: &[u8]) -> Vec<UploadPluginRequest> {
    let header = Part::Header(UploadHeader { file: file.to_owned() });
    let chunks = bytes.chunks(64 << 10).map(|chunk| Part::Chunk(chunk.to_vec()));
    [header].into_iter().chain(chunks).map(|part| UploadPluginRequest { part: Some(part) }).collect()
}

fn upload(grpc: &Grpc, file: &str, bytes: &[u8]) -> Result<Plugin, Status> {
    let answer = grpc.wait(grpc.plugins().upload(iter(parts(file, bytes))));
    answer.map(|answer| answer.into_inner().plugin.expect("a plugin"))
}

fn roll_back(grpc: &Grpc, name: &str, hash: &str) -> Result<Plugin, Status> {
    let request = RollbackPluginRequest { name: name.to_owned(), hash: hash.to_owned() };
    grpc.wait(grpc.plugins().rollback(request)).map(|answer| answer.into_inner().plugin.expect("a plugin"))
}

fn remove(grpc: &Grpc, name: &str) -> Result<String, Status> {
    let request = RemovePluginRequest { name: name.to_owned() };
    grpc.wait(grpc.plugins().remove(request)).map(|answer| answer.into_inner().file)
}

#[track_caller]
fn next<T: Debug>(grpc: &Grpc, stream: &mut Streaming<T>) -> Result<Option<T>, Status> {
    grpc.wait(async { tokio::time::timeout(PATIENCE, stream.message()).await }).expect("a message in time")
}

/// Begins an upload that ends when the sender of `begun` is gone. While it begins, what looks for a place may have the
/// one that it needs.
fn hold(
    grpc: &Grpc,
    parts: Vec<UploadPluginRequest>,
    begun: &watch::Receiver<()>,
) -> JoinHandle<Result<Response<UploadPluginResponse>, Status>> {
    let (mut plugins, begun) = (grpc.plugins(), begun.clone());
    grpc.spawn(async move {
        loop {
            let (sender, rest) = mpsc::channel(1);
            let mut begun = begun.clone();
            tokio::spawn(async move {
                let _over = begun.changed().await;
                drop(sender);
            });
            match plugins.upload(iter(parts.clone()).chain(ReceiverStream::new(rest))).await {
                Err(status) if status.code() == Code::Unavailable => {}
                answer => return answer,
            }
        }
    })
}

/// Returns whether there is a place for an upload. What asks is none.
fn has_place(grpc: &Grpc) -> bool {
    upload(grpc, "", b"").expect_err("nothing is no plugin").code() != Code::Unavailable
}

/// Returns how many files there are.
fn count_files(server: &Server) -> usize {
    std::fs::read_dir(server.folder()).expect("a folder").count()
}

#[test]
fn an_upload_is_live_when_it_is_answered() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let bytes = with_version("7.7.101");
    let plugin = upload(&grpc, "", &bytes).expect("live");
    assert_eq!((plugin.name.as_str(), plugin.state()), ("versioned", PluginState::Live));
    assert_eq!((plugin.hash, plugin.file.as_str()), (sha256(&bytes), "versioned.wasm"));
    server.get("/versioned").check_text("version 7.7.101");
    // The next one goes into the same file, and the one after it has a name of its own.
    let plugin = upload(&grpc, "", &with_version("7.7.102")).expect("live");
    assert_eq!((plugin.version.as_str(), plugin.file.as_str()), ("7.7.102", "versioned.wasm"));
    server.get("/versioned").check_text("version 7.7.102");
    // What is there already is live at once.
    assert_eq!(upload(&grpc, "", &with_version("7.7.102")).expect("live").version, "7.7.102");
    let files: Vec<_> = std::fs::read_dir(server.folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(files, ["versioned.wasm"]);
}

#[test]
fn an_upload_that_is_no_plugin_replaces_nothing() {
    let server = Server::start(&["versioned"]);
    let grpc = Grpc::connect(&server);
    let why = check_status(upload(&grpc, "", b"broken"), Code::InvalidArgument, "invalid_plugin");
    assert!(why.contains("not WebAssembly"), "{why}");
    let empty = with_manifest(
        r#"{"api": "1.0", "name": "versioned", "version": "9.0.0", "routes": [{"method": "GET", "path": "/"}]}"#,
    );
    check_status(upload(&grpc, "", &empty), Code::InvalidArgument, "invalid_plugin");
    server.get("/versioned").check_text("version 7.7.100");
    check_status(
        upload(&grpc, "../versioned.wasm", &with_version("7.7.101")),
        Code::InvalidArgument,
        "invalid_request",
    );
    let other = upload(&grpc, "versioned@2.wasm", &with_version("7.7.101"));
    let why = check_status(other, Code::InvalidArgument, "invalid_plugin");
    assert!(why.contains("already comes from `versioned.wasm`"), "{why}");
}

#[test]
fn an_upload_is_a_header_and_then_chunks_within_bounds() {
    let config = "[folder]\nremoval_grace = \"300ms\"\nfile_bytes_max = \"1MiB\"\n";
    let server = Setup::new().config(config).start();
    let grpc = Grpc::connect(&server);
    let send = |parts: Vec<UploadPluginRequest>| grpc.wait(grpc.plugins().upload(iter(parts)));
    let whole = parts("a.wasm", b"abc");
    let reversed = whole.iter().rev().cloned().collect();
    let twice = [whole.clone(), whole.clone()].concat();
    for parts in [Vec::new(), reversed, twice, vec![UploadPluginRequest { part: None }]] {
        check_status(send(parts), Code::InvalidArgument, "invalid_request");
    }
    check_status(send(parts("a.wasm", &vec![0; 2 << 20])), Code::ResourceExhausted, "payload_too_large");
    assert_eq!(std::fs::read_dir(server.folder()).expect("a folder").count(), 0);
}

#[test]
fn so_many_uploads_are_in_memory_and_no_more() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let bytes = with_version("7.7.101");
    let (over, begun) = watch::channel(());
    let waiting = [(); 2].map(|()| hold(&grpc, Vec::new(), &begun));
    let busy = wait_for("both to have a place", || {
        upload(&grpc, "", &bytes).err().filter(|status| status.code() == Code::Unavailable)
    });
    check_status(Err::<(), _>(busy), Code::Unavailable, "uploads_busy");
    drop(over);
    for upload in waiting {
        let answer = grpc.wait(upload).expect("it does not panic");
        check_status(answer, Code::InvalidArgument, "invalid_request");
    }
    assert_eq!(upload(&grpc, "", &bytes).expect("live").version, "7.7.101");
}

#[test]
fn what_ends_when_its_caller_is_no_administrator_any_more_is_no_upload() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let session = server.sign_up("second", "admin", "").access;
    let made = server.send_as(&session, "POST", "/api/api-keys", &json!({"name": "deploy", "scopes": []})).json();
    let key = made["key"].as_str().expect("a key");
    let [by_session, by_key] = [session.as_str(), key].map(|credential| Grpc::connect_with(&server, Some(credential)));
    let (over, begun) = watch::channel(());
    let parts = parts("", &with_version("7.7.101"));
    let [first, second] = [&by_session, &by_key].map(|grpc| hold(grpc, parts.clone(), &begun));
    wait_until("both to have a place", || !has_place(&grpc));
    server.change_user("second", &json!({"roles": ["clerk"]}));
    drop(over);
    // The token says what the account was; the key is good on, and opens less.
    let answer = by_session.wait(first).expect("it does not panic");
    check_status(answer, Code::Unauthenticated, "invalid_token");
    let answer = by_key.wait(second).expect("it does not panic");
    check_status(answer, Code::PermissionDenied, "forbidden");
    assert_eq!(count_files(&server), 0);
    let trail = server.get("/api/audit?action=plugin.upload&actor=second").json();
    let entries = trail["entries"].as_array().expect("entries");
    for result in ["invalid_token", "forbidden"] {
        assert!(entries.iter().any(|entry| entry["result"] == result), "{trail}");
    }
}

#[test]
fn an_upload_that_is_broken_off_changes_nothing() {
    let server = Setup::new().config("[http]\nbody_timeout = \"10m\"\n").start();
    let grpc = Grpc::connect(&server);
    let (_over, begun) = watch::channel(());
    let held = [(); 2].map(|()| hold(&grpc, parts("", &with_version("7.7.101")), &begun));
    wait_until("both to have a place", || !has_place(&grpc));
    for held in held {
        held.abort();
    }
    wait_until("a place", || has_place(&grpc));
    assert_eq!(count_files(&server), 0);
}

/// Nothing, until the other end of the channel is gone.
struct Silence(std::sync::mpsc::Receiver<()>);

impl Read for Silence {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _over = self.0.recv();
        Ok(0)
    }
}

/// Begins an upload that neither ends nor is given up, whatever the server says, until the returned value is dropped.
fn begin_and_leave(server: &Server, id: &str) -> std::sync::mpsc::Sender<()> {
    let (over, silence) = std::sync::mpsc::channel();
    let client = reqwest::blocking::Client::builder().tls_certs_only([]).http2_prior_knowledge().no_proxy();
    let client = client.timeout(2 * PATIENCE).build().expect("a client needs nothing");
    let request = client.post(format!("http://{}/backplane.v1.Plugins/Upload", server.address()));
    let request = request.bearer_auth(administrators_token()).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").header("grpc-timeout", "1S").header("x-request-id", id);
    // The head of a frame, which says that more follows.
    let body = Cursor::new([0_u8, 0, 0, 0, 9]).chain(Silence(silence));
    let request = request.body(reqwest::blocking::Body::new(body));
    thread::spawn(move || {
        let _cut_off = request.send();
    });
    over
}

#[test]
fn an_upload_gives_its_place_back_when_its_callers_time_is_over() {
    let config = "[http]\nbody_timeout = \"10m\"\n[log]\naccess = \"all\"\nformat = \"json\"\n";
    let server = Setup::new().config(config).start();
    let grpc = Grpc::connect(&server);
    let ids = ["held-1", "held-2"];
    let _held = ids.map(|id| begin_and_leave(&server, id));
    for id in ids {
        let line = server.wait_for_log(id);
        assert!(line.contains("\"grpc_status\":4"), "{line}");
    }
    wait_until("a place", || has_place(&grpc));
}

#[test]
fn chunks_without_bytes_do_not_keep_an_upload_waiting() {
    let server = Setup::new().config("[http]\nbody_timeout = \"500ms\"\n").start();
    let grpc = Grpc::connect(&server);
    let header = UploadPluginRequest { part: Some(Part::Header(UploadHeader::default())) };
    let nothing = UploadPluginRequest { part: Some(Part::Chunk(Vec::new())) };
    let answer = grpc.wait(grpc.plugins().upload(iter([header].into_iter().chain(repeat(nothing)))));
    check_status(answer, Code::DeadlineExceeded, "request_timeout");
}

#[test]
fn goes_back_to_an_earlier_version() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    for version in ["7.7.101", "7.7.102"] {
        upload(&grpc, "", &with_version(version)).expect("live");
    }
    let plugin = roll_back(&grpc, "versioned", "").expect("live");
    assert_eq!((plugin.version.as_str(), plugin.rolled_back), ("7.7.101", true));
    server.get("/versioned").check_text("version 7.7.101");
    let request = ListVersionsRequest { name: "versioned".to_owned() };
    let versions = grpc.wait(grpc.plugins().list_versions(request)).expect("an answer").into_inner().versions;
    let listed: Vec<_> = versions.iter().map(|version| (version.version.as_str(), version.live)).collect();
    assert_eq!(listed, [("7.7.102", false), ("7.7.101", true)]);
    assert!(versions.iter().all(|version| version.loaded_at.is_some_and(|at| at.seconds > 1_600_000_000)));
    assert_eq!(roll_back(&grpc, "versioned", &versions[0].hash).expect("live").version, "7.7.102");
    check_status(roll_back(&grpc, "none", ""), Code::NotFound, "unknown_plugin");
    check_status(roll_back(&grpc, "versioned", &"0".repeat(64)), Code::NotFound, "unknown_version");
    check_status(roll_back(&grpc, "versioned", "short"), Code::InvalidArgument, "invalid_request");
}

#[test]
fn a_plugin_that_is_removed_is_gone_when_it_is_answered() {
    let server = Server::start(&["versioned", "echo"]);
    let grpc = Grpc::connect(&server);
    assert_eq!(remove(&grpc, "versioned").expect("gone"), "versioned.wasm");
    assert_eq!(server.get("/versioned").status, 404);
    assert!(!server.folder().join("versioned.wasm").exists() && server.folder().join("echo.wasm").exists());
    check_status(remove(&grpc, "versioned"), Code::NotFound, "unknown_plugin");
    check_status(remove(&grpc, "../echo"), Code::NotFound, "unknown_plugin");
    server.put("broken.wasm", b"broken");
    server.wait_for_refusal("broken.wasm");
    assert_eq!(remove(&grpc, "broken").expect("gone"), "broken.wasm");
    let request = GetPluginRequest { name: "broken".to_owned() };
    check_status(grpc.wait(grpc.plugins().get(request)), Code::NotFound, "unknown_plugin");
}

#[test]
fn what_changes_is_sent_to_who_watches() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let request = WatchPluginsRequest { name: "versioned".to_owned() };
    let mut stream = grpc.wait(grpc.plugins().watch(request)).expect("a stream").into_inner();
    let first = next(&grpc, &mut stream).expect("a message");
    assert_eq!(first, Some(WatchPluginsResponse { plugins: Vec::new() }));
    upload(&grpc, "", &with_version("7.7.101")).expect("live");
    let mut until = |done: &dyn Fn(&[Plugin]) -> bool| loop {
        let message = next(&grpc, &mut stream).expect("a message").expect("no end");
        if done(&message.plugins) {
            return;
        }
    };
    until(&|plugins| matches!(plugins, [plugin] if plugin.state() == PluginState::Live && plugin.version == "7.7.101"));
    server.put("echo.wasm", &crate::harness::component("echo"));
    upload(&grpc, "", &with_version("7.7.102")).expect("live");
    until(&|plugins| plugins.iter().any(|plugin| plugin.version == "7.7.102" && plugin.state() == PluginState::Live));
    remove(&grpc, "versioned").expect("gone");
    until(&<[Plugin]>::is_empty);
    server.terminate();
    let end = loop {
        match next(&grpc, &mut stream) {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    check_status(end, Code::Unavailable, "shutting_down");
}

#[test]
fn every_change_is_in_the_audit_trail_done_or_refused() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    let clerk = server.sign_up("clerk", "clerk", "");
    upload(&grpc, "", &with_version("7.7.101")).expect("live");
    check_status(roll_back(&grpc, "versioned", ""), Code::FailedPrecondition, "no_earlier_version");
    remove(&grpc, "versioned").expect("gone");
    let clerk = Grpc::connect_with(&server, Some(&clerk.access));
    check_status(remove(&clerk, "versioned"), Code::PermissionDenied, "forbidden");
    let expected = [
        ("plugin.remove", "forbidden"),
        ("plugin.remove", "ok"),
        ("plugin.rollback", "no_earlier_version"),
        ("plugin.upload", "ok"),
    ];
    wait_until("four entries", || {
        let entries = server.get("/api/audit").json();
        let entries = entries["entries"].as_array().expect("entries").clone();
        let of_plugins =
            entries.iter().filter(|entry| entry["action"].as_str().is_some_and(|action| action.starts_with("plugin.")));
        let read = |entry: &serde_json::Value| {
            (entry["action"].as_str().map(str::to_owned), entry["result"].as_str().map(str::to_owned))
        };
        let found: Vec<_> = of_plugins.map(read).collect();
        found == expected.map(|(action, result)| (Some(action.to_owned()), Some(result.to_owned())))
    });
}

#[test]
fn dropped_streams_leave_no_trace() {
    let server = Server::start(&[]);
    let grpc = Grpc::connect(&server);
    // More than there are places for, one after the other and in bundles.
    for _ in 0..100 {
        grpc.wait(async {
            let mut streams = Vec::new();
            for _ in 0..50 {
                streams.push(grpc.plugins().watch(WatchPluginsRequest::default()).await.expect("a stream"));
            }
        });
    }
    let request = WatchPluginsRequest::default();
    let mut stream = grpc.wait(grpc.plugins().watch(request)).expect("a stream").into_inner();
    assert!(next(&grpc, &mut stream).expect("a message").is_some());
    server.check_health();
}
