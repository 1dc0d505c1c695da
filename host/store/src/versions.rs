//! The last versions of plugins, which one of each is live, and what the operator chose.
//!
//! - A plugin's history is written as a whole: the database has the one before or the new one.
//! - What is live or pinned is one of the versions; the database refuses another.
//!
//! This module knows a version's content by its hash only. Which versions are worth keeping, and when a pin ends, is
//! for the caller to decide.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::{
    error::StoreError,
    plugins::get_or_create_id,
    schema::{choices, plugins, versions},
    store::Store,
};

/// One version of a plugin. Its hash is its identity.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = versions, check_for_backend(diesel::sqlite::Sqlite))]
pub struct Version {
    /// The content's hash, in hexadecimal digits.
    pub hash: String,
    /// The version that the manifest names.
    pub version: String,
    /// Name of the file that it came as.
    pub file: String,
    /// Text of the manifest that lay beside the file.
    pub sidecar: Option<String>,
    /// When it last went live, in milliseconds since 1970.
    pub loaded_at_ms: i64,
}

/// The operator's choice of another version than the one in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The version that is live.
    pub chosen: String,
    /// The content of the plugin's file when the choice was made, which need not be kept.
    pub instead_of: String,
}

/// What is known of a plugin's versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The latest deployment first.
    pub versions: Vec<Version>,
    /// The live one.
    pub live: Option<String>,
    /// Why the live one is not the latest.
    pub pin: Option<Pin>,
}

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = choices, check_for_backend(diesel::sqlite::Sqlite))]
struct Choice {
    live: Option<String>,
    pin_chosen: Option<String>,
    pin_instead_of: Option<String>,
}

impl Store {
    /// Returns the histories of all plugins that have one, by the plugins' names. Blocks.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn histories(&self) -> Result<BTreeMap<String, History>, StoreError> {
        self.read(|connection| Ok(list(connection)?))
    }

    /// Puts a history in the place of the plugin's last one. It is on disk on return. Blocks.
    ///
    /// # Errors
    /// When the database cannot be written, or what is live or pinned is none of the versions. The last one stays.
    pub fn replace_history(&self, plugin: &str, history: History) -> Result<(), StoreError> {
        let plugin = plugin.to_owned();
        self.write(move |connection| Ok(replace(connection, &plugin, &history)?)).wait()
    }
}

/// Returns the histories of all plugins that have one, by the plugins' names.
fn list(connection: &mut SqliteConnection) -> QueryResult<BTreeMap<String, History>> {
    let mut histories: BTreeMap<String, History> = BTreeMap::new();
    let kept = versions::table
        .inner_join(plugins::table)
        .order((versions::plugin_id, versions::deployment.desc()))
        .select((plugins::name, Version::as_select()))
        .load::<(String, Version)>(connection)?;
    for (plugin, version) in kept {
        histories.entry(plugin).or_default().versions.push(version);
    }
    let chosen =
        choices::table
            .inner_join(plugins::table)
            .select((plugins::name, Choice::as_select()))
            .load::<(String, Choice)>(connection)?;
    for (plugin, choice) in chosen {
        let history = histories.entry(plugin).or_default();
        history.live = choice.live;
        let pin = choice.pin_chosen.zip(choice.pin_instead_of);
        history.pin = pin.map(|(chosen, instead_of)| Pin { chosen, instead_of });
    }
    Ok(histories)
}

/// Puts a history in the place of the plugin's last one. To be called in a transaction.
fn replace(connection: &mut SqliteConnection, plugin: &str, history: &History) -> QueryResult<()> {
    let id = get_or_create_id(connection, plugin)?;
    diesel::delete(choices::table.find(id)).execute(connection)?;
    diesel::delete(versions::table.filter(versions::plugin_id.eq(id))).execute(connection)?;
    for (deployment, version) in (1_i64..).zip(history.versions.iter().rev()) {
        diesel::insert_into(versions::table)
            .values((versions::plugin_id.eq(id), versions::deployment.eq(deployment), version))
            .execute(connection)?;
    }
    let choice = Choice {
        live: history.live.clone(),
        pin_chosen: history.pin.as_ref().map(|pin| pin.chosen.clone()),
        pin_instead_of: history.pin.as_ref().map(|pin| pin.instead_of.clone()),
    };
    diesel::insert_into(choices::table).values((choices::plugin_id.eq(id), choice)).execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error};

    use super::*;
    use crate::migrate::migrated;

    fn history(hashes: &[&str]) -> History {
        let version = |hash: &&str| Version {
            hash: (*hash).into(),
            version: "1.0.0".into(),
            file: "a.wasm".into(),
            sidecar: Some("name = \"a\"".into()),
            loaded_at_ms: 1_700_000_000_000,
        };
        History { versions: hashes.iter().map(version).collect(), ..History::default() }
    }

    #[test]
    fn gives_back_what_was_kept_in_its_order() -> QueryResult<()> {
        let mut connection = migrated();
        assert_eq!(list(&mut connection)?, BTreeMap::new());
        let pin = Some(Pin { chosen: "a".into(), instead_of: "gone".into() });
        let a = History { live: Some("a".into()), pin, ..history(&["c", "a", "b"]) };
        let b = History { versions: Vec::new(), ..History::default() };
        replace(&mut connection, "a", &a)?;
        replace(&mut connection, "b", &b)?;
        assert_eq!(list(&mut connection)?, BTreeMap::from([("a".into(), a), ("b".into(), b)]));
        Ok(())
    }

    #[test]
    fn a_history_takes_the_place_of_the_one_before() -> QueryResult<()> {
        let mut connection = migrated();
        let other = History { live: Some("1".into()), ..history(&["1"]) };
        replace(&mut connection, "other", &other)?;
        let pin = Some(Pin { chosen: "2".into(), instead_of: "3".into() });
        replace(&mut connection, "a", &History { live: Some("2".into()), pin, ..history(&["3", "2", "1"]) })?;
        let after = History { live: Some("4".into()), ..history(&["4", "3"]) };
        replace(&mut connection, "a", &after)?;
        assert_eq!(list(&mut connection)?, BTreeMap::from([("a".into(), after), ("other".into(), other)]));
        Ok(())
    }

    #[test]
    fn only_a_kept_version_is_live_or_pinned_and_a_refusal_changes_nothing() -> QueryResult<()> {
        let mut connection = migrated();
        let before = History { live: Some("1".into()), ..history(&["1"]) };
        replace(&mut connection, "a", &before)?;
        replace(&mut connection, "b", &history(&["2"]))?;
        let pin = Some(Pin { chosen: "2".into(), instead_of: "1".into() });
        for wrong in [History { live: Some("2".into()), ..history(&["1"]) }, History { pin, ..history(&["1"]) }] {
            let refused = connection.transaction(|connection| replace(connection, "a", &wrong));
            let kind = DatabaseErrorKind::ForeignKeyViolation;
            assert!(matches!(&refused, Err(Error::DatabaseError(refusal, _)) if kind == *refusal), "{refused:?}");
            assert_eq!(list(&mut connection)?.get("a"), Some(&before));
        }
        Ok(())
    }
}
