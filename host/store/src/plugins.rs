//! Plugins as the database knows them: a number for each name, once given and never taken back. The host has one too.

use diesel::prelude::*;

use crate::schema::plugins;

/// The host's number.
pub(crate) const HOST_ID: i64 = 0;
/// The host's name, which no plugin can have.
pub(crate) const HOST: &str = "";

/// Returns the number of a plugin that ever kept something.
pub(crate) fn find_id(connection: &mut SqliteConnection, plugin: &str) -> QueryResult<Option<i64>> {
    plugins::table.filter(plugins::name.eq(plugin)).select(plugins::id).first(connection).optional()
}

/// Returns a plugin's number and gives it one if it has none.
pub(crate) fn get_or_create_id(connection: &mut SqliteConnection, plugin: &str) -> QueryResult<i64> {
    if let Some(id) = find_id(connection, plugin)? {
        return Ok(id);
    }
    diesel::insert_into(plugins::table).values(plugins::name.eq(plugin)).returning(plugins::id).get_result(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::migrated;

    #[test]
    fn a_plugin_keeps_its_number() -> QueryResult<()> {
        let mut connection = migrated();
        assert_eq!(find_id(&mut connection, "a")?, None);
        let a = get_or_create_id(&mut connection, "a")?;
        let b = get_or_create_id(&mut connection, "b")?;
        assert_ne!(a, b);
        assert_eq!(get_or_create_id(&mut connection, "a")?, a);
        assert_eq!(find_id(&mut connection, "b")?, Some(b));
        Ok(())
    }
}
