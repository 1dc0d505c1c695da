//! Which gRPC services a plugin answers, and who may call their methods.
//!
//! What their messages look like stands in the component's descriptors (`descriptors.rs`), which this module does not
//! know.

use std::{collections::HashSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, Manifest, ManifestError, Transaction, check_count, check_length, millis, read, unknown_fields};

/// Most methods of one service.
const METHODS_MAX: usize = 100;
/// Most metadata keys that one method receives.
const METADATA_MAX: usize = 32;
/// Longest full name of a service.
const SERVICE_BYTES_MAX: usize = 256;
/// Longest name of a method, of its handler, and of a metadata key.
const NAME_BYTES_MAX: usize = 128;

/// Metadata that carries credentials; the host reads it, a guest never does.
const WITHHELD_METADATA: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// Packages whose services are the host's, or a standard's that the host serves.
const RESERVED_PACKAGES: &[&str] = &["backplane", "google", "grpc"];

/// A service that a plugin answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrpcService {
    /// Full name, for example `payments.v1.PaymentService`; unique in the manifest.
    pub service: String,
    /// All of its methods.
    pub methods: Vec<GrpcMethod>,
}

/// A unary method.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrpcMethod {
    /// Unique in its service.
    pub name: String,
    /// Name of the guest's function, for logs; may be empty.
    pub handler: String,
    /// Who may call.
    pub access: Access,
    /// How it uses state.
    pub transaction: Transaction,
    /// Keys of the metadata that the handler receives, in lower case.
    pub metadata: Vec<String>,
    /// Longest accepted request message; the host's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bytes_max: Option<usize>,
    /// Wall time of one call; the plugin's when absent.
    #[serde(rename = "timeout_ms", with = "millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

#[derive(Deserialize)]
struct RawService {
    service: String,
    methods: Vec<Value>,
}

#[derive(Deserialize)]
struct RawMethod {
    name: String,
    #[serde(default)]
    handler: String,
    access: Option<Value>,
    transaction: Option<Transaction>,
    #[serde(default)]
    metadata: Vec<String>,
    message_bytes_max: Option<usize>,
    #[serde(rename = "timeout_ms", with = "millis", default)]
    timeout: Option<Duration>,
}

const SERVICE_FIELDS: &[&str] = &["service", "methods"];
const METHOD_FIELDS: &[&str] =
    &["name", "handler", "access", "transaction", "metadata", "message_bytes_max", "timeout_ms"];

impl Manifest {
    /// Yields the gRPC methods of all services with their index, as `call.method` counts them.
    pub fn grpc_methods(&self) -> impl Iterator<Item = (u32, &GrpcService, &GrpcMethod)> {
        let methods = self.grpc.iter().flat_map(|service| service.methods.iter().map(move |method| (service, method)));
        (0..).zip(methods).map(|(index, (service, method))| (index, service, method))
    }

    /// Returns the gRPC method of this index.
    pub fn grpc_method(&self, index: u32) -> Option<&GrpcMethod> {
        let mut index = usize::try_from(index).ok()?;
        for service in &self.grpc {
            match service.methods.get(index) {
                Some(method) => return Some(method),
                None => index -= service.methods.len(),
            }
        }
        None
    }
}

/// Reads the manifest's `grpc`, and refuses a service that stands there twice.
pub(super) fn read_all(values: Vec<Value>, warnings: &mut Vec<String>) -> Result<Vec<GrpcService>, ManifestError> {
    let mut seen = HashSet::new();
    let mut services = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let place = format!("grpc[{at}]");
        warnings.extend(unknown_fields(&format!("{place}."), &value, SERVICE_FIELDS));
        let service = read_service(&place, value, warnings)?;
        if !seen.insert(service.service.clone()) {
            return Err(ManifestError::invalid(place, format!("lists `{}` a second time", service.service)));
        }
        services.push(service);
    }
    Ok(services)
}

fn read_service(place: &str, value: Value, warnings: &mut Vec<String>) -> Result<GrpcService, ManifestError> {
    let RawService { service, methods: values } = read(place.to_owned(), value)?;
    check_service(&service).map_err(|reason| ManifestError::invalid(format!("{place}.service"), reason))?;
    let list = format!("{place}.methods");
    check_count(&list, values.len(), METHODS_MAX)?;
    if values.is_empty() {
        return Err(ManifestError::invalid(list, "is empty: a service has at least one method"));
    }
    let mut seen = HashSet::new();
    let mut methods = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        let place = format!("{list}[{at}]");
        warnings.extend(unknown_fields(&format!("{place}."), &value, METHOD_FIELDS));
        let method = check_method(&place, read(place.clone(), value)?)?;
        if !seen.insert(method.name.clone()) {
            return Err(ManifestError::invalid(place, format!("lists `{}` a second time", method.name)));
        }
        methods.push(method);
    }
    Ok(GrpcService { service, methods })
}

fn check_service(name: &str) -> Result<(), String> {
    if name.len() > SERVICE_BYTES_MAX || !name.split('.').all(is_identifier) {
        return Err(format!(
            "is {name:?}, which is not the full name of a service of at most {SERVICE_BYTES_MAX} bytes, such as \
             `payments.v1.PaymentService`"
        ));
    }
    match name.split_once('.') {
        Some((package, _)) if RESERVED_PACKAGES.contains(&package) => {
            Err(format!("is `{name}`, but the package `{package}` is reserved: use one of your own"))
        }
        _ => Ok(()),
    }
}

fn check_method(place: &str, raw: RawMethod) -> Result<GrpcMethod, ManifestError> {
    let RawMethod { name, handler, access, transaction, metadata, message_bytes_max, timeout } = raw;
    check_length(&format!("{place}.name"), &name, NAME_BYTES_MAX)?;
    if !is_identifier(&name) {
        return Err(ManifestError::invalid(format!("{place}.name"), format!("is {name:?}, which names no method")));
    }
    check_length(&format!("{place}.handler"), &handler, NAME_BYTES_MAX)?;
    let list = format!("{place}.metadata");
    check_count(&list, metadata.len(), METADATA_MAX)?;
    for key in &metadata {
        check_key(key).map_err(|reason| ManifestError::invalid(list.clone(), reason))?;
    }
    let access = match access {
        Some(access) => Access::read(&format!("{place}.access"), access)?,
        None => Access::default(),
    };
    if timeout == Some(Duration::ZERO) {
        return Err(ManifestError::invalid(format!("{place}.timeout_ms"), "must be at least 1"));
    }
    let transaction = transaction.unwrap_or(Transaction::Write);
    Ok(GrpcMethod { name, handler, access, transaction, metadata, message_bytes_max, timeout })
}

/// Returns whether `name` is an identifier of Protocol Buffers.
fn is_identifier(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_letter) && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn check_key(key: &str) -> Result<(), String> {
    // What gRPC's protocol over HTTP/2 allows in the key of metadata.
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if key.is_empty() || key.len() > NAME_BYTES_MAX || !key.bytes().all(allowed) {
        return Err(format!("names `{key}`, which is not a metadata key in lower case"));
    }
    if WITHHELD_METADATA.contains(&key) {
        return Err(format!("names `{key}`: credentials never reach a plugin, ask the `context` interface who calls"));
    }
    if key.starts_with("grpc-") {
        return Err(format!("names `{key}`: keys that begin with `grpc-` are the protocol's"));
    }
    if key.ends_with("-bin") {
        return Err(format!("names `{key}`: binary metadata does not reach a plugin"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(grpc: &Value) -> Result<Manifest, String> {
        let manifest = json!({ "api": "1.0", "name": "a", "version": "0.0.1", "grpc": grpc });
        Manifest::from_json(manifest.to_string().as_bytes()).map(|parsed| parsed.manifest).map_err(|e| e.to_string())
    }

    #[track_caller]
    fn check_refusal(grpc: &Value, says: &str) {
        let error = parse(grpc).expect_err("must be refused");
        assert!(error.contains(says), "{error}");
    }

    fn with_method(method: &Value) -> Value {
        json!([{ "service": "a.S", "methods": [{ "name": "M" }, method] }])
    }

    #[test]
    fn reads_services_and_counts_their_methods_through() {
        let grpc = json!([
            { "service": "a.v1.S", "methods": [{ "name": "A" }, { "name": "B" }] },
            { "service": "T", "methods": [{
                "name": "A", "handler": "a", "access": { "roles": ["clerk"] }, "transaction": "read",
                "metadata": ["x-tenant", "traceparent"], "message_bytes_max": 10, "timeout_ms": 1500,
            }] },
        ]);
        let manifest = parse(&grpc).expect("a valid manifest");
        let names = |(index, service, method): (u32, &GrpcService, &GrpcMethod)| {
            format!("{index} {}/{}", service.service, method.name)
        };
        assert_eq!(manifest.grpc_methods().map(names).collect::<Vec<_>>(), ["0 a.v1.S/A", "1 a.v1.S/B", "2 T/A"]);
        for (index, _, method) in manifest.grpc_methods() {
            assert_eq!(manifest.grpc_method(index), Some(method));
        }
        assert_eq!((manifest.grpc_method(3), manifest.grpc_method(u32::MAX)), (None, None));
        let plain = &manifest.grpc[0].methods[0];
        assert_eq!((&plain.access, plain.transaction), (&Access::SignedIn, Transaction::Write));
        assert_eq!((plain.message_bytes_max, plain.timeout), (None, None));
        // What an operator is shown is what the plugin wrote.
        assert_eq!(serde_json::to_value(&manifest).expect("JSON")["grpc"][1], grpc[1]);
    }

    #[test]
    fn refuses_services_that_cannot_be() {
        for name in ["", ".", "a.", ".a", "a..b", "1a", "a-b", "a/b", "a b", "ä", &"a".repeat(257)] {
            check_refusal(&json!([{ "service": name, "methods": [{ "name": "M" }] }]), "`grpc[0].service` is");
        }
        for name in ["grpc.health.v1.Health", "backplane.v1.Plugins", "google.Q"] {
            check_refusal(
                &json!([{ "service": name, "methods": [{ "name": "M" }] }]),
                "is reserved: use one of your own",
            );
        }
        for name in ["grpcs.Q", "google", &"a".repeat(256)] {
            assert!(parse(&json!([{ "service": name, "methods": [{ "name": "M" }] }])).is_ok(), "{name}");
        }
        let service = |name: &str| json!({ "service": name, "methods": [{ "name": "M" }] });
        check_refusal(&json!([service("a.S"), service("a.S")]), "`grpc[1]` lists `a.S` a second time");
        let many: Vec<_> = (0..21).map(|n| service(&format!("a.S{n}"))).collect();
        check_refusal(&json!(many), "`grpc` has 21 entries, more than 20");
        check_refusal(&json!([{ "service": "a.S", "methods": [] }]), "`grpc[0].methods` is empty");
        check_refusal(&json!([{ "service": "a.S" }]), "`grpc[0]` is not valid");
        let methods: Vec<_> = (0..101).map(|n| json!({ "name": format!("M{n}") })).collect();
        check_refusal(&json!([{ "service": "a.S", "methods": methods }]), "`grpc[0].methods` has 101 entries");
    }

    #[test]
    fn refuses_methods_that_cannot_be() {
        check_refusal(&with_method(&json!({ "name": "M" })), "`grpc[0].methods[1]` lists `M` a second time");
        for name in ["", "1", "a.b", "a/b", "é"] {
            check_refusal(&with_method(&json!({ "name": name })), "`grpc[0].methods[1].name` is");
        }
        check_refusal(&with_method(&json!({ "name": "a".repeat(129) })), "methods[1].name` has 129 bytes");
        check_refusal(&with_method(&json!({ "name": "N", "handler": "a".repeat(129) })), "methods[1].handler` has 129");
        check_refusal(&with_method(&json!({ "name": "N", "access": "anyone" })), "methods[1].access` must be");
        check_refusal(&with_method(&json!({ "name": "N", "transaction": "all" })), "methods[1]` is not valid");
        check_refusal(
            &with_method(&json!({ "name": "N", "timeout_ms": 0 })),
            "methods[1].timeout_ms` must be at least 1",
        );
        check_refusal(&with_method(&json!({ "name": "N", "message_bytes_max": -1 })), "methods[1]` is not valid");
    }

    #[test]
    fn refuses_metadata_that_a_guest_must_not_see() {
        let with_key = |key: &str| with_method(&json!({ "name": "N", "metadata": ["x-a", key] }));
        for (key, says) in [
            ("authorization", "credentials never reach a plugin"),
            ("cookie", "credentials"),
            ("grpc-timeout", "the protocol's"),
            ("x-token-bin", "binary metadata"),
            ("X-Tenant", "not a metadata key"),
            ("", "not a metadata key"),
            (":path", "not a metadata key"),
            ("a b", "not a metadata key"),
        ] {
            check_refusal(&with_key(key), says);
            check_refusal(&with_key(key), "`grpc[0].methods[1].metadata`");
        }
        assert!(parse(&with_key("x_tenant.id-9")).is_ok());
        check_refusal(&with_method(&json!({ "name": "N", "metadata": vec!["a"; 33] })), "has 33 entries, more than 32");
    }

    #[test]
    fn warns_of_unknown_fields() {
        let manifest = r#"{"api":"1.0","name":"a","version":"0.0.1",
            "grpc":[{"service":"a.S","colour":1,"methods":[{"name":"M","streaming":true}]}]}"#;
        let warnings = Manifest::from_json(manifest.as_bytes()).expect("a valid manifest").warnings.join("; ");
        assert!(
            warnings.contains("`grpc[0].colour`") && warnings.contains("`grpc[0].methods[0].streaming`"),
            "{warnings}"
        );
    }

    #[test]
    fn the_schema_has_the_same_bounds() {
        let schema: Value = serde_json::from_str(include_str!("../../../../wit/manifest.schema.json")).expect("JSON");
        let [service, method] = ["grpc_service", "grpc_method"].map(|name| &schema["$defs"][name]["properties"]);
        assert_eq!(schema["properties"]["grpc"]["maxItems"], json!(super::super::GRPC_SERVICES_MAX));
        assert_eq!(service["service"]["maxLength"], json!(SERVICE_BYTES_MAX));
        assert_eq!(service["methods"]["maxItems"], json!(METHODS_MAX));
        assert_eq!(method["name"]["maxLength"], json!(NAME_BYTES_MAX));
        assert_eq!(method["metadata"]["maxItems"], json!(METADATA_MAX));
        let fields = |of: &Value| of.as_object().map(|fields| fields.keys().cloned().collect::<HashSet<_>>());
        let known = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        assert_eq!((fields(service), fields(method)), (known(SERVICE_FIELDS), known(METHOD_FIELDS)));
    }
}
