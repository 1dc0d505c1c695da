//! Accounts: what there may be of them, what a change ends, and who has to stay.

use super::*;
use crate::{
    identity::{
        audit::{self, AuditQuery, NewEntry},
        testing::{ADMIN, END, add_key, add_user, digest, disable, new_user, open_family, revoked},
    },
    migrate::migrated,
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// An account `ada` with two sessions and a key, beside an administrator.
fn populated() -> (SqliteConnection, String) {
    let mut connection = migrated();
    add_user(&mut connection, "root", ADMIN);
    let ada = add_user(&mut connection, "ada", "clerk");
    open_family(&mut connection, &ada, "s1", 1);
    open_family(&mut connection, &ada, "s2", 2);
    add_key(&mut connection, "k1", &ada);
    (connection, ada)
}

#[test]
fn an_account_is_found_by_its_name_and_by_its_id() -> TestResult {
    let mut connection = migrated();
    let new = new_user("ada", "clerk");
    create(&mut connection, &new)?;
    let expected = User {
        subject: new.subject,
        name: new.name,
        password_hash: new.password_hash,
        roles: new.roles,
        scopes: new.scopes,
        disabled_at_ms: None,
        created_at_ms: 1,
        last_login_at_ms: None,
    };
    assert_eq!(find_by_name(&mut connection, "ada")?, Some(expected.clone()));
    assert_eq!(find(&mut connection, "id-ada")?, Some(expected));
    assert_eq!(find_by_name(&mut connection, "id-ada")?, None);
    assert_eq!(find(&mut connection, "ada")?, None);
    Ok(())
}

#[test]
fn there_is_one_account_of_a_name_and_one_of_an_id() -> TestResult {
    let mut connection = migrated();
    create(&mut connection, &new_user("ada", ADMIN))?;
    let same_name = NewUser { subject: "another".into(), ..new_user("ada", "clerk") };
    let same_id = NewUser { subject: "id-ada".into(), ..new_user("bob", "clerk") };
    for user in [same_name, same_id] {
        let refused = create(&mut connection, &user);
        assert!(matches!(refused, Err(CreateUserError::Exists)), "{refused:?}");
    }
    assert_eq!(count(&mut connection)?, 1);
    assert!(has_administrator(&mut connection, ADMIN)?);
    Ok(())
}

#[test]
fn there_are_no_more_accounts_than_there_may_be() -> TestResult {
    let mut connection = migrated();
    diesel::sql_query(format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {USERS_MAX} - 1)
         INSERT INTO users (subject, name, password_hash, roles, scopes, created_at_ms)
         SELECT 's' || i, 'n' || i, '', '', '', 0 FROM n"
    ))
    .execute(&mut connection)?;
    create(&mut connection, &new_user("ada", ""))?;
    assert_eq!(count(&mut connection)?, USERS_MAX);
    let refused = create(&mut connection, &new_user("bob", ""));
    assert!(matches!(refused, Err(CreateUserError::TooMany)), "{refused:?}");
    Ok(())
}

#[test]
fn lists_by_name_in_pages() -> TestResult {
    let mut connection = migrated();
    for name in ["carl", "ada", "bob"] {
        add_user(&mut connection, name, "");
    }
    let mut names = |after, limit| -> Result<Vec<String>, StoreError> {
        Ok(list(&mut connection, after, limit)?.into_iter().map(|user| user.name).collect())
    };
    assert_eq!(names(None, 2)?, ["ada", "bob"]);
    assert_eq!(names(Some("bob"), 2)?, ["carl"]);
    assert_eq!(names(Some("carl"), 2)?, [""; 0]);
    Ok(())
}

#[test]
fn changes_what_is_named_and_nothing_else() -> TestResult {
    let (mut connection, ada) = populated();
    let before = find(&mut connection, &ada)?.ok_or("ada is there")?;
    let changes = [
        (UserChange { roles: Some("admin clerk".into()), ..UserChange::default() }, "admin clerk"),
        (UserChange { scopes: Some("x".into()), ..UserChange::default() }, "admin clerk"),
        (UserChange { password_hash: Some(PasswordHash("new".into())), ..UserChange::default() }, "admin clerk"),
        (UserChange { disabled: Some(true), ..UserChange::default() }, "admin clerk"),
    ];
    for (change, roles) in changes {
        let after = update(&mut connection, &ada, &change, ADMIN, 50)?;
        assert_eq!(find(&mut connection, &ada)?, Some(after.clone()));
        assert_eq!(after.roles, roles);
    }
    let expected = User {
        roles: "admin clerk".into(),
        scopes: "x".into(),
        password_hash: PasswordHash("new".into()),
        disabled_at_ms: Some(50),
        ..before
    };
    assert_eq!(find(&mut connection, &ada)?, Some(expected));
    let unknown = update(&mut connection, "nobody", &UserChange::default(), ADMIN, 50);
    assert!(matches!(unknown, Err(UpdateUserError::Unknown)), "{unknown:?}");
    Ok(())
}

/// Changes ada's account and compares what is revoked by it.
#[track_caller]
fn check_voids(change: &UserChange, expected: &[&str]) {
    let (mut connection, ada) = populated();
    update(&mut connection, &ada, change, ADMIN, 50).unwrap();
    assert_eq!(revoked(&mut connection), expected, "{change:?}");
}

#[test]
fn other_rights_void_access_tokens_and_no_session() {
    check_voids(&UserChange { roles: Some("boss".into()), ..UserChange::default() }, &["subject:id-ada"]);
    check_voids(&UserChange { scopes: Some(String::new()), ..UserChange::default() }, &["subject:id-ada"]);
}

#[test]
fn a_lock_and_a_new_password_end_sessions_too() {
    let all = ["session:s1", "session:s2", "subject:id-ada"];
    check_voids(&UserChange { disabled: Some(true), ..UserChange::default() }, &all);
    let password_hash = Some(PasswordHash("new".into()));
    let change = UserChange { password_hash, ..UserChange::default() };
    check_voids(&change, &all);
    let from_s1 = UserChange { keep_session: Some("s1".into()), ..change };
    check_voids(&from_s1, &["session:s2", "subject:id-ada"]);
    // A lock spares nothing.
    check_voids(&UserChange { disabled: Some(true), ..from_s1 }, &all);
}

#[test]
fn what_changes_nothing_voids_nothing() {
    check_voids(&UserChange::default(), &[]);
    let same = UserChange { roles: Some("clerk".into()), scopes: Some("orders:read".into()), ..UserChange::default() };
    check_voids(&same, &[]);
    check_voids(&UserChange { disabled: Some(false), ..UserChange::default() }, &[]);
}

#[test]
fn a_lock_that_falls_twice_keeps_its_first_moment_and_goes_when_it_is_lifted() -> TestResult {
    let (mut connection, ada) = populated();
    let lock = |disabled| UserChange { disabled: Some(disabled), ..UserChange::default() };
    assert_eq!(update(&mut connection, &ada, &lock(true), ADMIN, 50)?.disabled_at_ms, Some(50));
    let voided = revoked(&mut connection);
    assert_eq!(update(&mut connection, &ada, &lock(true), ADMIN, 60)?.disabled_at_ms, Some(50));
    assert_eq!(update(&mut connection, &ada, &lock(false), ADMIN, 70)?.disabled_at_ms, None);
    assert_eq!(revoked(&mut connection), voided);
    Ok(())
}

/// Tries everything that takes the role from `subject`, and undoes it. Returns whether all of it is refused.
fn is_kept(connection: &mut SqliteConnection, subject: &str) -> bool {
    let changes = [
        UserChange { roles: Some("administrator clerk".into()), ..UserChange::default() },
        UserChange { disabled: Some(true), ..UserChange::default() },
        UserChange { disabled: Some(true), roles: Some(ADMIN.into()), ..UserChange::default() },
    ];
    let mut is_refused = |job: &dyn Fn(&mut SqliteConnection) -> Result<(), UpdateUserError>| {
        let mut refused = false;
        let undone = connection.transaction::<(), Error, _>(|connection| {
            refused = matches!(job(connection), Err(UpdateUserError::LastAdministrator));
            Err(Error::RollbackTransaction)
        });
        assert!(matches!(undone, Err(Error::RollbackTransaction)), "{undone:?}");
        refused
    };
    let mut all = Vec::new();
    for change in changes {
        all.push(is_refused(&|connection| update(connection, subject, &change, ADMIN, 50).map(drop)));
    }
    all.push(is_refused(&|connection| delete(connection, subject, ADMIN, 50)));
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    all[0]
}

#[test]
fn the_last_enabled_administrator_stays() -> TestResult {
    let mut connection = migrated();
    assert!(!has_administrator(&mut connection, ADMIN)?);
    add_user(&mut connection, "clerk", "clerk administrator");
    assert!(!has_administrator(&mut connection, ADMIN)?);
    let ada = add_user(&mut connection, "ada", "admin auditor");
    assert!(has_administrator(&mut connection, ADMIN)?);
    assert!(is_kept(&mut connection, &ada));
    let bob = add_user(&mut connection, "bob", "aaa admin");
    assert!(!is_kept(&mut connection, &ada));
    assert!(!is_kept(&mut connection, &bob));
    disable(&mut connection, &bob);
    assert!(is_kept(&mut connection, &ada));
    // Nobody depends on one who is locked out.
    assert!(!is_kept(&mut connection, &bob));
    let rest = UserChange {
        scopes: Some("x".into()),
        roles: Some(ADMIN.into()),
        password_hash: Some(PasswordHash("new".into())),
        ..UserChange::default()
    };
    update(&mut connection, &ada, &rest, ADMIN, 50)?;
    let lift = UserChange { disabled: Some(false), ..UserChange::default() };
    update(&mut connection, &bob, &lift, ADMIN, 50)?;
    delete(&mut connection, &ada, ADMIN, 50)?;
    assert!(is_kept(&mut connection, &bob));
    Ok(())
}

#[test]
fn the_role_goes_and_comes_with_the_roles() -> TestResult {
    let mut connection = migrated();
    let (ada, bob) = (add_user(&mut connection, "ada", ADMIN), add_user(&mut connection, "bob", "clerk"));
    let roles = |roles: &str| UserChange { roles: Some(roles.into()), ..UserChange::default() };
    update(&mut connection, &bob, &roles("admin clerk"), ADMIN, 50)?;
    update(&mut connection, &ada, &roles("clerk"), ADMIN, 50)?;
    let refused = update(&mut connection, &bob, &roles("clerk"), ADMIN, 50);
    assert!(matches!(refused, Err(UpdateUserError::LastAdministrator)), "{refused:?}");
    // As nobody had refused it: a refusal changes nothing.
    assert_eq!(find(&mut connection, &bob)?.map(|user| user.roles).as_deref(), Some("admin clerk"));
    Ok(())
}

#[test]
fn of_a_deleted_account_nothing_works_and_its_traces_stay() -> TestResult {
    let (mut connection, ada) = populated();
    let entry = NewEntry { actor: Some(ada.clone()), action: "login".into(), ..NewEntry::default() };
    audit::append(&mut connection, entry)?;
    delete(&mut connection, &ada, ADMIN, 50)?;
    assert_eq!(find(&mut connection, &ada)?, None);
    assert_eq!(find_by_name(&mut connection, "ada")?, None);
    for number in [1, 2] {
        assert_eq!(sessions::find(&mut connection, digest(number))?, None);
    }
    assert_eq!(api_keys::find_with_owner(&mut connection, "k1")?, None);
    assert_eq!(revoked(&mut connection), ["session:s1", "session:s2", "subject:id-ada"]);
    let query = AuditQuery { actor: Some(ada.clone()), limit: 10, ..AuditQuery::default() };
    assert_eq!(audit::list(&mut connection, &query)?.len(), 1);
    let again = delete(&mut connection, &ada, ADMIN, 50);
    assert!(matches!(again, Err(UpdateUserError::Unknown)), "{again:?}");
    add_user(&mut connection, "ada", "clerk");
    Ok(())
}

#[test]
fn a_sign_in_counts_for_who_may_still_sign_in_with_that_password() -> TestResult {
    let (mut connection, ada) = populated();
    let hash = PasswordHash("hash-ada".into());
    assert!(note_login(&mut connection, &ada, &hash, 40)?);
    assert!(!note_login(&mut connection, &ada, &PasswordHash("hash-bob".into()), 41)?);
    assert!(!note_login(&mut connection, "nobody", &hash, 42)?);
    disable(&mut connection, &ada);
    assert!(!note_login(&mut connection, &ada, &hash, 43)?);
    assert_eq!(find(&mut connection, &ada)?.and_then(|user| user.last_login_at_ms), Some(40));
    Ok(())
}

#[test]
fn who_was_checked_is_signed_in_until_a_reset_a_lock_or_the_end_of_the_session() -> TestResult {
    let (checked, other) = (PasswordHash("hash-ada".into()), PasswordHash("new".into()));
    let is_signed_in = |connection: &mut SqliteConnection, session: &str, at_ms: i64| {
        is_still_signed_in(connection, "id-ada", &checked, session, at_ms)
    };
    let (mut connection, ada) = populated();
    assert!(is_signed_in(&mut connection, "s1", 40)?);
    assert!(!is_signed_in(&mut connection, "s1", END)?);
    assert!(!is_signed_in(&mut connection, "s3", 40)?);
    assert!(!is_still_signed_in(&mut connection, "nobody", &checked, "s1", 40)?);
    sessions::revoke_family(&mut connection, "s1", 41)?;
    assert!(!is_signed_in(&mut connection, "s1", 42)?);
    assert!(is_signed_in(&mut connection, "s2", 42)?);
    // Each alone is enough, though a reset and a lock end the sessions too.
    assert!(rehash(&mut connection, &ada, &checked, &other)?);
    assert!(!is_signed_in(&mut connection, "s2", 43)?);
    assert!(rehash(&mut connection, &ada, &other, &checked)?);
    assert!(is_signed_in(&mut connection, "s2", 44)?);
    disable(&mut connection, &ada);
    assert!(!is_signed_in(&mut connection, "s2", 45)?);
    Ok(())
}

#[test]
fn another_hash_of_the_same_password_ends_nothing() -> TestResult {
    let (mut connection, ada) = populated();
    let (old, new) = (PasswordHash("hash-ada".into()), PasswordHash("better".into()));
    assert!(rehash(&mut connection, &ada, &old, &new)?);
    assert!(!rehash(&mut connection, &ada, &old, &PasswordHash("worse".into()))?);
    assert_eq!(find(&mut connection, &ada)?.map(|user| user.password_hash), Some(new));
    assert_eq!(revoked(&mut connection), [""; 0]);
    Ok(())
}
