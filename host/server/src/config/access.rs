//! `[plugin.<name>.access]`: what the operator asks of callers beyond what the plugin asks.
//!
//! Whether a line asks for more or for less is known when the plugin is, and decided there.

use backplane_auth::{Access, Names};

use super::{place::Place, reader::Reader, route_selector::RouteSelector, value::Value as _};

/// What a value can be, for the message to somebody who wrote something else.
const FORMS: &str = "write \"signed-in\", or { roles = [\"clerk\"], scopes = [\"orders:read\"] } with one list or both";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Where it stands.
    pub place: Place,
    /// The value as it would stand in the file.
    pub written: String,
    /// The routes that it is about.
    pub selects: RouteSelector,
    /// Who may call them, as far as this line goes.
    pub requires: Access,
}

impl AccessRule {
    /// Reads the lines of `table`, the table `name`.
    pub(super) fn read_all(reader: &mut Reader, name: &str, table: toml::Table) -> Vec<Self> {
        let mut rules = Vec::with_capacity(table.len());
        for (key, value) in table {
            match (RouteSelector::parse(&key), parse(&value)) {
                (Ok(selects), Ok(requires)) => {
                    let place = reader.place(name, key);
                    rules.push(Self { place, written: value.to_string(), selects, requires });
                }
                (selects, requires) => {
                    for reason in [selects.err(), requires.err()].into_iter().flatten() {
                        reader.refuse_in_file(&format!("{name}.{key:?}"), reason);
                    }
                }
            }
        }
        rules
    }
}

fn parse(value: &toml::Value) -> Result<Access, String> {
    match value {
        toml::Value::String(text) if text == "signed-in" => Ok(Access::signed_in()),
        // Legal where the plugin says so too, and pointless elsewhere: what it would open is refused with the plugin.
        toml::Value::String(text) if text == "public" => Ok(Access::Public),
        toml::Value::Table(table) => parse_lists(table),
        other => Err(format!("{other} is not understood: {FORMS}")),
    }
}

fn parse_lists(table: &toml::Table) -> Result<Access, String> {
    if table.is_empty() {
        return Err(format!("names nobody: {FORMS}"));
    }
    if let Some(key) = table.keys().find(|key| !["roles", "scopes"].contains(&key.as_str())) {
        return Err(format!("`{key}` is not known here: {FORMS}"));
    }
    let names = |key: &str| match table.get(key) {
        None => Ok(Names::default()),
        Some(value) => match Vec::<String>::from_toml(value).filter(|names| !names.is_empty()) {
            Some(names) => Names::new(names).map_err(|error| error.to_string()),
            None => Err(format!("`{key}` is {value}: name at least one, or leave it out")),
        },
    };
    Ok(Access::SignedIn { roles_any: names("roles")?, scopes_all: names("scopes")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> Result<Access, String> {
        let table: toml::Table = format!("x = {value}").parse().expect("TOML");
        parse(&table["x"])
    }

    fn names(names: &[&str]) -> Names {
        Names::new(names).expect("names")
    }

    #[test]
    fn reads_every_form() {
        assert_eq!(check("'public'"), Ok(Access::Public));
        assert_eq!(check("'signed-in'"), Ok(Access::signed_in()));
        let clerks = Access::SignedIn { roles_any: names(&["admin", "clerk"]), scopes_all: names(&[]) };
        assert_eq!(check("{ roles = ['clerk', 'admin'] }"), Ok(clerks));
        let both = Access::SignedIn { roles_any: names(&["clerk"]), scopes_all: names(&["a", "b"]) };
        assert_eq!(check("{ roles = ['clerk'], scopes = ['a', 'b'] }"), Ok(both));
    }

    #[test]
    fn refuses_what_is_none() {
        for value in [
            "'anybody'",
            "'Public'",
            "true",
            "['clerk']",
            "{}",
            "{ role = ['clerk'] }",
            "{ roles = 'clerk' }",
            "{ roles = [] }",
            "{ roles = ['clerk'], scopes = [] }",
            "{ roles = ['a clerk'] }",
            "{ scopes = [1] }",
        ] {
            assert!(check(value).is_err(), "{value}");
        }
    }
}
