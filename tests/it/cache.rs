//! Compiled code on disk: a help, and never a condition.

use std::{fs, path::PathBuf};

use crate::harness::{Server, Setup, check_neighbour, component, put_folder};

/// Returns the files of compiled code below a server's data.
fn compiled(setup: &Setup) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![setup.data()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "cwasm") {
                found.push(entry);
            }
        }
    }
    found
}

#[test]
fn a_second_start_finds_the_code_of_the_first() {
    let setup = Server::start(&["hello"]).stop();
    let files = compiled(&setup);
    assert_eq!(files.len(), 1, "{files:?}");
    let before = fs::read(&files[0]).expect("read");
    let setup = {
        let server = setup.start();
        check_neighbour(&server);
        server.stop()
    };
    assert_eq!(fs::read(&files[0]).expect("read"), before);
    assert_eq!(compiled(&setup), files);
}

#[test]
fn code_that_was_changed_on_disk_is_not_run() {
    let setup = Server::start(&["hello"]).stop();
    let file = &compiled(&setup)[0];
    let mut code = fs::read(file).expect("read");
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(file, &code).expect("written");
    let server = setup.start();
    check_neighbour(&server);
    server.wait_for_log("changed on disk");
    assert_ne!(fs::read(&compiled(&server.stop())[0]).expect("read"), code);
}

#[test]
fn code_of_one_plugin_is_not_run_for_another() {
    let setup = Server::start(&["hello", "versioned"]).stop();
    let files = compiled(&setup);
    assert_eq!(files.len(), 2, "{files:?}");
    let (one, other) = (fs::read(&files[0]).expect("read"), fs::read(&files[1]).expect("read"));
    fs::write(&files[0], other).expect("written");
    fs::write(&files[1], one).expect("written");
    let server = setup.start();
    check_neighbour(&server);
    server.get("/versioned").check_text("version 7.7.100");
}

#[test]
fn a_cache_that_cannot_be_written_stops_no_plugin() {
    let setup = Server::start(&["hello"]).stop();
    let folder = compiled(&setup)[0].parent().expect("a folder").to_owned();
    let server = setup.start();
    // A file in its place refuses even those whom no permission stops.
    fs::remove_dir_all(&folder).expect("removed");
    fs::write(&folder, "in the way").expect("written");
    server.put("versioned.wasm", &component("versioned"));
    server.wait_for_text("/versioned", "version 7.7.100");
    check_neighbour(&server);
    server.check_health();
}

#[test]
fn a_lost_data_folder_costs_a_compilation_and_no_more() {
    let setup = Server::start(&["hello"]).stop();
    put_folder(&setup.data());
    check_neighbour(&setup.start());
}
