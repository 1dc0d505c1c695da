//! `[auth.external.<name>]`: an outside issuer whose tokens are believed.

use std::{collections::BTreeMap, time::Duration};

use backplane_auth::{AcceptedTypes, ClaimRule, ExternalAlgorithm, ExternalIssuer, InvalidIssuer, Names};
use http::Uri;

use super::{
    reader::{Reader, Section},
    value::Value,
};

/// How long an outside token can be good, by default and at most.
const TOKEN_TTL_MAX: Duration = Duration::from_hours(24);

/// One outside issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalConfig {
    /// `iss` of its tokens, letter by letter; an https address.
    pub issuer: String,
    /// Where its keys are: an https address, or http on this machine.
    pub jwks_url: String,
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// A token must be signed with one of these.
    pub algorithms: Vec<ExternalAlgorithm>,
    /// Whether a token may be of type `JWT` or of none, instead of `at+jwt`. Default false.
    pub unmarked_tokens: bool,
    /// Tokens that are good for longer are refused. Default 24 h, which is the most.
    pub token_ttl_max: Duration,
    /// Who has which roles and scopes; without a rule nobody has any.
    pub rules: Vec<ClaimRule>,
}

impl ExternalConfig {
    /// Reads every table under `[auth.external]`.
    pub(super) fn read_all(reader: &mut Reader, tables: toml::Table) -> BTreeMap<String, Self> {
        let mut all: BTreeMap<String, Self> = BTreeMap::new();
        for (name, value) in tables {
            let key = format!("auth.external.{name}");
            let toml::Value::Table(table) = value else {
                reader.refuse_in_file(&key, format!("is a table: write its keys under `[{key}]`"));
                continue;
            };
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                reader.refuse_in_file(&key, "is not a name: use letters, digits, `-` and `_`".to_owned());
                continue;
            }
            let external = Self::read(reader.file_section(key.clone(), table));
            if let Some((other, _)) = all.iter().find(|(_, other)| other.issuer == external.issuer) {
                let message = format!("is the issuer of `auth.external.{other}` too: write one table for each issuer");
                reader.refuse_in_file(&format!("{key}.issuer"), message);
            }
            all.insert(name, external);
        }
        all
    }

    fn read(mut section: Section<'_>) -> Self {
        let names = section.get("algorithms", Vec::new());
        let external = Self {
            issuer: section.optional("issuer").unwrap_or_default(),
            jwks_url: section.optional("jwks_url").unwrap_or_default(),
            audiences: section.get("audiences", Vec::new()),
            algorithms: names.iter().filter_map(|name: &String| ExternalAlgorithm::parse(name)).collect(),
            unmarked_tokens: section.get("unmarked_tokens", false),
            token_ttl_max: section.within("token_ttl_max", TOKEN_TTL_MAX, Duration::from_mins(1)..=TOKEN_TTL_MAX),
            rules: section.get("rules", Vec::new()),
        };
        if let Some(name) = names.iter().find(|name| ExternalAlgorithm::parse(name).is_none()) {
            let message = format!("`{name}` is not accepted: write some of \"ES256\", \"EdDSA\", \"RS256\", \"PS256\"");
            section.refuse("algorithms", message);
        }
        if !is_fetchable(&external.jwks_url) {
            let message = format!("{:?} is not the https address of a key set", external.jwks_url);
            section.refuse("jwks_url", message);
        }
        match external.to_issuer() {
            Err(error @ InvalidIssuer::Issuer(_)) => section.refuse("issuer", error.to_string()),
            Err(error @ InvalidIssuer::NoAudience(_)) => section.refuse("audiences", error.to_string()),
            Err(error @ InvalidIssuer::NoAlgorithm(_)) if names.is_empty() => {
                section.refuse("algorithms", error.to_string());
            }
            Err(InvalidIssuer::NoAlgorithm(_)) | Ok(_) => {}
        }
        section.close();
        external
    }

    /// Makes the issuer that tokens are verified for.
    ///
    /// # Errors
    /// When a part is missing or cannot be; never for a configuration that was loaded.
    pub fn to_issuer(&self) -> Result<ExternalIssuer, InvalidIssuer> {
        let types = if self.unmarked_tokens { AcceptedTypes::Unmarked } else { AcceptedTypes::AccessToken };
        let issuer = ExternalIssuer::new(self.issuer.clone(), self.audiences.clone(), self.algorithms.clone())?;
        Ok(issuer.with_types(types).with_rules(self.rules.clone()).with_lifetime_max(self.token_ttl_max))
    }
}

/// Returns whether keys may be fetched from `url`: nobody on the way may be able to change them.
fn is_fetchable(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
        _ => false,
    }
}

impl Value for Vec<ClaimRule> {
    const EXPECTED: &'static str =
        "a list such as [{ claim = \"/groups\", value = \"staff\", roles = [\"clerk\"], scopes = [\"orders:read\"] }]";

    /// Rules are written in the file only.
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_toml(value: &toml::Value) -> Option<Self> {
        value.as_array()?.iter().map(|rule| to_rule(rule.as_table()?)).collect()
    }

    fn to_toml(&self) -> toml::Value {
        let names = |names: &Names| toml::Value::from(names.iter().map(str::to_owned).collect::<Vec<_>>());
        let to_table = |rule: &ClaimRule| {
            toml::Table::from_iter([
                ("claim".to_owned(), rule.claim.clone().into()),
                ("value".to_owned(), rule.value.clone().into()),
                ("roles".to_owned(), names(&rule.roles)),
                ("scopes".to_owned(), names(&rule.scopes)),
            ])
        };
        self.iter().map(|rule| toml::Value::Table(to_table(rule))).collect::<Vec<_>>().into()
    }
}

fn to_rule(table: &toml::Table) -> Option<ClaimRule> {
    if table.keys().any(|key| !["claim", "value", "roles", "scopes"].contains(&key.as_str())) {
        return None;
    }
    let text = |key| table.get(key).and_then(toml::Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let names = |key| match table.get(key) {
        Some(value) => Vec::<String>::from_toml(value).and_then(|names| Names::new(names).ok()),
        None => Some(Names::default()),
    };
    let claim = text("claim").filter(|claim| claim.starts_with('/'))?;
    Some(ClaimRule { claim, value: text("value")?, roles: names("roles")?, scopes: names("scopes")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_where_nobody_can_change_them_on_the_way() {
        for good in
            ["https://id.example/jwks", "https://id.example:8443/a?b=c", "http://127.0.0.1:9/x", "http://[::1]:9/x"]
        {
            assert!(is_fetchable(good), "{good}");
        }
        for bad in
            ["", "/jwks", "id.example", "http://id.example/", "http://127.0.0.1@id.example/", "file:///etc/passwd"]
        {
            assert!(!is_fetchable(bad), "{bad}");
        }
    }

    #[test]
    fn a_rule_reads_back() {
        let text = r#"rules = [{ claim = "/groups", value = "staff", roles = ["clerk"] }]"#;
        let table: toml::Table = text.parse().expect("TOML");
        let rules = Vec::<ClaimRule>::from_toml(&table["rules"]).expect("rules");
        assert_eq!((rules.len(), rules[0].roles.to_scope().as_str(), rules[0].scopes.is_empty()), (1, "clerk", true));
        assert_eq!(Vec::<ClaimRule>::from_toml(&rules.to_toml()), Some(rules));
    }

    #[test]
    fn refuses_a_rule_that_is_misspelled() {
        for rule in [
            r#"{ claim = "groups", value = "staff" }"#,
            r#"{ claim = "/groups" }"#,
            r#"{ claim = "/groups", value = "" }"#,
            r#"{ claim = "/groups", value = "a", role = ["b"] }"#,
            r#"{ claim = "/groups", value = "a", roles = "b" }"#,
            r#"{ claim = "/groups", value = "a", roles = ["b c"] }"#,
        ] {
            let table: toml::Table = format!("rules = [{rule}]").parse().expect("TOML");
            assert_eq!(Vec::<ClaimRule>::from_toml(&table["rules"]), None, "{rule}");
        }
    }
}
