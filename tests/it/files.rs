//! Files that are no plugins, or not yet, or that are somebody's attempt to be one.

use std::{fs, io::Write as _, os::unix::fs::symlink};

use crate::harness::{Server, Setup, Stopwatch, check_neighbour, component, put_folder, wait_until, with_version};

/// Drops a file, and checks that it is refused with a reason and nothing else changes.
#[track_caller]
fn check_refused(bytes: &[u8], reason: &str) {
    let server = Server::start(&["hello"]);
    server.put("bad.wasm", bytes);
    let why = server.wait_for_refusal("bad.wasm");
    assert!(why.contains(reason), "{why}");
    check_neighbour(&server);
    // The same bytes in place of a good plugin replace nothing.
    server.put("hello.wasm", bytes);
    let why = server.wait_for_refusal("hello.wasm");
    assert!(why.contains(reason), "{why}");
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn refuses_files_that_end_too_early_once_nothing_more_comes() {
    let server = Server::start(&["hello", "versioned"]);
    let whole = component("panic");
    server.put("empty.wasm", b"");
    server.put("cut.wasm", &whole[..whole.len() / 2]);
    let broken = with_version("7.7.101");
    server.put("versioned.wasm", &broken[..broken.len() - 100]);
    for file in ["empty.wasm", "cut.wasm", "versioned.wasm"] {
        let reason = server.wait_for_refusal(file);
        assert!(reason.contains("ends too early"), "{reason}");
    }
    server.get("/versioned").check_text("version 7.7.100");
    check_neighbour(&server);
    // What was cut off is taken when it is whole.
    server.put("cut.wasm", &whole);
    server.wait_for_text("/panic/answer", "still here");
}

#[test]
fn refuses_random_bytes() {
    let random: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    check_refused(&random, "not WebAssembly");
}

#[test]
fn refuses_random_bytes_behind_the_right_start() {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend((0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8));
    check_refused(&bytes, "not a valid component");
}

#[test]
fn refuses_a_component_with_flipped_bits_or_runs_it_in_its_sandbox() {
    let server = Server::start(&["hello"]);
    let whole = component("panic");
    let files = (1..=8_usize).map(|seed| {
        let mut bytes = whole.clone();
        for n in 1..=16 {
            let at = (seed * 7919 * n * n) % bytes.len();
            bytes[at] ^= 1 << (n % 8);
        }
        let file = format!("flipped-{seed}.wasm");
        server.put(&file, &bytes);
        file
    });
    for file in files.collect::<Vec<_>>() {
        wait_until("the file to be decided on", || server.list().iter().any(|view| view["file"] == *file));
    }
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn refuses_a_core_module() {
    check_refused(b"\0asm\x01\0\0\0", "core module");
}

#[test]
fn refuses_a_component_without_a_manifest() {
    check_refused(b"\0asm\x0d\0\x01\0", "no manifest");
}

#[test]
fn refuses_a_file_that_is_too_large() {
    let setup = Setup::new().plugins(&["hello"]).config("[folder]\nfile_bytes_max = \"1MiB\"\n");
    let server = setup.start();
    server.put("large.wasm", &vec![0; (1 << 20) + 1]);
    let reason = server.wait_for_refusal("large.wasm");
    assert!(reason.contains("1048577") || reason.contains("MiB"), "{reason}");
    check_neighbour(&server);
}

#[test]
fn leaves_links_and_folders_and_other_names_alone() {
    let server = Server::start(&["hello"]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::write(elsewhere.path().join("panic.wasm"), component("panic")).expect("written");
    symlink(elsewhere.path().join("panic.wasm"), server.folder().join("panic.wasm")).expect("linked");
    symlink("/dev/zero", server.folder().join("endless.wasm")).expect("linked");
    put_folder(&server.folder().join("folder.wasm"));
    server.put(".hidden.wasm", &component("exit"));
    server.put("notes.txt", b"not a plugin");
    server.put("exit.wasm~", &component("exit"));
    // What comes later is seen after all of these.
    server.put("counter-fresh.wasm", &component("counter-fresh"));
    server.wait_for_text("/counter-fresh", "1");
    for path in ["/panic/answer", "/exit/abort"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn takes_a_file_that_grows_slowly_once_it_is_whole() {
    let server = Server::start(&["hello"]);
    let whole = component("panic");
    let mut file = fs::File::create(server.folder().join("panic.wasm")).expect("a file");
    for part in whole.chunks(whole.len() / 20) {
        file.write_all(part).expect("written");
        file.flush().expect("written");
        check_neighbour(&server);
    }
    drop(file);
    server.wait_for_text("/panic/answer", "still here");
    assert_eq!(server.get("/api/plugins/panic").json()["reason"], serde_json::Value::Null);
}

#[test]
fn takes_the_last_of_many_quick_replacements() {
    let server = Setup::new().start();
    for version in 101..=140 {
        server.put("versioned.wasm", &with_version(&format!("7.7.{version}")));
    }
    server.wait_for_text("/versioned", "version 7.7.140");
    let views = server.list();
    assert_eq!(views.len(), 1, "{views:?}");
}

#[test]
fn follows_a_file_that_is_replaced_ten_times_a_second() {
    let server = Setup::new().start();
    server.put("versioned.wasm", &with_version("7.7.200"));
    server.wait_for_text("/versioned", "version 7.7.200");
    let watch = Stopwatch::start();
    for version in 201..=230_u32 {
        wait_until("the next tenth of a second", || watch.elapsed().as_millis() >= u128::from(version - 200) * 100);
        server.put("versioned.wasm", &with_version(&format!("7.7.{version}")));
        let answer = server.get("/versioned");
        assert!(answer.status == 200 && answer.text().starts_with("version 7.7.2"), "{answer:?}");
    }
    server.wait_for_text("/versioned", "version 7.7.230");
    server.check_health();
}

#[test]
fn survives_a_folder_that_is_deleted_and_made_again() {
    let server = Server::start(&["hello"]);
    fs::remove_dir_all(server.folder()).expect("removed");
    put_folder(&server.folder());
    server.put("panic.wasm", &component("panic"));
    server.wait_for_text("/panic/answer", "still here");
    server.check_health();
}

#[test]
fn starts_without_a_folder_and_takes_it_when_it_comes() {
    let setup = Setup::new();
    fs::remove_dir(setup.folder()).expect("removed");
    let server = setup.start();
    put_folder(&server.folder());
    server.put("hello.wasm", &component("hello"));
    server.wait_for_text("/hello/Ada", r#"{"hello":"Ada"}"#);
}

#[test]
fn takes_a_file_by_polling_where_events_do_not_arrive() {
    let server = Setup::new().config("[folder]\nwatch = \"poll\"\npoll_interval = \"100ms\"\n").start();
    server.put("hello.wasm", &component("hello"));
    server.wait_for_text("/hello/Ada", r#"{"hello":"Ada"}"#);
}
