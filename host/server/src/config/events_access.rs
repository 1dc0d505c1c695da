//! `[[events.publish]]`, `[[events.follow]]` and `[[events.manage]]`: who may publish, read and manage events of which
//! topics.
//!
//! A rule allows, and nothing forbids: what no rule is about is for administrators alone.

use backplane_auth::{Access, Names};
use backplane_events::Pattern;

use super::{reader::Section, value::Value};

/// Most rules of one list.
const RULES_MAX: usize = 256;

/// Who may do what with events, besides administrators, who may everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventsAccess {
    /// Who may publish over HTTP. Default nobody.
    pub publish: Vec<TopicRule>,
    /// Who may read the log and follow it live. Default nobody.
    pub follow: Vec<TopicRule>,
    /// Who may see, pause, resume and replay subscriptions, and work on their dead letters. Default nobody.
    pub manage: Vec<TopicRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicRule {
    /// The topics that it is about.
    pub topics: Pattern,
    /// Who may: signed in, with one of these roles, where there are some, and all of these scopes.
    pub requires: Access,
}

impl EventsAccess {
    pub(super) fn read(events: &mut Section<'_>) -> Self {
        Self {
            publish: events.get("publish", Vec::new()),
            follow: events.get("follow", Vec::new()),
            manage: events.get("manage", Vec::new()),
        }
    }
}

impl TopicRule {
    fn parse(table: &toml::Table) -> Option<Self> {
        if table.keys().any(|key| !["topics", "roles", "scopes"].contains(&key.as_str())) {
            return None;
        }
        let topics = Pattern::new(table.get("topics")?.as_str()?).ok()?;
        let names = |key| match table.get(key) {
            None => Some(Names::default()),
            Some(value) => Names::new(Vec::<String>::from_toml(value).filter(|names| !names.is_empty())?).ok(),
        };
        let requires = Access::SignedIn { roles_any: names("roles")?, scopes_all: names("scopes")? };
        Some(Self { topics, requires })
    }

    fn to_table(&self) -> toml::Table {
        let mut table = toml::Table::from_iter([("topics".to_owned(), self.topics.as_str().into())]);
        if let Access::SignedIn { roles_any, scopes_all } = &self.requires {
            for (key, names) in [("roles", roles_any), ("scopes", scopes_all)] {
                if !names.is_empty() {
                    table.insert(key.to_owned(), names.iter().map(str::to_owned).collect::<Vec<_>>().into());
                }
            }
        }
        table
    }
}

impl Value for Vec<TopicRule> {
    const EXPECTED: &'static str =
        "rules such as { topics = \"orders.*\", roles = [\"clerk\"], scopes = [\"orders:write\"] }, 256 at most";

    /// Rules are written in the file only.
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        let rules = value.as_array().filter(|rules| rules.len() <= RULES_MAX)?;
        rules.iter().map(|rule| TopicRule::parse(rule.as_table()?)).collect()
    }

    fn to_toml(&self) -> toml::Value {
        self.iter().map(|rule| toml::Value::Table(rule.to_table())).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Option<Vec<TopicRule>> {
        let table: toml::Table = text.parse().expect("TOML");
        Vec::<TopicRule>::from_toml(&table["publish"])
    }

    #[test]
    fn a_rule_reads_back() {
        let text = "[[publish]]\ntopics = 'orders.*'\nroles = ['clerk']\nscopes = ['a', 'b']\n\
                    [[publish]]\ntopics = 'metrics.cpu'\n";
        let read = rules(text).expect("rules");
        let [orders, metrics] = read.as_slice() else { panic!("two rules") };
        let names = |names: &[&str]| Names::new(names).expect("names");
        let requires = Access::SignedIn { roles_any: names(&["clerk"]), scopes_all: names(&["a", "b"]) };
        assert_eq!((orders.topics.as_str(), &orders.requires), ("orders.*", &requires));
        assert_eq!(metrics.requires, Access::signed_in());
        assert_eq!(Vec::<TopicRule>::from_toml(&read.to_toml()), Some(read));
    }

    #[test]
    fn refuses_a_rule_that_is_misspelled() {
        for rule in [
            "'orders.*'",
            "{}",
            "{ roles = ['clerk'] }",
            "{ topics = 'orders*' }",
            "{ topics = ['orders'] }",
            "{ topics = 'orders', role = ['clerk'] }",
            "{ topics = 'orders', roles = 'clerk' }",
            "{ topics = 'orders', roles = [] }",
            "{ topics = 'orders', roles = ['a clerk'] }",
        ] {
            assert_eq!(rules(&format!("publish = [{rule}]")), None, "{rule}");
        }
        let many = vec!["{ topics = 'a' }"; RULES_MAX + 1].join(", ");
        assert_eq!(rules(&format!("publish = [{many}]")), None);
    }
}
