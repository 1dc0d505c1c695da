//! What becomes of state when the disk, the database, the clock or another program does not do what it should.

use std::{fs, thread, time::Duration};

use serde_json::json;

use crate::harness::{Database, Preload, Server, Setup, Tmpfs, check_neighbour, component, put_folder, wait_until};

/// Checks that nothing can be written, which everybody is told, and everything can be read.
#[track_caller]
fn check_reads_only(server: &Server) {
    server.script(&json!([{"set": ["new", "1"]}])).check_problem(503, "state_unavailable");
    server.wait_for_status("/readyz", 503);
    server.get("/readyz").check_problem(503, "store_failing");
    assert_eq!(server.look(&json!([{"get": "old"}, {"get": "new"}])), json!(["1", null]));
    assert_eq!(server.get("/healthz").status, 200);
    check_neighbour(server);
}

/// Checks that the server found by itself that it can write again, and that nothing is there that it refused.
#[track_caller]
fn check_recovers(server: &Server) {
    server.wait_for_status("/readyz", 200);
    assert_eq!(server.script(&json!([{"set": ["newer", "1"]}])).status, 200);
    assert_eq!(server.look(&json!([{"get": "old"}, {"get": "new"}, {"get": "newer"}])), json!(["1", null, "1"]));
    server.check_health();
}

#[test]
fn a_disk_that_does_not_write_refuses_writes_and_serves_reads_until_it_does() {
    let disk = Preload::new();
    let server = Setup::new().plugins(&["script", "hello"]).preload(&disk).start();
    assert_eq!(server.script(&json!([{"set": ["old", "1"]}])).status, 200);
    for fail in [Preload::fail_writes, Preload::fail_syncs] {
        fail(&disk, true);
        check_reads_only(&server);
        fail(&disk, false);
        check_recovers(&server);
        assert_eq!(server.script(&json!([{"delete": "newer"}])).status, 200);
    }
    // What was refused does not come back from the log either.
    let server = server.kill().start();
    assert_eq!(server.look(&json!([{"get": "old"}, {"get": "new"}])), json!(["1", null]));
}

#[test]
fn a_write_that_was_refused_does_not_come_back_though_the_server_is_killed_at_once() {
    let disk = Preload::new();
    let server = Setup::new().plugins(&["script"]).preload(&disk).start();
    assert_eq!(server.script(&json!([{"set": ["old", "1"]}])).status, 200);
    disk.fail_syncs(true);
    server.script(&json!([{"set": ["new", "1"]}])).check_problem(503, "state_unavailable");
    let setup = server.kill();
    disk.fail_syncs(false);
    assert_eq!(setup.start().look(&json!([{"get": "old"}, {"get": "new"}])), json!(["1", null]));
}

#[test]
fn a_full_disk_refuses_writes_and_serves_reads_until_there_is_room() {
    let Some(disk) = Tmpfs::mount(64 << 20) else { return };
    let server = Setup::new().plugins(&["script", "hello"]).data_at(&disk.path().join("data")).start();
    assert_eq!(server.script(&json!([{"set": ["old", "1"]}])).status, 200);
    disk.fill();
    // What the log has room for is still written; a megabyte is more than that.
    wait_until("the disk to be full for the log too", || {
        server.script(&json!([{"fill": ["much", 1, 1 << 20]}])).status == 503
    });
    check_reads_only(&server);
    disk.empty();
    check_recovers(&server);
    let server = server.kill().start();
    check_recovers(&server);
    let setup = server.stop();
    Database::open(&setup.data()).check();
}

#[test]
fn a_full_disk_keeps_no_plugin_from_going_live_and_no_version_from_serving() {
    let Some(disk) = Tmpfs::mount(64 << 20) else { return };
    let server = Setup::new().plugins(&["hello"]).data_at(&disk.path().join("data")).start();
    disk.fill();
    server.put("versioned.wasm", &component("versioned"));
    server.wait_for_text("/versioned", "version 7.7.100");
    check_neighbour(&server);
    disk.empty();
    server.put("problems.wasm", &component("problems"));
    server.wait_for_status("/problems/418/teapot", 418);
    server.wait_for_status("/readyz", 200);
    server.check_health();
}

#[test]
fn a_data_folder_that_cannot_be_written_is_refused_at_the_start() {
    let setup = Setup::new();
    fs::write(setup.data(), "in the way").expect("written");
    let said = setup.refusal();
    assert!(said.contains(&*setup.data().to_string_lossy()), "{said}");
    let Some(disk) = Tmpfs::mount(16 << 20) else { return };
    disk.forbid_writing();
    let said = Setup::new().data_at(disk.path()).refusal();
    assert!(said.contains("cannot be written to"), "{said}");
}

/// Makes a server whose database holds something, and stops it.
fn used() -> Setup {
    let server = Server::start(&["script", "hello"]);
    assert_eq!(server.script(&json!([{"set": ["old", "1"]}])).status, 200);
    server.stop()
}

#[test]
fn a_write_waits_for_another_program_that_holds_the_lock_for_a_moment() {
    let server = Server::start(&["script"]);
    let mut other = Database::open(&server.data());
    other.run("BEGIN IMMEDIATE");
    thread::scope(|scope| {
        let write = scope.spawn(|| server.script(&json!([{"set": ["a", "1"]}, {"log": "wants to write"}])));
        server.wait_for_log("wants to write");
        other.run("COMMIT");
        assert_eq!(write.join().expect("a thread that answers").status, 200);
    });
    server.check_health();
}

#[test]
fn a_lock_that_another_program_keeps_refuses_writes_and_serves_reads_until_it_is_gone() {
    let server = used().start();
    let mut other = Database::open(&server.data());
    other.run("BEGIN IMMEDIATE");
    check_reads_only(&server);
    other.run("COMMIT");
    check_recovers(&server);
}

#[test]
fn what_another_program_writes_beside_the_server_is_seen_and_conflicts() {
    let server = used().start();
    let mut other = Database::open(&server.data());
    let steps = json!([{"get": "old"}, {"log": "has read"}, {"pause": 1_500_000}, {"add": ["old", 1]}]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.script(&steps));
        server.wait_for_log("has read");
        other.run(
            "BEGIN IMMEDIATE;
            UPDATE counters SET value = value + 1 WHERE name = 'sequence';
            UPDATE kv SET value = x'3431', version = (SELECT value FROM counters WHERE name = 'sequence')
                WHERE bucket = 'script' AND key = x'6f6c64';
            UPDATE usage SET bytes = bytes + 1;
            COMMIT",
        );
        let answer = slow.join().expect("a thread that answers");
        assert_eq!((answer.status, &answer.json()[3]), (200, &json!(42)), "{}", answer.text());
    });
    other.check();
}

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let setup = used();
    let file = setup.data().join("backplane.sqlite");
    let whole = fs::read(&file).expect("read");
    let mut damaged = whole.clone();
    damaged[100..4096].fill(0xff);
    for (bytes, reason) in [(&damaged[..], "is damaged"), (&[b'x'; 8192], "is not a Backplane database")] {
        fs::write(&file, bytes).expect("written");
        let said = setup.refusal();
        assert!(said.contains(reason) && said.contains("backplane.sqlite"), "{said}");
        assert_eq!(fs::read(&file).expect("read"), bytes);
    }
    fs::write(&file, whole).expect("written");
    let server = setup.start();
    assert_eq!(server.look(&json!([{"get": "old"}])), json!(["1"]));
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_as_it_is() {
    let setup = used();
    let next = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";
    Database::open(&setup.data()).run(next);
    let said = setup.refusal();
    assert!(said.contains("29991231000000") && said.contains("newer"), "{said}");
    Database::open(&setup.data()).run("DELETE FROM __diesel_schema_migrations WHERE version = '29991231000000'");
    assert_eq!(setup.start().look(&json!([{"get": "old"}])), json!(["1"]));
}

#[test]
fn two_servers_do_not_share_a_data_folder() {
    let server = Server::start(&["script"]);
    let said = Setup::new().data_at(&server.data()).refusal();
    assert!(said.contains("another server"), "{said}");
    assert_eq!(server.script(&json!([{"set": ["a", "1"]}])).status, 200);
    // The lock goes with the process, however that ends.
    let setup = server.kill();
    assert_eq!(setup.start().look(&json!([{"get": "a"}])), json!(["1"]));
}

#[test]
fn an_empty_data_folder_is_a_new_beginning() {
    let setup = used();
    put_folder(&setup.data());
    let server = setup.start();
    assert_eq!(server.look(&json!([{"get": "old"}])), json!([null]));
}

#[test]
fn a_key_with_an_end_ends_over_a_restart_too_and_its_room_is_given_back() {
    let clock = Preload::new();
    let server = Setup::new().plugins(&["script"]).preload(&clock).start();
    let steps =
        json!([{"set-for": ["short", "1", 60_000]}, {"set-for": ["long", "1", 3_600_000]}, {"set": ["ever", "1"]}]);
    assert_eq!(server.script(&steps).status, 200);
    let look = json!([{"get": "short"}, {"get": "long"}, {"get": "ever"}, {"count": ""}]);
    let server = server.stop().start();
    assert_eq!(server.look(&look), json!(["1", "1", "1", 3]));
    clock.set_clock_ahead(Duration::from_secs(61));
    assert_eq!(server.look(&look), json!([null, "1", "1", 2]));
    let setup = server.stop();
    clock.set_clock_ahead(Duration::from_secs(3601));
    let server = setup.start();
    assert_eq!(server.look(&look), json!([null, null, "1", 1]));
    let mut database = Database::open(&server.data());
    wait_until("the rows to be gone", || database.number("SELECT count(*) AS number FROM kv") == 1);
    wait_until("the usage to say so", || database.number("SELECT sum(keys) AS number FROM usage") == 1);
}

#[test]
fn a_clock_that_jumps_loses_nothing_and_stops_nobody() {
    const DAY: u64 = 24 * 60 * 60;
    let clock = Preload::new();
    clock.set_clock_ahead(Duration::from_secs(100 * DAY));
    let server = Setup::new().plugins(&["script", "hello"]).preload(&clock).start();
    assert_eq!(server.script(&json!([{"set": ["old", "1"]}, {"set-for": ["lease", "1", 60_000]}])).status, 200);
    // Back: what ends, ends when the clock says so.
    clock.set_clock_ahead(Duration::ZERO);
    assert_eq!(server.look(&json!([{"get": "lease"}])), json!(["1"]));
    assert_eq!(server.script(&json!([{"add": ["old", 1]}, {"increment": ["n", 1]}])).status, 200);
    // Far ahead.
    clock.set_clock_ahead(Duration::from_secs(30_000 * DAY));
    assert_eq!(server.look(&json!([{"get": "lease"}, {"get": "old"}, {"get": "n"}])), json!([null, "2", "1"]));
    assert_eq!(server.script(&json!([{"add": ["old", 1]}, {"set-for": ["lease", "2", 60_000]}])).status, 200);
    clock.set_clock_ahead(Duration::from_secs(100 * DAY));
    assert_eq!(server.look(&json!([{"get": "old"}])), json!(["3"]));
    assert_eq!(server.script(&json!([{"add": ["old", 1]}])).status, 200);
    server.check_health();
    check_neighbour(&server);
}
