//! Answers to requests with an idempotency key, kept so that a repeat gets the same answer.
//!
//! - A record is written in the commit whose effects it stands for, and never changed. Who comes second finds it.
//! - A record is as good as absent once it expired, whether or not it was deleted yet.
//!
//! What makes two requests the same, and what a differing fingerprint means, is for the caller to decide.

use diesel::prelude::*;

use crate::{schema::replies, size};

/// What a reply is found by, within one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyKey<'a> {
    /// Who asked.
    pub principal: &'a str,
    /// What was asked for, as method and path.
    pub route: &'a str,
    /// The idempotency key.
    pub key: &'a str,
}

/// A reply that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Stands for the request's content.
    pub fingerprint: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A reply to keep.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = replies)]
pub struct NewReply {
    principal: String,
    route: String,
    key: String,
    fingerprint: Vec<u8>,
    status: i32,
    expires_at_ms: i64,
    headers: String,
    body: Vec<u8>,
}

/// Where a reply to keep would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing is there.
    Free,
    /// An expired record, which makes way.
    Expired { bytes: u64 },
    /// There is one already, and it stays.
    Taken,
}

impl NewReply {
    /// Makes a record that is found by `key` until the time `expires_at_ms`.
    pub fn new(key: ReplyKey<'_>, reply: Reply, expires_at_ms: i64) -> Self {
        Self {
            principal: key.principal.to_owned(),
            route: key.route.to_owned(),
            key: key.key.to_owned(),
            fingerprint: reply.fingerprint,
            status: i32::from(reply.status),
            expires_at_ms,
            headers: serde_json::json!(reply.headers).to_string(),
            body: reply.body,
        }
    }

    /// Returns what it counts towards the plugin's quota: what it is found by, and the answer.
    pub fn bytes(&self) -> u64 {
        let texts = [&self.principal, &self.route, &self.key, &self.headers].map(String::len);
        let blobs = [&self.fingerprint, &self.body].map(Vec::len);
        texts.into_iter().chain(blobs).fold(0, |sum, length| sum.saturating_add(length as u64))
    }
}

/// Returns the reply to an earlier request.
pub(crate) fn find(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    key: ReplyKey<'_>,
    now_ms: i64,
) -> QueryResult<Option<Reply>> {
    let row: Option<(Vec<u8>, i32, String, Vec<u8>)> = replies::table
        .find((plugin_id, key.principal, key.route, key.key))
        .filter(replies::expires_at_ms.gt(now_ms))
        .select((replies::fingerprint, replies::status, replies::headers, replies::body))
        .first(connection)
        .optional()?;
    row.map(|(fingerprint, status, headers, body)| {
        let status = u16::try_from(status).map_err(damaged)?;
        let headers = serde_json::from_str(&headers).map_err(damaged)?;
        Ok(Reply { fingerprint, status, headers, body })
    })
    .transpose()
}

/// Finds out where a reply would go.
pub(crate) fn find_place(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    reply: &NewReply,
    now_ms: i64,
) -> QueryResult<Place> {
    let before: Option<(i64, i64)> = replies::table
        .find((plugin_id, &reply.principal, &reply.route, &reply.key))
        .select((replies::expires_at_ms, size::reply_bytes()))
        .first(connection)
        .optional()?;
    Ok(match before {
        None => Place::Free,
        Some((expires_at_ms, _)) if expires_at_ms > now_ms => Place::Taken,
        Some((_, bytes)) => Place::Expired { bytes: bytes.unsigned_abs() },
    })
}

/// Keeps a reply in its place, which is not taken. To be called in the transaction of what it stands for.
pub(crate) fn insert(
    connection: &mut SqliteConnection,
    plugin_id: i64,
    reply: &NewReply,
    place: Place,
) -> QueryResult<()> {
    if let Place::Expired { .. } = place {
        let expired = replies::table.find((plugin_id, &reply.principal, &reply.route, &reply.key));
        diesel::delete(expired).execute(connection)?;
    }
    diesel::insert_into(replies::table).values((replies::plugin_id.eq(plugin_id), reply)).execute(connection)?;
    Ok(())
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{migrate::migrated, plugins::get_or_create_id};

    const KEY: ReplyKey<'_> = ReplyKey { principal: "user:ann", route: "POST /orders", key: "k-1" };

    fn reply(body: &str) -> Reply {
        Reply {
            fingerprint: vec![0, 255],
            status: 201,
            headers: vec![("x".into(), "ü \"quoted\"".into()), ("x".into(), "twice".into())],
            body: body.into(),
        }
    }

    fn keep(connection: &mut SqliteConnection, plugin_id: i64, reply: &NewReply, now_ms: i64) -> QueryResult<Place> {
        let place = find_place(connection, plugin_id, reply, now_ms)?;
        if place != Place::Taken {
            insert(connection, plugin_id, reply, place)?;
        }
        Ok(place)
    }

    fn sum_of_bytes(connection: &mut SqliteConnection) -> QueryResult<i64> {
        Ok(replies::table.select(size::reply_bytes()).load::<i64>(connection)?.iter().sum())
    }

    #[test]
    fn gives_back_what_was_kept_until_it_expires() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        assert_eq!(keep(&mut connection, a, &NewReply::new(KEY, reply("one"), 100), 0)?, Place::Free);
        assert_eq!(find(&mut connection, a, KEY, 99)?, Some(reply("one")));
        assert_eq!(find(&mut connection, a, KEY, 100)?, None);
        Ok(())
    }

    #[test]
    fn the_first_of_two_stays() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        keep(&mut connection, a, &NewReply::new(KEY, reply("one"), 100), 0)?;
        assert_eq!(keep(&mut connection, a, &NewReply::new(KEY, reply("two"), 200), 99)?, Place::Taken);
        assert_eq!(find(&mut connection, a, KEY, 99)?, Some(reply("one")));
        Ok(())
    }

    #[test]
    fn an_expired_one_makes_way_and_says_its_size() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        let first = NewReply::new(KEY, reply("one"), 100);
        keep(&mut connection, a, &first, 0)?;
        let second = NewReply::new(KEY, reply("second"), 200);
        assert_eq!(keep(&mut connection, a, &second, 100)?, Place::Expired { bytes: first.bytes() });
        assert_eq!(find(&mut connection, a, KEY, 100)?, Some(reply("second")));
        Ok(())
    }

    #[test]
    fn is_found_by_all_of_plugin_principal_route_and_key() -> QueryResult<()> {
        let mut connection = migrated();
        let (a, b) = (get_or_create_id(&mut connection, "a")?, get_or_create_id(&mut connection, "b")?);
        keep(&mut connection, a, &NewReply::new(KEY, reply("one"), 100), 0)?;
        assert_eq!(find(&mut connection, b, KEY, 0)?, None);
        for other in
            [ReplyKey { principal: "user:bob", ..KEY }, ReplyKey { route: "PUT /", ..KEY }, ReplyKey { key: "", ..KEY }]
        {
            assert_eq!(find(&mut connection, a, other, 0)?, None, "{other:?}");
            assert_eq!(keep(&mut connection, a, &NewReply::new(other, reply("two"), 100), 0)?, Place::Free);
        }
        assert_eq!(find(&mut connection, a, KEY, 0)?, Some(reply("one")));
        Ok(())
    }

    #[test]
    fn sql_counts_the_bytes_that_rust_counts() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "ä")?;
        let kept = NewReply::new(ReplyKey { principal: "ünï", ..KEY }, reply("größer"), 100);
        keep(&mut connection, a, &kept, 0)?;
        assert_eq!(sum_of_bytes(&mut connection)?.unsigned_abs(), kept.bytes());
        Ok(())
    }
}
