//! The commands on a real database, beside a server's store.

use backplane_store::{
    CommandStore, Store, StoreOptions,
    identity::{
        PasswordHash,
        audit::{self, AuditQuery, Entry},
        revocations,
        users::{self, NewUser},
    },
};
use tempfile::TempDir;

use super::{
    add, list,
    lock::{self, DisableArgs, EnableArgs},
};
use crate::command::database::DatabaseArgs;

fn data() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn add(data: &TempDir, name: &str, roles: &str) -> anyhow::Result<()> {
    let user = NewUser {
        subject: format!("id of {name}"),
        name: name.to_owned(),
        password_hash: PasswordHash("hash".to_owned()),
        roles: roles.to_owned(),
        scopes: String::new(),
        created_at_ms: 0,
    };
    add::create(&mut CommandStore::open_or_create(&database(data).path()?)?, &user)
}

fn database(data: &TempDir) -> DatabaseArgs {
    DatabaseArgs::of(data.path())
}

fn disable(data: &TempDir, name: &str) -> anyhow::Result<()> {
    lock::disable(&DisableArgs { name: name.to_owned(), database: database(data) })
}

fn trail(data: &TempDir) -> Vec<Entry> {
    let mut store = super::open(&database(data)).expect("a database");
    let query = AuditQuery { limit: 10, ..AuditQuery::default() };
    store.read(|connection| audit::list(connection, &query)).expect("read")
}

#[test]
fn what_is_done_is_written_down_and_tells_a_server() {
    let data = data();
    add(&data, "ada", "admin").expect("added");
    let store = Store::open(StoreOptions::new(database(&data).path().expect("a path"))).expect("a store");
    add(&data, "bob", "clerk").expect("added beside a server");
    disable(&data, "bob").expect("disabled");
    let revoked = store.read(|connection| revocations::list_after(connection, 0, 10)).expect("read");
    assert_eq!(revoked.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["id of bob"]);
    lock::enable(&EnableArgs { name: "bob".to_owned(), database: database(&data) }).expect("enabled");
    let seen: Vec<_> = trail(&data).into_iter().map(|entry| (entry.action, entry.target, entry.actor)).collect();
    let expected =
        |action: &str, target: &str| (action.to_owned(), Some(target.to_owned()), Some("command".to_owned()));
    assert_eq!(
        seen,
        [
            expected("user.update", "bob"),
            expected("user.update", "bob"),
            expected("user.create", "bob"),
            expected("user.create", "ada"),
        ]
    );
}

#[test]
fn a_refusal_names_the_next_step_and_leaves_no_trail() {
    let data = data();
    let nobody = disable(&data, "ada").expect_err("there is nobody").to_string();
    assert!(nobody.contains("backplane user add NAME --role admin"), "{nobody}");
    add(&data, "ada", "admin").expect("added");
    let twice = add(&data, "ada", "clerk").expect_err("there is one").to_string();
    assert!(twice.contains("backplane user password ada"), "{twice}");
    let last = disable(&data, "ada").expect_err("the last one").to_string();
    assert!(last.contains("last administrator") && last.contains("backplane user add"), "{last}");
    let unknown = disable(&data, "bob").expect_err("there is no bob").to_string();
    assert!(unknown.contains("`bob`") && unknown.contains("backplane user list"), "{unknown}");
    assert_eq!(trail(&data).len(), 1);
}

#[test]
fn the_list_has_everybody_by_name_over_several_pages() {
    let data = data();
    let names: Vec<_> = (0..list::PAGE + 3).map(|number| format!("user{number:05}")).collect();
    let mut store = CommandStore::open_or_create(&database(&data).path().expect("a path")).expect("a database");
    let user = |name: &String| NewUser {
        subject: name.clone(),
        name: name.clone(),
        password_hash: PasswordHash(String::new()),
        roles: "clerk auditor".to_owned(),
        scopes: String::new(),
        created_at_ms: 0,
    };
    let all = store.write(|connection| names.iter().try_for_each(|name| users::create(connection, &user(name))));
    all.expect("written");
    let rows = list::list(&mut store).expect("read");
    assert_eq!(rows.iter().map(|row| &row.name).collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    let text = list::Rows(rows).to_string();
    let line = text.lines().nth(1).expect("a line for the first");
    assert!(
        line.starts_with("user00000 ") && line.contains("clerk auditor") && line.ends_with("never signed in"),
        "{line}"
    );
}
