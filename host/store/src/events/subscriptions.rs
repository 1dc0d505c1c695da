//! Subscriptions: who takes which topics, and how far each is.
//!
//! Whoever changes one here tells the dispatcher to load it anew, once that is on disk.

use diesel::{dsl::count_star, prelude::*};

use super::{LANES, dead_letters as letters, log, retries, step::RetryRow};
use crate::{
    error::StoreError,
    keys::as_i64,
    schema::{cursors, dead_letters, events, subscriptions},
};

/// How long the progress of a subscription that nobody declares is kept, in milliseconds: 7 days.
pub const DETACHED_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Subscriptions that there may be, those among them that nobody declares any more.
pub const SUBSCRIPTIONS_MAX: usize = 16_384;

/// What of a subscription outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its number, which never means another.
    pub id: i64,
    /// Counts the times that its progress was set by something else than a delivery.
    pub epoch: i64,
    /// For each lane, the last event that is behind it.
    pub cursors: [i64; LANES],
    /// Events that failed, and those behind them, without their problems.
    pub retries: Vec<RetryRow>,
    /// How many dead letters it has.
    pub dead_letters: u64,
    /// Why it is paused, if it is, as one word.
    pub paused: Option<String>,
}

/// From where a subscription takes events once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayFrom {
    /// Those behind this place.
    After(i64),
    /// All that came at a time or later, and what came up to `late_ms` before it. Where the clock was set back, times
    /// repeat; then it begins at one of the places at which this time came.
    Time {
        /// The time, in Unix milliseconds.
        at_ms: i64,
        /// How much later than the time of its commit, which is that of the call, an event may have come to its place,
        /// in milliseconds.
        late_ms: i64,
    },
}

/// Why a subscription was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSubscriptionError {
    /// There are too many.
    #[error("there are {SUBSCRIPTIONS_MAX} subscriptions, which is the most that there can be")]
    TooMany,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for OpenSubscriptionError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Says that a subscription is declared, and returns its progress. A new one begins at the end of the log, and so does
/// one that was closed for [`DETACHED_KEPT_MS`], with its dead letters; any other goes on where it is.
///
/// # Errors
/// When there are too many, or the database cannot be written.
pub fn open_subscription(
    connection: &mut SqliteConnection,
    plugin: &str,
    pattern: &str,
    now_ms: i64,
) -> Result<Progress, OpenSubscriptionError> {
    let found: Option<(i64, i64, Option<i64>)> = subscriptions::table
        .filter(subscriptions::plugin.eq(plugin).and(subscriptions::pattern.eq(pattern)))
        .select((subscriptions::id, subscriptions::epoch, subscriptions::closed_at_ms))
        .first(connection)
        .optional()?;
    let id = match found {
        None => create(connection, plugin, pattern)?,
        Some((id, epoch, closed_at_ms)) => {
            if closed_at_ms.is_some_and(|closed| now_ms.saturating_sub(closed) >= DETACHED_KEPT_MS) {
                begin_anew(connection, id, epoch)?;
            }
            if closed_at_ms.is_some() {
                let at = subscriptions::table.find(id);
                diesel::update(at).set(subscriptions::closed_at_ms.eq(None::<i64>)).execute(connection)?;
            }
            id
        }
    };
    Ok(load(connection, id)?)
}

fn create(connection: &mut SqliteConnection, plugin: &str, pattern: &str) -> Result<i64, OpenSubscriptionError> {
    let count: i64 = subscriptions::table.select(count_star()).first(connection)?;
    if count >= as_i64(SUBSCRIPTIONS_MAX) {
        return Err(OpenSubscriptionError::TooMany);
    }
    let id = diesel::insert_into(subscriptions::table)
        .values((subscriptions::plugin.eq(plugin), subscriptions::pattern.eq(pattern), subscriptions::epoch.eq(0)))
        .returning(subscriptions::id)
        .get_result(connection)?;
    put_cursors(connection, id)?;
    Ok(id)
}

fn begin_anew(connection: &mut SqliteConnection, id: i64, epoch: i64) -> QueryResult<()> {
    diesel::update(subscriptions::table.find(id))
        .set((subscriptions::epoch.eq(epoch + 1), subscriptions::paused.eq(None::<String>)))
        .execute(connection)?;
    retries::delete_after(connection, id, 0)?;
    diesel::delete(cursors::table.filter(cursors::subscription.eq(id))).execute(connection)?;
    put_cursors(connection, id)
}

/// All lanes begin at the end of the log.
fn put_cursors(connection: &mut SqliteConnection, id: i64) -> QueryResult<()> {
    let head = log::head(connection)?;
    for lane in 0..as_i64(LANES) {
        diesel::insert_into(cursors::table)
            .values((cursors::subscription.eq(id), cursors::lane.eq(lane), cursors::seq.eq(head)))
            .execute(connection)?;
    }
    Ok(())
}

fn load(connection: &mut SqliteConnection, id: i64) -> QueryResult<Progress> {
    let (epoch, paused) = subscriptions::table
        .find(id)
        .select((subscriptions::epoch, subscriptions::paused))
        .first::<(i64, Option<String>)>(connection)?;
    let dead_letters: i64 =
        dead_letters::table.filter(dead_letters::subscription.eq(id)).select(count_star()).first(connection)?;
    Ok(Progress {
        id,
        epoch,
        cursors: load_cursors(connection, id)?,
        retries: retries::list(connection, id)?,
        dead_letters: dead_letters.unsigned_abs(),
        paused,
    })
}

pub(super) fn load_cursors(connection: &mut SqliteConnection, id: i64) -> QueryResult<[i64; LANES]> {
    let rows: Vec<(i64, i64)> =
        cursors::table.filter(cursors::subscription.eq(id)).select((cursors::lane, cursors::seq)).load(connection)?;
    let mut all = [0; LANES];
    for (lane, seq) in rows {
        if let Some(cursor) = usize::try_from(lane).ok().and_then(|lane| all.get_mut(lane)) {
            *cursor = seq;
        }
    }
    Ok(all)
}

/// Says that a subscription is not declared any more, since `now_ms`. One that is closed stays closed since before.
///
/// # Errors
/// When the database cannot be written.
pub fn close_subscription(connection: &mut SqliteConnection, id: i64, now_ms: i64) -> Result<(), StoreError> {
    let open = subscriptions::table.filter(subscriptions::id.eq(id).and(subscriptions::closed_at_ms.is_null()));
    diesel::update(open).set(subscriptions::closed_at_ms.eq(now_ms)).execute(connection)?;
    Ok(())
}

/// Returns number, plugin and pattern of all subscriptions that are declared.
///
/// # Errors
/// When the database cannot be read.
pub fn list_open_subscriptions(connection: &mut SqliteConnection) -> Result<Vec<(i64, String, String)>, StoreError> {
    Ok(subscriptions::table
        .filter(subscriptions::closed_at_ms.is_null())
        .order(subscriptions::id)
        .select((subscriptions::id, subscriptions::plugin, subscriptions::pattern))
        .load(connection)?)
}

/// Pauses a subscription, and says whether it was not paused before. The reason of one that was stays.
///
/// # Errors
/// When the database cannot be written.
pub fn pause_subscription(connection: &mut SqliteConnection, id: i64, reason: &str) -> Result<bool, StoreError> {
    let going = subscriptions::table.filter(subscriptions::id.eq(id).and(subscriptions::paused.is_null()));
    Ok(diesel::update(going).set(subscriptions::paused.eq(reason)).execute(connection)? > 0)
}

/// Lets a subscription go on, and says whether it was paused.
///
/// # Errors
/// When the database cannot be written.
pub fn resume_subscription(connection: &mut SqliteConnection, id: i64) -> Result<bool, StoreError> {
    let paused = subscriptions::table.filter(subscriptions::id.eq(id).and(subscriptions::paused.is_not_null()));
    Ok(diesel::update(paused).set(subscriptions::paused.eq(None::<String>)).execute(connection)? > 0)
}

/// Has a subscription take events once more: its epoch is one more, every cursor beyond the place moves back to it, and
/// the retries and dead letters of later events are deleted, because the log delivers them again. Returns the place;
/// `None` where there is no such subscription.
///
/// # Errors
/// When the database cannot be written.
pub fn replay_subscription(
    connection: &mut SqliteConnection,
    id: i64,
    from: ReplayFrom,
) -> Result<Option<i64>, StoreError> {
    let after = match from {
        ReplayFrom::After(seq) => seq.max(0),
        // What is of before that came before `at_ms`, and so did all before it.
        ReplayFrom::Time { at_ms, late_ms } => before_time(connection, at_ms.saturating_sub(late_ms))?,
    };
    let epoch = subscriptions::epoch.eq(subscriptions::epoch + 1);
    if diesel::update(subscriptions::table.find(id)).set(epoch).execute(connection)? == 0 {
        return Ok(None);
    }
    let beyond = cursors::table.filter(cursors::subscription.eq(id).and(cursors::seq.gt(after)));
    diesel::update(beyond).set(cursors::seq.eq(after)).execute(connection)?;
    retries::delete_after(connection, id, after)?;
    letters::delete_after(connection, id, after)?;
    Ok(Some(after))
}

/// Returns a place whose event is of before `time_ms`, and the next one of `time_ms` or later, as far as there are any.
/// Where times rise with places there is one such place.
fn before_time(connection: &mut SqliteConnection, time_ms: i64) -> QueryResult<i64> {
    // Events from `low` to before `high` are open; what is right before is earlier, what is right behind is not.
    let (mut low, mut high) = (1, log::head(connection)?.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let next: Option<(i64, i64)> = events::table
            .filter(events::seq.ge(middle).and(events::seq.lt(high)))
            .order(events::seq)
            .select((events::seq, events::stored_at_ms))
            .first(connection)
            .optional()?;
        match next {
            Some((seq, stored)) if stored < time_ms => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low - 1)
}
