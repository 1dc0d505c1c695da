//! The audit trail: who did what, from where, and what came of it.
//!
//! Entries are added and never changed; the oldest go when they are 90 days old or a million came after them. It names
//! users and things that may be gone. Which action is worth an entry, and that no secret is in one, is for the caller.

use diesel::prelude::*;

use crate::{error::StoreError, keys::as_i64, schema::audit};

/// Longest detail of an entry in bytes; more is cut.
pub const DETAIL_BYTES_MAX: usize = 1024;
/// Longest other text of an entry in bytes; more is cut.
pub const TEXT_BYTES_MAX: usize = 256;

/// An entry that is to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Insertable)]
#[diesel(table_name = audit)]
pub struct NewEntry {
    /// When it happened, in Unix milliseconds.
    pub at_ms: i64,
    /// The id of who did it, where that is known.
    pub actor: Option<String>,
    /// The name of who did it, or wanted to.
    pub actor_name: Option<String>,
    /// How they are known: a session, an API key, a command.
    pub kind: String,
    /// Where from.
    pub address: Option<String>,
    /// What was done, as `noun.verb`.
    pub action: String,
    /// To what.
    pub target: Option<String>,
    /// `ok`, or the code of the problem.
    pub result: String,
    /// In which request.
    pub request_id: Option<String>,
    /// What else is worth knowing.
    pub detail: Option<String>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(diesel::sqlite::Sqlite))]
pub struct Entry {
    /// Its place in the trail, from 1.
    pub seq: i64,
    /// When it happened, in Unix milliseconds.
    pub at_ms: i64,
    /// The id of who did it, where that is known.
    pub actor: Option<String>,
    /// The name of who did it, or wanted to.
    pub actor_name: Option<String>,
    /// How they are known: a session, an API key, a command.
    pub kind: String,
    /// Where from.
    pub address: Option<String>,
    /// What was done, as `noun.verb`.
    pub action: String,
    /// To what.
    pub target: Option<String>,
    /// `ok`, or the code of the problem.
    pub result: String,
    /// In which request.
    pub request_id: Option<String>,
    /// What else is worth knowing.
    pub detail: Option<String>,
}

/// Which entries are to be listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only those before this place.
    pub before: Option<i64>,
    /// At most as many.
    pub limit: usize,
    /// Only those of this id,
    pub actor: Option<String>,
    /// of this name,
    pub actor_name: Option<String>,
    /// and of this action.
    pub action: Option<String>,
}

/// Adds an entry. Texts that are too long are cut.
///
/// # Errors
/// When the database cannot be written.
pub fn append(connection: &mut SqliteConnection, mut entry: NewEntry) -> Result<(), StoreError> {
    [&mut entry.kind, &mut entry.action, &mut entry.result].into_iter().for_each(|text| cut(text, TEXT_BYTES_MAX));
    let optional =
        [&mut entry.actor, &mut entry.actor_name, &mut entry.address, &mut entry.target, &mut entry.request_id];
    optional.into_iter().flatten().for_each(|text| cut(text, TEXT_BYTES_MAX));
    entry.detail.iter_mut().for_each(|text| cut(text, DETAIL_BYTES_MAX));
    diesel::insert_into(audit::table).values(entry).execute(connection)?;
    Ok(())
}

/// Returns entries, the newest first.
///
/// # Errors
/// When the database cannot be read.
pub fn list(connection: &mut SqliteConnection, query: &AuditQuery) -> Result<Vec<Entry>, StoreError> {
    let mut wanted = audit::table.into_boxed();
    if let Some(before) = query.before {
        wanted = wanted.filter(audit::seq.lt(before));
    }
    if let Some(actor) = &query.actor {
        wanted = wanted.filter(audit::actor.eq(actor));
    }
    if let Some(name) = &query.actor_name {
        wanted = wanted.filter(audit::actor_name.eq(name));
    }
    if let Some(action) = &query.action {
        wanted = wanted.filter(audit::action.eq(action));
    }
    let newest_first = wanted.order(audit::seq.desc()).limit(as_i64(query.limit));
    Ok(newest_first.select(Entry::as_select()).load(connection)?)
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::migrated;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn entry(actor: Option<&str>, actor_name: &str, action: &str) -> NewEntry {
        NewEntry {
            at_ms: 5,
            actor: actor.map(str::to_owned),
            actor_name: Some(actor_name.into()),
            kind: "session".into(),
            action: action.into(),
            result: "ok".into(),
            ..NewEntry::default()
        }
    }

    fn places(connection: &mut SqliteConnection, query: &AuditQuery) -> Vec<i64> {
        list(connection, query).unwrap().into_iter().map(|entry| entry.seq).collect()
    }

    #[test]
    fn gives_back_what_was_added() -> TestResult {
        let mut connection = migrated();
        let new = NewEntry {
            address: Some("127.0.0.1".into()),
            target: Some("bob".into()),
            request_id: Some("r1".into()),
            detail: Some("roles: admin".into()),
            ..entry(Some("id-ada"), "ada", "user.update")
        };
        append(&mut connection, new.clone())?;
        let expected = Entry {
            seq: 1,
            at_ms: 5,
            actor: new.actor,
            actor_name: new.actor_name,
            kind: new.kind,
            address: new.address,
            action: new.action,
            target: new.target,
            result: new.result,
            request_id: new.request_id,
            detail: new.detail,
        };
        assert_eq!(list(&mut connection, &AuditQuery { limit: 10, ..AuditQuery::default() })?, [expected]);
        Ok(())
    }

    #[test]
    fn lists_the_newest_first_in_pages_and_by_who_and_what() -> TestResult {
        let mut connection = migrated();
        let entries = [
            entry(Some("id-ada"), "ada", "login"),
            entry(None, "ada", "login"),
            entry(Some("id-bob"), "bob", "login"),
            entry(Some("id-ada"), "ada", "logout"),
        ];
        for entry in entries {
            append(&mut connection, entry)?;
        }
        let all = AuditQuery { limit: 10, ..AuditQuery::default() };
        assert_eq!(places(&mut connection, &all), [4, 3, 2, 1]);
        assert_eq!(places(&mut connection, &AuditQuery { limit: 2, ..all.clone() }), [4, 3]);
        assert_eq!(places(&mut connection, &AuditQuery { before: Some(3), ..all.clone() }), [2, 1]);
        let ada = AuditQuery { actor: Some("id-ada".into()), ..all.clone() };
        assert_eq!(places(&mut connection, &ada), [4, 1]);
        assert_eq!(places(&mut connection, &AuditQuery { action: Some("login".into()), ..ada }), [1]);
        assert_eq!(places(&mut connection, &AuditQuery { actor_name: Some("ada".into()), ..all.clone() }), [4, 2, 1]);
        assert_eq!(places(&mut connection, &AuditQuery { action: Some("login".into()), ..all }), [3, 2, 1]);
        Ok(())
    }

    #[test]
    fn cuts_long_texts_between_characters() -> TestResult {
        let mut connection = migrated();
        let long = format!("x{}", "ü".repeat(2_000));
        let text = || Some(long.clone());
        let new = NewEntry {
            actor: text(),
            actor_name: text(),
            kind: long.clone(),
            address: text(),
            action: long.clone(),
            target: text(),
            result: long.clone(),
            request_id: text(),
            detail: text(),
            at_ms: 0,
        };
        append(&mut connection, new)?;
        let query = AuditQuery { limit: 1, ..AuditQuery::default() };
        let entry = list(&mut connection, &query)?.pop().ok_or("it was added")?;
        let texts = [
            Some(entry.kind),
            Some(entry.action),
            Some(entry.result),
            entry.actor,
            entry.actor_name,
            entry.address,
            entry.target,
            entry.request_id,
        ];
        for text in texts {
            assert_eq!(text.map(|text| text.len()), Some(TEXT_BYTES_MAX - 1));
        }
        assert_eq!(entry.detail.map(|text| text.len()), Some(DETAIL_BYTES_MAX - 1));
        Ok(())
    }
}
