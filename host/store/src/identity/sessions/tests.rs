//! Sessions: what a row says of its token, and when a rotation happens.

use super::*;
use crate::{
    identity::testing::{END, add_user, digest, disable, family, open_family as open, revoked, rotation, token},
    migrate::migrated,
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// An account `ada` with the session `s1`, whose token is 1.
fn signed_in() -> (SqliteConnection, String) {
    let mut connection = migrated();
    let ada = add_user(&mut connection, "ada", "");
    open(&mut connection, &ada, "s1", 1);
    (connection, ada)
}

fn get(connection: &mut SqliteConnection, number: u16) -> RefreshRow {
    find(connection, digest(number)).unwrap().unwrap()
}

/// Returns a token's uses, when it was used first, and whether a successor was.
fn uses(connection: &mut SqliteConnection, number: u16) -> (u32, Option<i64>, bool) {
    let row = get(connection, number);
    (row.uses, row.used_at_ms, row.successor_used)
}

#[test]
fn gives_back_what_was_opened() -> TestResult {
    let (mut connection, ada) = signed_in();
    let expected = RefreshRow {
        digest: digest(1),
        family: family("s1", &ada),
        issued_at_ms: 1,
        used_at_ms: None,
        uses: 0,
        successor_used: false,
        sibling_used: false,
    };
    assert_eq!(find(&mut connection, digest(1))?, Some(expected));
    assert_eq!(find(&mut connection, digest(2))?, None);
    Ok(())
}

#[test]
fn has_the_scopes_that_it_was_narrowed_to_and_keeps_them_when_its_token_is_replaced() -> TestResult {
    let (mut connection, ada) = signed_in();
    open(&mut connection, &ada, "s2", 2);
    assert_eq!(find_scopes(&mut connection, "s2")?, None);
    narrow(&mut connection, "s2", "orders:read")?;
    assert!(rotate(&mut connection, &rotation("s2", 2, 0, 20))?);
    assert_eq!(find_scopes(&mut connection, "s2")?, Some("orders:read".to_owned()));
    assert_eq!((find_scopes(&mut connection, "s1")?, find_scopes(&mut connection, "s3")?), (None, None));
    Ok(())
}

#[test]
fn nobody_who_cannot_sign_in_opens_one() {
    let (mut connection, ada) = signed_in();
    disable(&mut connection, &ada);
    for subject in [&ada, "nobody"] {
        let refused = open_family(&mut connection, &family("s2", subject), &token(2, "s2", None));
        assert!(matches!(refused, Err(OpenFamilyError::UnknownSubject)), "{refused:?}");
    }
}

#[test]
fn a_token_is_replaced_once_for_what_was_seen_of_it() -> TestResult {
    let (mut connection, _) = signed_in();
    assert!(rotate(&mut connection, &rotation("s1", 1, 0, 20))?);
    assert_eq!(uses(&mut connection, 1), (1, Some(20), false));
    assert_eq!(uses(&mut connection, 20), (0, None, false));
    assert!(!rotate(&mut connection, &rotation("s1", 1, 0, 21))?);
    assert_eq!(uses(&mut connection, 1), (1, Some(20), false));
    assert_eq!(find(&mut connection, digest(21))?, None);
    // Who saw the first use may ask again: its answer was lost.
    assert!(rotate(&mut connection, &rotation("s1", 1, 1, 22))?);
    assert_eq!(uses(&mut connection, 1), (2, Some(20), false));
    Ok(())
}

#[test]
fn a_token_is_not_replaced_once_its_successor_was_used() -> TestResult {
    let (mut connection, _) = signed_in();
    assert!(rotate(&mut connection, &rotation("s1", 1, 0, 20))?);
    assert!(rotate(&mut connection, &rotation("s1", 1, 1, 21))?);
    assert!(rotate(&mut connection, &rotation("s1", 21, 0, 30))?);
    assert_eq!(uses(&mut connection, 1), (2, Some(20), true));
    assert!(!rotate(&mut connection, &rotation("s1", 1, 2, 31))?);
    // The other successor has none that was used.
    assert_eq!(uses(&mut connection, 20), (0, None, false));
    Ok(())
}

#[test]
fn a_token_is_not_replaced_once_its_sibling_was() -> TestResult {
    let (mut connection, ada) = signed_in();
    assert!(rotate(&mut connection, &rotation("s1", 1, 0, 20))?);
    assert!(rotate(&mut connection, &rotation("s1", 1, 1, 21))?);
    assert_eq!([20, 21].map(|number| get(&mut connection, number).sibling_used), [false, false]);
    assert!(rotate(&mut connection, &rotation("s1", 20, 0, 30))?);
    assert_eq!([20, 21, 30].map(|number| get(&mut connection, number).sibling_used), [false, true, false]);
    assert!(!rotate(&mut connection, &rotation("s1", 21, 0, 31))?);
    assert_eq!((uses(&mut connection, 21), find(&mut connection, digest(31))?), ((0, None, false), None));
    // The first one asks again for its own answer, which is no use of another.
    assert!(rotate(&mut connection, &rotation("s1", 20, 1, 32))?);
    // What replaces nothing has no siblings.
    open(&mut connection, &ada, "s2", 2);
    assert!(rotate(&mut connection, &rotation("s2", 2, 0, 40))?);
    open(&mut connection, &ada, "s3", 3);
    assert!(!get(&mut connection, 3).sibling_used);
    Ok(())
}

#[test]
fn a_token_is_replaced_in_its_own_family_only() -> TestResult {
    let (mut connection, ada) = signed_in();
    open(&mut connection, &ada, "s2", 2);
    let crossing = Rotation { successor: token(3, "s2", Some(1)), ..rotation("s1", 1, 0, 3) };
    assert!(!rotate(&mut connection, &crossing)?);
    assert!(!rotate(&mut connection, &rotation("s1", 9, 0, 10))?);
    Ok(())
}

#[test]
fn a_revoked_family_goes_on_no_more_and_stays_to_be_seen() -> TestResult {
    let (mut connection, _) = signed_in();
    assert!(revoke_family(&mut connection, "s1", 5)?);
    assert!(!revoke_family(&mut connection, "s1", 6)?);
    assert!(!revoke_family(&mut connection, "nothing", 6)?);
    assert_eq!(get(&mut connection, 1).family.revoked_at_ms, Some(5));
    assert!(!rotate(&mut connection, &rotation("s1", 1, 0, 20))?);
    assert_eq!(uses(&mut connection, 1), (0, None, false));
    assert_eq!(revoked(&mut connection), ["session:s1"]);
    Ok(())
}

#[test]
fn a_family_is_open_until_somebody_ends_it_or_its_time_is_over() -> TestResult {
    let (mut connection, ada) = signed_in();
    open(&mut connection, &ada, "s2", 2);
    assert!(is_open(&mut connection, "s1", END - 1)?);
    assert!(!is_open(&mut connection, "s1", END)?);
    assert!(!is_open(&mut connection, "nothing", 5)?);
    revoke_family(&mut connection, "s1", 5)?;
    assert!(!is_open(&mut connection, "s1", 6)?);
    assert!(is_open(&mut connection, "s2", 6)?);
    Ok(())
}

#[test]
fn somebody_signs_out_everywhere_but_here() -> TestResult {
    let (mut connection, ada) = signed_in();
    let bob = add_user(&mut connection, "bob", "");
    for (number, id) in [(2, "s2"), (3, "s3")] {
        open(&mut connection, &ada, id, number);
    }
    open(&mut connection, &bob, "s4", 4);
    assert_eq!(revoke_families_of(&mut connection, &ada, Some("s2"), 5)?, 2);
    assert_eq!(revoked(&mut connection), ["session:s1", "session:s3"]);
    assert_eq!(revoke_families_of(&mut connection, &ada, None, 6)?, 1);
    assert_eq!(revoke_families_of(&mut connection, &ada, None, 7)?, 0);
    assert_eq!(get(&mut connection, 4).family.revoked_at_ms, None);
    Ok(())
}

#[test]
fn one_family_too_many_ends_the_one_that_ends_first() -> TestResult {
    let mut connection = migrated();
    let (ada, bob) = (add_user(&mut connection, "ada", ""), add_user(&mut connection, "bob", ""));
    open(&mut connection, &bob, "bob", 1000);
    for number in (0..u16::try_from(FAMILIES_MAX)?).rev() {
        let id = format!("s{number}");
        let family = Family { expires_at_ms: END + i64::from(number), ..family(&id, &ada) };
        open_family(&mut connection, &family, &token(number, &id, None))?;
    }
    assert_eq!(revoked(&mut connection), [""; 0]);
    revoke_family(&mut connection, "s50", 5)?;
    // An ended one first, then the one with the earliest end.
    open(&mut connection, &ada, "new1", 1001);
    open(&mut connection, &ada, "new2", 1002);
    assert_eq!(revoked(&mut connection), ["session:s50", "session:s0"]);
    for (number, stays) in [(50, false), (0, false), (1, true), (99, true), (1000, true), (1001, true), (1002, true)] {
        assert_eq!(find(&mut connection, digest(number))?.is_some(), stays, "{number}");
    }
    Ok(())
}

#[test]
fn a_family_with_too_many_tokens_ends() -> TestResult {
    let (mut connection, _) = signed_in();
    let max = as_i64(FAMILY_TOKENS_MAX);
    let count = |connection: &mut SqliteConnection| -> QueryResult<i64> {
        sessions::table.find("s1").select(sessions::tokens).first(connection)
    };
    assert_eq!(count(&mut connection)?, 1);
    diesel::update(sessions::table.find("s1")).set(sessions::tokens.eq(max - 1)).execute(&mut connection)?;
    assert!(rotate(&mut connection, &rotation("s1", 1, 0, 20))?);
    assert_eq!(count(&mut connection)?, max);
    assert!(!rotate(&mut connection, &rotation("s1", 20, 0, 21))?);
    assert_eq!(get(&mut connection, 20).family.revoked_at_ms, Some(21));
    assert_eq!(revoked(&mut connection), ["session:s1"]);
    Ok(())
}
