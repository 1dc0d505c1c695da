//! What a plugin keeps, and its deletion.
//!
//! - The numbers are those that the quota counts: expired keys and replies count until they are deleted.
//! - Deletion goes in steps of bounded work, so that nobody who writes waits long. Each leaves the numbers right.
//! - A plugin's versions are not its data: they stay.

use diesel::{dsl::count_star, prelude::*};

use crate::{
    error::StoreError,
    plugins::HOST_ID,
    schema::{kv, plugins, replies, usage},
    sequence, size,
    store::Store,
};

/// Rows that one step of a deletion takes at most.
const STEP_ROWS_MAX: i64 = 500;
/// Bytes after which a step of a deletion takes no more. It takes one row at least.
const STEP_BYTES_MAX: u64 = 8 << 20;

/// What a plugin keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The plugin's name.
    pub plugin: String,
    /// Keys in all buckets.
    pub keys: u64,
    /// Stored replies.
    pub replies: u64,
    /// Bytes of keys and replies together.
    pub bytes: u64,
}

/// What one step of a deletion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Keys that were deleted.
    pub keys: u64,
    /// Replies that were deleted.
    pub replies: u64,
    /// Bytes of both together.
    pub bytes: u64,
    /// Whether there is more to delete.
    pub more: bool,
}

impl Store {
    /// Returns what a plugin keeps, if it ever kept something. Blocks.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn usage(&self, plugin: &str) -> Result<Option<Usage>, StoreError> {
        self.read(|connection| Ok(find(connection, plugin)?))
    }
}

/// Returns what every plugin keeps, by the plugins' names.
pub(crate) fn list(connection: &mut SqliteConnection) -> QueryResult<Vec<Usage>> {
    let mut all = Vec::new();
    for plugin in plugins::table
        .filter(plugins::id.ne(HOST_ID))
        .select(plugins::name)
        .order(plugins::name)
        .load::<String>(connection)?
    {
        all.extend(find(connection, &plugin)?);
    }
    Ok(all)
}

/// Returns what a plugin keeps, if it ever kept something.
pub(crate) fn find(connection: &mut SqliteConnection, plugin: &str) -> QueryResult<Option<Usage>> {
    let Some((id, counted)) = plugins::table
        .left_join(usage::table)
        .filter(plugins::name.eq(plugin))
        .select((plugins::id, (usage::keys, usage::bytes).nullable()))
        .first::<(i64, Option<(i64, i64)>)>(connection)
        .optional()?
    else {
        return Ok(None);
    };
    let replies: i64 = replies::table.filter(replies::plugin_id.eq(id)).select(count_star()).first(connection)?;
    let (keys, bytes) = counted.unwrap_or_default();
    Ok(Some(Usage {
        plugin: plugin.to_owned(),
        keys: keys.unsigned_abs(),
        replies: replies.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
    }))
}

/// Deletes a bounded part of what a plugin keeps, and leaves its numbers to the caller. To be called in a transaction.
pub(crate) fn delete_rows(connection: &mut SqliteConnection, plugin_id: i64) -> QueryResult<Deleted> {
    let mut deleted = Deleted::default();
    delete_keys(connection, plugin_id, &mut deleted)?;
    if !deleted.more {
        delete_replies(connection, plugin_id, &mut deleted)?;
    }
    Ok(deleted)
}

/// As [`delete_rows`], for who is not the writer, which keeps the numbers itself. It has a version, as a commit has: who
/// sees it knows that he sees more than a server has in memory.
pub(crate) fn delete_and_count(connection: &mut SqliteConnection, plugin_id: i64) -> QueryResult<Deleted> {
    let deleted = delete_rows(connection, plugin_id)?;
    let version = sequence::load(connection)? + 1;
    sequence::store(connection, version)?;
    let (keys, bytes) = (deleted.keys.cast_signed(), deleted.bytes.cast_signed());
    diesel::update(usage::table.find(plugin_id))
        .set((usage::keys.eq(usage::keys - keys), usage::bytes.eq(usage::bytes - bytes)))
        .execute(connection)?;
    Ok(deleted)
}

fn delete_keys(connection: &mut SqliteConnection, plugin_id: i64, deleted: &mut Deleted) -> QueryResult<()> {
    let first: Vec<(String, Vec<u8>, i64)> = kv::table
        .filter(kv::plugin_id.eq(plugin_id))
        .order((kv::bucket, kv::key))
        .select((kv::bucket, kv::key, size::kv_bytes()))
        .limit(STEP_ROWS_MAX + 1)
        .load(connection)?;
    for (bucket, key, bytes) in first {
        if deleted.is_enough() {
            deleted.more = true;
            break;
        }
        diesel::delete(kv::table.find((plugin_id, bucket, key))).execute(connection)?;
        deleted.keys += 1;
        deleted.bytes += bytes.unsigned_abs();
    }
    Ok(())
}

fn delete_replies(connection: &mut SqliteConnection, plugin_id: i64, deleted: &mut Deleted) -> QueryResult<()> {
    let first: Vec<(String, String, String, i64)> = replies::table
        .filter(replies::plugin_id.eq(plugin_id))
        .order((replies::principal, replies::route, replies::key))
        .select((replies::principal, replies::route, replies::key, size::reply_bytes()))
        .limit(STEP_ROWS_MAX + 1)
        .load(connection)?;
    for (principal, route, key, bytes) in first {
        if deleted.is_enough() {
            deleted.more = true;
            break;
        }
        diesel::delete(replies::table.find((plugin_id, principal, route, key))).execute(connection)?;
        deleted.replies += 1;
        deleted.bytes += bytes.unsigned_abs();
    }
    Ok(())
}

impl Deleted {
    fn is_enough(&self) -> bool {
        self.keys + self.replies >= STEP_ROWS_MAX.unsigned_abs() || self.bytes >= STEP_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        migrate::migrated,
        plugins::get_or_create_id,
        replies::{NewReply, Place, Reply, ReplyKey, insert},
    };

    /// Sets keys of `bytes` each, all in all, and counts them as the writer does.
    fn set_keys(connection: &mut SqliteConnection, plugin: &str, keys: usize, bytes: usize) -> QueryResult<i64> {
        let id = get_or_create_id(connection, plugin)?;
        for key in 0..keys {
            let (bucket, key) = (format!("b{}", key % 3), format!("{key:05}"));
            let value = vec![7; bytes - bucket.len() - key.len()];
            diesel::insert_into(kv::table)
                .values((
                    kv::plugin_id.eq(id),
                    kv::bucket.eq(bucket),
                    kv::key.eq(key.as_bytes()),
                    kv::version.eq(1),
                    kv::value.eq(value),
                ))
                .execute(connection)?;
        }
        count(connection, id, keys as i64, (keys * bytes) as i64)?;
        Ok(id)
    }

    fn keep_replies(connection: &mut SqliteConnection, id: i64, replies: usize) -> QueryResult<u64> {
        let mut bytes = 0;
        for reply in 0..replies {
            let key = ReplyKey { principal: "user:ann", route: "POST /", key: &reply.to_string() };
            let body = b"created".to_vec();
            let kept = NewReply::new(key, Reply { fingerprint: vec![1], status: 201, headers: Vec::new(), body }, 1);
            insert(connection, id, &kept, Place::Free)?;
            bytes += kept.bytes();
        }
        count(connection, id, 0, bytes.cast_signed())?;
        Ok(bytes)
    }

    fn count(connection: &mut SqliteConnection, id: i64, keys: i64, bytes: i64) -> QueryResult<()> {
        diesel::insert_into(usage::table)
            .values((usage::plugin_id.eq(id), usage::keys.eq(keys), usage::bytes.eq(bytes)))
            .on_conflict(usage::plugin_id)
            .do_update()
            .set((usage::keys.eq(usage::keys + keys), usage::bytes.eq(usage::bytes + bytes)))
            .execute(connection)?;
        Ok(())
    }

    /// Deletes all that a plugin keeps and returns the steps that it took.
    fn delete_all(connection: &mut SqliteConnection, id: i64) -> QueryResult<Vec<Deleted>> {
        let mut steps = Vec::new();
        loop {
            let deleted = connection.transaction(|connection| delete_and_count(connection, id))?;
            steps.push(deleted);
            if !deleted.more {
                return Ok(steps);
            }
        }
    }

    #[test]
    fn says_what_each_plugin_keeps() -> QueryResult<()> {
        let mut connection = migrated();
        assert_eq!(find(&mut connection, "a")?, None);
        let a = set_keys(&mut connection, "a", 4, 100)?;
        let bytes = keep_replies(&mut connection, a, 2)?;
        get_or_create_id(&mut connection, "empty")?;
        let usage = Usage { plugin: "a".into(), keys: 4, replies: 2, bytes: 400 + bytes };
        let empty = Usage { plugin: "empty".into(), keys: 0, replies: 0, bytes: 0 };
        assert_eq!(find(&mut connection, "a")?, Some(usage.clone()));
        assert_eq!(list(&mut connection)?, [usage, empty]);
        Ok(())
    }

    #[test]
    fn deletes_all_of_one_plugin_in_bounded_steps_and_nothing_of_another() -> QueryResult<()> {
        let mut connection = migrated();
        let a = set_keys(&mut connection, "a", 1_100, 20)?;
        let bytes = keep_replies(&mut connection, a, 700)?;
        set_keys(&mut connection, "b", 3, 20)?;
        let b = find(&mut connection, "b")?;

        let steps = delete_all(&mut connection, a)?;
        let rows: Vec<_> = steps.iter().map(|step| (step.keys, step.replies)).collect();
        assert_eq!(rows, [(500, 0), (500, 0), (100, 400), (0, 300)]);
        assert_eq!(steps.iter().map(|step| step.bytes).sum::<u64>(), 22_000 + bytes);
        let nothing = Usage { plugin: "a".into(), keys: 0, replies: 0, bytes: 0 };
        assert_eq!(find(&mut connection, "a")?, Some(nothing));
        assert_eq!(kv::table.filter(kv::plugin_id.eq(a)).count().get_result::<i64>(&mut connection)?, 0);
        assert_eq!(find(&mut connection, "b")?, b);
        Ok(())
    }

    #[test]
    fn large_values_end_a_step_early() -> QueryResult<()> {
        let mut connection = migrated();
        let a = set_keys(&mut connection, "a", 20, 1 << 20)?;
        let rows: Vec<_> = delete_all(&mut connection, a)?.iter().map(|step| step.keys).collect();
        assert_eq!(rows, [8, 8, 4]);
        Ok(())
    }

    #[test]
    fn nothing_is_deleted_of_a_plugin_that_keeps_nothing() -> QueryResult<()> {
        let mut connection = migrated();
        let a = get_or_create_id(&mut connection, "a")?;
        assert_eq!(delete_all(&mut connection, a)?, [Deleted::default()]);
        Ok(())
    }
}
