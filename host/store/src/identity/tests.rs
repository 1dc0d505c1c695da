//! What holds for all of it: nothing that stands for a secret is shown, and no query looks through a whole table.

use std::{
    error::Error,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use diesel::{
    QueryableByName,
    connection::{Instrumentation, InstrumentationEvent},
    prelude::*,
    sql_query,
    sql_types::Text,
};

use super::{
    Digest, PasswordHash, WrappedKey, api_keys,
    audit::{self, AuditQuery, NewEntry},
    collect::collect,
    revocations, sessions,
    signing_keys::{self, KeyChange, SigningKey},
    testing::{ADMIN, add_key, add_user, digest, new_key, new_user, open_family, rotation, token},
    users::{self, UserChange},
};
use crate::migrate::migrated;

type TestResult = Result<(), Box<dyn Error>>;

const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";

#[track_caller]
fn check_shows_nothing(shown: &dyn Debug) {
    let bytes = [0xa7_u8; 32];
    let list = format!("{bytes:?}");
    let hex = "a7".repeat(8);
    for form in [format!("{shown:?}"), format!("{shown:#?}").replace(['\n', ' '], "").replace(',', ", ")] {
        for needle in [PHC, "argon2", "aGFzaGhhc2g", list.trim_matches(['[', ']']), "167, 167", &hex] {
            assert!(!form.to_lowercase().contains(&needle.to_lowercase()), "{needle} is shown in {form}");
        }
    }
}

#[test]
fn nothing_that_stands_for_a_secret_is_shown() -> TestResult {
    let mut connection = migrated();
    let (password_hash, digest) = (PasswordHash(PHC.into()), Digest([0xa7; 32]));
    let user = users::NewUser { password_hash: password_hash.clone(), ..new_user("ada", "") };
    users::create(&mut connection, &user)?;
    check_shows_nothing(&user);
    check_shows_nothing(&users::find_by_name(&mut connection, "ada")?.ok_or("ada is there")?);
    check_shows_nothing(&UserChange { password_hash: Some(password_hash), ..UserChange::default() });

    let first = sessions::NewRefreshToken { digest, parent: Some(digest), ..token(1, "s1", None) };
    sessions::open_family(&mut connection, &super::testing::family("s1", "id-ada"), &first)?;
    check_shows_nothing(&first);
    check_shows_nothing(&sessions::find(&mut connection, digest)?.ok_or("the token is there")?);
    check_shows_nothing(&sessions::Rotation { digest, successor: first, ..rotation("s1", 1, 0, 2) });

    let key = api_keys::NewApiKey { digest, ..new_key("k1", "id-ada") };
    api_keys::create(&mut connection, &key)?;
    check_shows_nothing(&key);
    check_shows_nothing(&api_keys::find_with_owner(&mut connection, "k1")?.ok_or("the key is there")?);

    let (kid, algorithm, state) = ("kid".to_owned(), "ES256".to_owned(), "next".to_owned());
    let key = SigningKey { kid, algorithm, wrapped: WrappedKey(vec![0xa7; 32]), state, changed_at_ms: 0 };
    check_shows_nothing(&key);
    check_shows_nothing(&KeyChange::Insert(key));
    Ok(())
}

#[test]
fn a_digest_of_another_length_is_refused_and_not_shown() -> TestResult {
    let mut connection = migrated();
    add_user(&mut connection, "ada", "");
    add_key(&mut connection, "k1", "id-ada");
    sql_query("UPDATE api_keys SET digest = x'a7a7a7a7a7a7a7a7'").execute(&mut connection)?;
    let refused = api_keys::find_with_owner(&mut connection, "k1").expect_err("it has 8 bytes");
    check_shows_nothing(&refused);
    let chain: Vec<_> = std::iter::successors(Some(&refused as &dyn Error), |error| (*error).source()).collect();
    let said: Vec<_> = chain.iter().map(ToString::to_string).collect();
    assert_eq!(said.last().map(String::as_str), Some("a digest in the database does not have 32 bytes"), "{said:?}");
    check_shows_nothing(&said);
    Ok(())
}

/// The statements that ran, without their values.
#[derive(Default, Clone)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Instrumentation for Statements {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let sql = query.to_string();
            let sql = sql.split(" -- binds").next().unwrap_or_default();
            self.0.lock().unwrap().push(sql.to_owned());
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Does everything that this module can do.
fn do_everything(connection: &mut SqliteConnection) -> TestResult {
    add_user(connection, "root", ADMIN);
    let ada = add_user(connection, "ada", "clerk");
    users::find_by_name(connection, "ada")?;
    users::list(connection, Some("a"), 10)?;
    users::has_administrator(connection, ADMIN)?;
    let (old, new) = (PasswordHash("hash-ada".into()), PasswordHash("new".into()));
    users::note_login(connection, &ada, &old, 1)?;
    users::rehash(connection, &ada, &old, &new)?;
    open_family(connection, &ada, "s1", 1);
    users::is_still_signed_in(connection, &ada, &new, "s1", 1)?;
    sessions::rotate(connection, &rotation("s1", 1, 0, 2))?;
    sessions::rotate(connection, &rotation("s1", 2, 0, 3))?;
    add_key(connection, "k1", &ada);
    api_keys::find_with_owner(connection, "k1")?;
    api_keys::list(connection, Some(&ada), Some("k"), 10)?;
    api_keys::list(connection, None, Some("k"), 10)?;
    api_keys::note_used(connection, "k1", 1)?;
    api_keys::revoke(connection, "k1", 1)?;
    let (kid, algorithm, state) = ("kid".to_owned(), "ES256".to_owned(), "next".to_owned());
    let key = SigningKey { kid, algorithm, wrapped: WrappedKey(Vec::new()), state, changed_at_ms: 0 };
    let (kid, from, to) = (key.kid.clone(), "next".to_owned(), "active".to_owned());
    signing_keys::apply(connection, &[KeyChange::Insert(key), KeyChange::Move { kid, from, to, at_ms: 1 }])?;
    signing_keys::apply(connection, &[KeyChange::Delete { kid: "kid".to_owned() }])?;
    revocations::list_after(connection, 0, 10)?;
    audit::append(connection, NewEntry::default())?;
    let query = AuditQuery { before: Some(5), limit: 10, ..AuditQuery::default() };
    audit::list(connection, &query)?;
    audit::list(connection, &AuditQuery { actor: Some("a".into()), ..query.clone() })?;
    audit::list(connection, &AuditQuery { actor_name: Some("a".into()), ..query.clone() })?;
    audit::list(connection, &AuditQuery { action: Some("a".into()), ..query })?;
    let promote = UserChange { roles: Some(ADMIN.into()), disabled: Some(true), ..UserChange::default() };
    users::update(connection, &ada, &promote, ADMIN, 2)?;
    collect(connection, i64::MAX, 500)?;
    users::delete(connection, &ada, ADMIN, 3)?;
    sessions::find(connection, digest(1))?;
    collect(connection, i64::MAX, 500)?;
    Ok(())
}

/// Whether a step of a plan looks at every row of a table, and may not.
fn is_slow(sql: &str, step: &str) -> bool {
    let is_allowed = match step {
        // Its ends are looked at only.
        "SCAN audit" => sql.contains("ORDER BY"),
        // Entries of an index are counted.
        "SCAN users USING COVERING INDEX sqlite_autoindex_users_2" => sql.contains("COUNT(*)"),
        "SCAN CONSTANT ROW" => true,
        // There are a hundred of them.
        _ => sql.contains("FROM `signing_keys`"),
    };
    (step.contains("SCAN ") || step.contains("TEMP B-TREE")) && !is_allowed
}

#[test]
fn no_query_looks_through_a_whole_table() -> TestResult {
    let mut connection = migrated();
    let statements = Statements::default();
    connection.set_instrumentation(statements.clone());
    do_everything(&mut connection)?;
    let ran = statements.0.lock().unwrap().clone();
    let (mut planned, mut slow) = (0, Vec::new());
    for sql in ran.iter().filter(|sql| ["SELECT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb))) {
        let plan: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut connection)?;
        slow.extend(plan.into_iter().filter(|step| is_slow(sql, &step.detail)).map(|step| (sql, step.detail)));
        planned += 1;
    }
    assert_eq!(slow, []);
    assert!(planned > 40, "{planned}");
    Ok(())
}
