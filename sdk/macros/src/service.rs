//! One implementation of a gRPC service, with `#[grpc]`.
//!
//! A macro sees no other file, so the names of service and methods are written, or follow from those of the functions. The
//! generated code has the compiler compare them with what the `.proto` file says.

use proc_macro2::Span;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Meta, Path, Result, Type};

use crate::access;
use crate::manifest;
use crate::options::{AttributeOption, parse_attribute, parse_options};

/// Most services that the manifest's schema accepts.
pub(crate) const SERVICES_MAX: usize = 20;
/// Most methods of a service that the manifest's schema accepts.
const METHODS_MAX: usize = 100;
/// Most keys of metadata that the manifest's schema accepts.
const METADATA_MAX: usize = 32;
/// Longest name of a service that the manifest's schema accepts, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// What a service says of all its methods, and a method of itself.
const OPTIONS: [&str; 8] =
    ["public", "signed_in", "roles", "scopes", "transaction", "metadata", "message_max", "timeout"];
/// What a method says of itself.
const METHOD_OPTIONS: [&str; 9] =
    ["name", "public", "signed_in", "roles", "scopes", "transaction", "metadata", "message_max", "timeout"];

/// The options that `access` reads together.
const ACCESS: [&str; 4] = ["public", "signed_in", "roles", "scopes"];

/// A service, ready to be written down and to be called.
pub(crate) struct Service {
    pub(crate) manifest: manifest::Service,
    pub(crate) name_span: Span,
    pub(crate) implemented: Path,
    pub(crate) of: Type,
    pub(crate) functions: Vec<Ident>,
}

impl Service {
    /// Reads the attribute and the implementation under it, and takes `#[method]` off its functions.
    pub(crate) fn parse(attribute: &Attribute, item: &mut ItemImpl) -> Result<Self> {
        let missing = "which service? write for example `#[grpc(\"greetings.v1.Greeter\")]`";
        let (name, options) = parse_attribute(attribute, missing, &OPTIONS)?;
        check_name(&name)?;
        let Some((implemented, _)) = &item.trait_ else {
            let message =
                "`#[grpc]` belongs on the implementation of a service's trait: write `impl Greeter for Service`";
            return Err(Error::new(item.self_ty.span(), message));
        };
        let implemented = implemented.clone();
        let mut service = manifest::Service { service: name.value(), methods: Vec::new() };
        let mut functions = Vec::new();
        for inner in &mut item.items {
            let ImplItem::Fn(function) = inner else {
                let message = "the service's trait has all of it but its functions: leave this out";
                return Err(Error::new(inner.span(), message));
            };
            service.methods.push(parse_method(&options, function)?);
            functions.push(function.sig.ident.clone());
        }
        if !(1..=METHODS_MAX).contains(&service.methods.len()) {
            return Err(Error::new(name.span(), format!("a service has 1 to {METHODS_MAX} methods")));
        }
        Ok(Self { manifest: service, name_span: name.span(), implemented, of: (*item.self_ty).clone(), functions })
    }
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    if text.len() <= NAME_BYTES_MAX && text.split('.').all(is_identifier) {
        return Ok(());
    }
    let message = format!("`{text}` is not the full name of a service, like \"greetings.v1.Greeter\"");
    Err(Error::new(name.span(), message))
}

/// Returns whether a text is a name in a `.proto` file.
fn is_identifier(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit())
}

fn parse_method(of_service: &[AttributeOption], function: &mut ImplItemFn) -> Result<manifest::Method> {
    if let Some(receiver @ FnArg::Receiver(_)) = function.sig.inputs.first() {
        let message = "a method takes its request alone: what lasts longer than a call lies in `kv`";
        return Err(Error::new(receiver.span(), message));
    }
    let own = take_options(function)?;
    let handler = function.sig.ident.to_string();
    let is_about_access = |option: &&AttributeOption| ACCESS.contains(&option.name.as_str());
    let access = if own.iter().any(|option| is_about_access(&option)) { &own } else { of_service };
    let mut method = manifest::Method {
        name: upper_camel(handler.trim_start_matches("r#")),
        handler,
        access: access::read(access)?,
        transaction: None,
        metadata: Vec::new(),
        message_bytes_max: None,
        timeout_ms: None,
    };
    for option in of_service.iter().chain(&own) {
        apply(option, &mut method)?;
    }
    Ok(method)
}

/// Takes `#[method(...)]` off a function, and reads it.
fn take_options(function: &mut ImplItemFn) -> Result<Vec<AttributeOption>> {
    let is_ours = |attribute: &Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "method");
    let Some(at) = function.attrs.iter().position(is_ours) else { return Ok(Vec::new()) };
    let attribute = function.attrs.remove(at);
    let Meta::List(list) = &attribute.meta else {
        let message = "what about the method? write for example `#[method(roles(\"clerk\"))]`";
        return Err(Error::new_spanned(attribute, message));
    };
    (|input: ParseStream<'_>| parse_options(input, &METHOD_OPTIONS)).parse2(list.tokens.clone())
}

fn apply(option: &AttributeOption, method: &mut manifest::Method) -> Result<()> {
    match option.name.as_str() {
        name if ACCESS.contains(&name) => {}
        "name" => {
            let name = option.text()?;
            if !is_identifier(&name.value()) {
                return Err(Error::new(name.span(), format!("`{}` is not the name of a method", name.value())));
            }
            method.name = name.value();
        }
        "transaction" => method.transaction = Some(option.choice(&["read", "write", "none"])?),
        "metadata" => {
            method.metadata.clear();
            for key in option.texts(METADATA_MAX)? {
                check_key(&key)?;
                if !method.metadata.contains(&key.value()) {
                    method.metadata.push(key.value());
                }
            }
        }
        "message_max" => method.message_bytes_max = Some(option.bytes()?),
        "timeout" => method.timeout_ms = Some(option.millis()?),
        other => unreachable!("`{other}` is an option of a method, and has no meaning here"),
    }
    Ok(())
}

fn check_key(text: &LitStr) -> Result<()> {
    let key = text.value();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let message = if ["authorization", "cookie", "proxy-authorization"].contains(&key.as_str()) {
        format!("`{key}` never reaches a plugin: ask `Context.caller()` who calls")
    } else if key.starts_with("grpc-") || key.ends_with("-bin") {
        format!("`{key}` never reaches a plugin: it is the protocol's own, or binary")
    } else if key.is_empty() || key.len() > 128 || !key.chars().all(fits) {
        format!("`{key}` is not a key of metadata in lower case, like \"x-tenant\"")
    } else {
        return Ok(());
    };
    Err(Error::new(text.span(), message))
}

/// Writes a function's name as the style guide of Protocol Buffers has a method's: `list_all` is `ListAll`.
fn upper_camel(name: &str) -> String {
    let capitalized = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(capitalized).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_its_methods_name() {
        assert_eq!(upper_camel("list_all"), "ListAll");
        assert_eq!(upper_camel("get"), "Get");
        assert_eq!(upper_camel("get_v2"), "GetV2");
    }

    #[test]
    fn a_name_is_one_of_a_proto_file() {
        for name in ["Greeter", "a.b_1.C", "_a.B"] {
            assert!(name.split('.').all(is_identifier), "{name}");
        }
        for name in ["", "a..B", "a.1B", "a-b.C", "a.B."] {
            assert!(!name.split('.').all(is_identifier), "{name}");
        }
    }
}
