//! One setting that a plugin declares and an operator fills in.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ManifestError, check_length, read, unknown_fields};

/// The JSON type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are JSON's")]
pub enum SettingKind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

impl SettingKind {
    /// Returns whether `value` has this type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    /// Returns the type with its article, to be read in a sentence.
    pub fn described(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Array => "an array",
            Self::Object => "a table",
        }
    }
}

/// A checked setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Unique in the manifest.
    pub key: String,
    /// What its value must be.
    #[serde(rename = "type")]
    pub kind: SettingKind,
    /// Whether the plugin stays out until the operator gives a value.
    #[serde(default)]
    pub required: bool,
    /// Used when the operator gives none; of type `kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
}

const FIELDS: &[&str] = &["key", "type", "required", "default", "description"];

/// Reads the manifest's `config`.
pub(super) fn read_all(values: Vec<Value>, warnings: &mut Vec<String>) -> Result<Vec<Setting>, ManifestError> {
    let mut seen = HashSet::new();
    let mut settings = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let place = format!("config[{at}]");
        warnings.extend(unknown_fields(&format!("{place}."), &value, FIELDS));
        let setting: Setting = read(place.clone(), value)?;
        check(&place, &setting)?;
        if !seen.insert(setting.key.clone()) {
            return Err(ManifestError::invalid(place, format!("declares `{}` a second time", setting.key)));
        }
        settings.push(setting);
    }
    Ok(settings)
}

fn check(place: &str, setting: &Setting) -> Result<(), ManifestError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let first_is_letter = setting.key.starts_with(|c: char| c.is_ascii_lowercase());
    if !first_is_letter || setting.key.len() > 63 || !setting.key.bytes().all(allowed) {
        let reason = format!("is `{}`: use 1 to 63 of `a-z`, `0-9` and `_`, a letter first", setting.key);
        return Err(ManifestError::invalid(format!("{place}.key"), reason));
    }
    check_length(&format!("{place}.description"), &setting.description, 500)?;
    match &setting.default {
        Some(default) if !setting.kind.admits(default) => {
            let reason = format!("is {default}, which is not {}", setting.kind.described());
            Err(ManifestError::invalid(format!("{place}.default"), reason))
        }
        _ => Ok(()),
    }
}
