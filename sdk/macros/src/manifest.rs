//! The manifest, in the order and with the names of `wit/manifest.schema.json`.

use serde::Serialize;

/// Version of the contract that this SDK is built for.
const API: &str = "1.0";

/// Longest manifest that a host reads, in bytes.
pub(crate) const BYTES_MAX: usize = 64 << 10;

/// What a plugin says about itself before any of its code runs.
#[derive(Serialize)]
pub(crate) struct Manifest {
    api: &'static str,
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) instance: &'static str,
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub(crate) limits: Limits,
    pub(crate) routes: Vec<Route>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) publishes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) subscriptions: Vec<Subscription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) schedules: Vec<Schedule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) grpc: Vec<Service>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) config: Vec<Setting>,
}

/// What the plugin needs where the host's defaults do not fit.
#[derive(Default, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ms: Option<u64>,
}

/// One route; a request names it by its position.
#[derive(Clone, Serialize)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) handler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<String>,
    pub(crate) access: Access,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
}

/// Who may call.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    Public,
    #[default]
    SignedIn,
    /// One of the roles and all of the scopes; an empty list asks for nothing.
    #[serde(untagged)]
    Restricted {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
    },
}

/// Events that a function handles; an event names it by its position.
#[derive(Clone, Serialize)]
pub(crate) struct Subscription {
    pub(crate) pattern: String,
    pub(crate) handler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<u64>,
}

/// A function that runs by the clock; a run names it by its position.
#[derive(Clone, Serialize)]
pub(crate) struct Schedule {
    pub(crate) handler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) every_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missed: Option<&'static str>,
}

/// A gRPC service.
#[derive(Clone, Serialize)]
pub(crate) struct Service {
    pub(crate) service: String,
    pub(crate) methods: Vec<Method>,
}

/// One method; a call names it by its position among the methods of all services.
#[derive(Clone, Serialize)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) handler: String,
    pub(crate) access: Access,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) metadata: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
}

/// A setting that the operator may or must give.
#[derive(Clone, Serialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

impl Manifest {
    pub(crate) fn new(name: String, version: String) -> Self {
        Manifest {
            api: API,
            name,
            version,
            description: None,
            instance: "fresh",
            limits: Limits::default(),
            routes: Vec::new(),
            publishes: Vec::new(),
            subscriptions: Vec::new(),
            schedules: Vec::new(),
            grpc: Vec::new(),
            config: Vec::new(),
        }
    }

    /// Returns the manifest as compact JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text, numbers and lists of them always have a JSON form")
    }
}

impl Limits {
    fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Limits, Manifest, Route, Setting};

    #[test]
    fn says_only_what_differs_from_the_defaults() {
        let mut manifest = Manifest::new("orders".into(), "1.0.0".into());
        assert_eq!(
            manifest.to_json(),
            r#"{"api":"1.0","name":"orders","version":"1.0.0","instance":"fresh","routes":[]}"#
        );
        manifest.limits = Limits { timeout_ms: Some(500), ..Limits::default() };
        manifest.routes.push(Route {
            method: "GET",
            path: "/{id}".into(),
            handler: "show_order".into(),
            summary: None,
            access: Access::Restricted { roles: vec!["clerk".into()], scopes: Vec::new() },
            transaction: None,
            headers: vec!["if-match".into()],
            body_bytes_max: Some(0),
            timeout_ms: None,
        });
        manifest.config.push(Setting {
            key: "limit".into(),
            kind: "integer",
            required: false,
            default: Some(5.into()),
            description: None,
        });
        let json = manifest.to_json();
        let expected = concat!(
            r#""limits":{"timeout_ms":500},"routes":[{"method":"GET","path":"/{id}","handler":"show_order","#,
            r#""access":{"roles":["clerk"]},"headers":["if-match"],"body_bytes_max":0}],"#,
            r#""config":[{"key":"limit","type":"integer","default":5}]}"#
        );
        assert!(json.ends_with(expected), "{json}");
    }

    #[test]
    fn writes_access_as_the_schema_names_it() {
        let json = |access: &Access| serde_json::to_string(access).expect("an access is plain data");
        assert_eq!(json(&Access::Public), r#""public""#);
        assert_eq!(json(&Access::SignedIn), r#""signed-in""#);
        let restricted = |roles: &[&str], scopes: &[&str]| {
            let [roles, scopes] = [roles, scopes].map(|names| names.iter().map(ToString::to_string).collect());
            json(&Access::Restricted { roles, scopes })
        };
        assert_eq!(restricted(&["clerk"], &[]), r#"{"roles":["clerk"]}"#);
        assert_eq!(restricted(&[], &["orders:read"]), r#"{"scopes":["orders:read"]}"#);
        assert_eq!(restricted(&["a", "b"], &["c"]), r#"{"roles":["a","b"],"scopes":["c"]}"#);
    }
}
