//! Subscriptions as an operator looks at them.

use diesel::{connection::DefaultLoadingMode, dsl::count_star, prelude::*};

use super::{LANES, log::Topics, retries, subscriptions::load_cursors};
use crate::{
    error::StoreError,
    keys::as_i64,
    schema::{dead_letters, events, subscriptions},
};

/// Which subscriptions are to be listed, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionQuery {
    /// Only those behind this one.
    pub after: i64,
    /// At most as many.
    pub limit: usize,
    /// Events that are looked at, at most, to find out how many wait for one of them.
    pub lag_events_max: usize,
}

/// A subscription, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionStatus {
    /// Its number.
    pub id: i64,
    /// The plugin.
    pub plugin: String,
    /// Which topics it takes.
    pub pattern: String,
    /// Why it is paused, if it is, as one word.
    pub paused: Option<String>,
    /// Since when nobody declares it, in Unix milliseconds.
    pub closed_at_ms: Option<i64>,
    /// For each lane, the last event that is behind it.
    pub cursors: [i64; LANES],
    /// Events that wait in the log.
    pub lag: Lag,
    /// Events that failed, and those behind them.
    pub retries: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// Events that wait in the log for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// How many were found.
    pub events: u64,
    /// Whether there may be more, which nobody looked for.
    pub is_more: bool,
    /// When the oldest of them was stored, in Unix milliseconds.
    pub oldest_ms: Option<i64>,
}

type Row = (i64, String, String, Option<String>, Option<i64>);

macro_rules! columns {
    () => {
        (
            subscriptions::id,
            subscriptions::plugin,
            subscriptions::pattern,
            subscriptions::paused,
            subscriptions::closed_at_ms,
        )
    };
}

/// Returns subscriptions by their numbers, those that nobody declares among them.
///
/// # Errors
/// When the database cannot be read.
pub fn list_subscriptions(
    connection: &mut SqliteConnection,
    query: SubscriptionQuery,
) -> Result<Vec<SubscriptionStatus>, StoreError> {
    let rows: Vec<Row> = subscriptions::table
        .filter(subscriptions::id.gt(query.after))
        .order(subscriptions::id)
        .limit(as_i64(query.limit))
        .select(columns!())
        .load(connection)?;
    rows.into_iter().map(|row| Ok(status(connection, row, query.lag_events_max)?)).collect()
}

/// Returns the subscription of a number.
///
/// # Errors
/// When the database cannot be read.
pub fn find_subscription(
    connection: &mut SqliteConnection,
    id: i64,
    lag_events_max: usize,
) -> Result<Option<SubscriptionStatus>, StoreError> {
    let row: Option<Row> = subscriptions::table.find(id).select(columns!()).first(connection).optional()?;
    Ok(row.map(|row| status(connection, row, lag_events_max)).transpose()?)
}

/// Returns the number of a subscription.
///
/// # Errors
/// When the database cannot be read.
pub fn find_subscription_by_name(
    connection: &mut SqliteConnection,
    plugin: &str,
    pattern: &str,
) -> Result<Option<i64>, StoreError> {
    let named = subscriptions::table.filter(subscriptions::plugin.eq(plugin).and(subscriptions::pattern.eq(pattern)));
    Ok(named.select(subscriptions::id).first(connection).optional()?)
}

fn status(connection: &mut SqliteConnection, row: Row, lag_events_max: usize) -> QueryResult<SubscriptionStatus> {
    let (id, plugin, pattern, paused, closed_at_ms) = row;
    let cursors = load_cursors(connection, id)?;
    let lag = lag(connection, &cursors, Topics::of_pattern(&pattern), lag_events_max)?;
    let retries = retries::count(connection, id)?.unsigned_abs();
    let dead_letters: i64 =
        dead_letters::table.filter(dead_letters::subscription.eq(id)).select(count_star()).first(connection)?;
    let dead_letters = dead_letters.unsigned_abs();
    Ok(SubscriptionStatus { id, plugin, pattern, paused, closed_at_ms, cursors, lag, retries, dead_letters })
}

fn lag(
    connection: &mut SqliteConnection,
    cursors: &[i64; LANES],
    topics: Topics<'_>,
    events_max: usize,
) -> QueryResult<Lag> {
    let first = cursors.iter().min().copied().unwrap_or_default();
    let rows = events::table
        .filter(events::seq.gt(first))
        .order(events::seq)
        .select((events::seq, events::lane, events::stored_at_ms, events::topic))
        .load_iter::<(i64, i64, i64, String), DefaultLoadingMode>(connection)?;
    let mut lag = Lag::default();
    for (looked_at, row) in rows.enumerate() {
        let (seq, lane, stored_at_ms, topic) = row?;
        if looked_at == events_max {
            lag.is_more = true;
            break;
        }
        let cursor = usize::try_from(lane).ok().and_then(|lane| cursors.get(lane));
        if cursor.is_some_and(|cursor| seq > *cursor) && topics.contains(&topic) {
            lag.events += 1;
            lag.oldest_ms.get_or_insert(stored_at_ms);
        }
    }
    Ok(lag)
}

impl<'a> Topics<'a> {
    /// Returns the topics that a subscription's pattern stands for.
    fn of_pattern(pattern: &'a str) -> Self {
        match pattern.strip_suffix(".*") {
            Some(above) => Self::Below(above),
            None if pattern == "*" => Self::All,
            None => Self::Exact(pattern),
        }
    }
}
