//! What is believed no more although its time is not over, in the order of coming.
//!
//! A row is written in the transaction of what it stands for, by the modules beside this one. A server reads what comes
//! after the last one that it has seen, and at its start everything: what is older than any token is deleted.

use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    prelude::*,
    serialize::{self, Output, ToSql},
    sql_types::Text,
    sqlite::Sqlite,
};

use crate::{error::StoreError, keys::as_i64, schema::revocations};

/// What kind of thing is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum RevocationKind {
    /// Every token of a session.
    Session,
    /// Every token of an account that was issued before. What is remembered of its API keys is looked up again.
    Subject,
    /// An API key.
    ApiKey,
}

/// Something that was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = revocations, check_for_backend(Sqlite))]
pub struct Revocation {
    /// Its place in the order, from 1.
    pub seq: i64,
    /// What kind of thing.
    pub kind: RevocationKind,
    /// Its id.
    pub name: String,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
}

impl RevocationKind {
    const ALL: [Self; 3] = [Self::Session, Self::Subject, Self::ApiKey];

    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Subject => "subject",
            Self::ApiKey => "api-key",
        }
    }
}

/// Returns at most `limit` revocations after the one of `seq`, in order; all that are kept come after 0.
///
/// # Errors
/// When the database cannot be read.
pub fn list_after(connection: &mut SqliteConnection, seq: i64, limit: usize) -> Result<Vec<Revocation>, StoreError> {
    let later = revocations::table.filter(revocations::seq.gt(seq)).order(revocations::seq).limit(as_i64(limit));
    Ok(later.select(Revocation::as_select()).load(connection)?)
}

pub(super) fn add(
    connection: &mut SqliteConnection,
    kind: RevocationKind,
    name: &str,
    at_ms: i64,
) -> Result<(), StoreError> {
    diesel::insert_into(revocations::table)
        .values((revocations::kind.eq(kind), revocations::name.eq(name), revocations::at_ms.eq(at_ms)))
        .execute(connection)?;
    Ok(())
}

impl ToSql<Text, Sqlite> for RevocationKind {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.as_str());
        Ok(serialize::IsNull::No)
    }
}

impl FromSql<Text, Sqlite> for RevocationKind {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, Sqlite>>::from_sql(value)?;
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| format!("`{text}` is no kind of revocation").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::migrated;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn gives_back_what_was_revoked_in_pages() -> TestResult {
        let mut connection = migrated();
        for (kind, name) in RevocationKind::ALL.into_iter().zip(["s1", "u1", "k1"]) {
            add(&mut connection, kind, name, 5)?;
        }
        let all: Vec<_> = (1..)
            .zip(RevocationKind::ALL)
            .zip(["s1", "u1", "k1"])
            .map(|((seq, kind), name)| Revocation { seq, kind, name: name.into(), at_ms: 5 })
            .collect();
        assert_eq!(list_after(&mut connection, 0, 10)?, all);
        assert_eq!(list_after(&mut connection, 0, 2)?, all[..2]);
        assert_eq!(list_after(&mut connection, 2, 2)?, all[2..]);
        assert_eq!(list_after(&mut connection, 3, 2)?, []);
        Ok(())
    }

    #[test]
    fn a_place_never_comes_twice() -> TestResult {
        let mut connection = migrated();
        add(&mut connection, RevocationKind::Session, "s1", 5)?;
        diesel::delete(revocations::table).execute(&mut connection)?;
        add(&mut connection, RevocationKind::Session, "s2", 5)?;
        let after: Vec<_> = list_after(&mut connection, 1, 10)?.into_iter().map(|row| (row.seq, row.name)).collect();
        assert_eq!(after, [(2, "s2".to_owned())]);
        Ok(())
    }
}
