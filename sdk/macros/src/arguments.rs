//! The arguments of a handler: where each comes from, and which cannot be.
//!
//! A macro sees names, not types. What only a type can tell, such as whether something can be an argument at all,
//! the generated code leaves to the compiler; here are the mistakes that a name gives away.

use std::fmt::Display;

use quote::ToTokens;
use syn::{
    Attribute, Error, FnArg, GenericArgument, ItemFn, LitStr, PathArguments, Result, ReturnType, Safety, Type,
    parse_quote,
};

use crate::path::RoutePath;
use crate::route::Method;

/// Where an argument comes from.
pub(crate) enum Argument {
    /// A type that reads itself from the request.
    Extracted(Type),
    /// A header that `#[header("name")]` names.
    Header { name: LitStr, ty: Type },
}

/// Arguments that read the body.
const BODIES: [&str; 3] = ["Json", "Text", "Bytes"];

/// Types that are one value of a path, and never several.
const SINGLE_VALUES: [&str; 17] = [
    "String", "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64",
];

/// Checks a handler and returns its arguments, taking `#[header]` off them.
pub(crate) fn parse(function: &mut ItemFn, method: Method, path: &RoutePath) -> Result<Vec<Argument>> {
    check_signature(function, "for example `-> Result<Json<Order>>` or `-> NoContent`")?;
    // A handler owns what it takes, whatever it then does with it.
    function.attrs.push(parse_quote!(#[allow(clippy::needless_pass_by_value)]));
    let mut arguments = Vec::new();
    let mut body: Option<String> = None;
    for input in &mut function.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let ty = (*input.ty).clone();
        if let Some(name) = take_header(&mut input.attrs)? {
            arguments.push(Argument::Header { name, ty });
            continue;
        }
        if let Some((name, argument)) = named(&ty) {
            if name == "Path" {
                check_path(&ty, argument, path)?;
            }
            if BODIES.contains(&name.as_str()) {
                check_body(&ty, &name, method, body.replace(name.clone()))?;
            }
        }
        arguments.push(Argument::Extracted(ty));
    }
    Ok(arguments)
}

/// Refuses what no handler can be. `output` says what it may return.
pub(crate) fn check_signature(function: &ItemFn, output: &str) -> Result<()> {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return refuse(token, "a handler is not `async`: the host waits for it, so write a plain `fn`");
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return refuse(token, "a handler is not `unsafe`: write a plain `fn`");
    }
    if let Some(receiver) = signature.receiver() {
        return refuse(receiver, "a handler has no `self`: write a function, and take what it needs as arguments");
    }
    if !signature.generics.params.is_empty() {
        return refuse(&signature.generics, "a handler is not generic: write the types that it takes");
    }
    if let Some(attribute) = function.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        return refuse(attribute, "a handler is not conditional: it is in the manifest either way");
    }
    for input in &signature.inputs {
        if let FnArg::Typed(input) = input
            && let Type::ImplTrait(ty) = &*input.ty
        {
            return refuse(ty, "a handler is not generic: write the type that it takes");
        }
    }
    match signature.output {
        ReturnType::Default => refuse(&signature.ident, format!("a handler says what came of it: write {output}")),
        ReturnType::Type(..) => Ok(()),
    }
}

fn refuse(tokens: impl ToTokens, message: impl Display) -> Result<()> {
    Err(Error::new_spanned(tokens, message))
}

fn check_body(ty: &Type, name: &str, method: Method, before: Option<String>) -> Result<()> {
    if let Some(before) = before {
        let message = format!("the body is read once, and `{before}` has it: take one of `Json`, `Text` and `Bytes`");
        return refuse(ty, message);
    }
    if method.is_without_body() {
        let method = method.name();
        let message = format!("a {method} request has no body to read as `{name}`: use `#[post]`, or take a `Query`");
        return refuse(ty, message);
    }
    Ok(())
}

fn check_path(ty: &Type, argument: Option<&Type>, path: &RoutePath) -> Result<()> {
    let elements = match argument {
        Some(Type::Tuple(tuple)) => tuple.elems.len(),
        Some(other) if named(other).is_some_and(|(name, _)| SINGLE_VALUES.contains(&name.as_str())) => 1,
        _ if path.params.is_empty() => 0,
        _ => return Ok(()),
    };
    match path.params.as_slice() {
        [] => refuse(ty, "the route's path has no parameter to read: write one in braces, like `/{id}`"),
        params if params.len() == elements => Ok(()),
        [name] => refuse(ty, format!("the route's path has one parameter, `{name}`: write `Path<T>` with one type")),
        params => {
            let types = vec!["_"; params.len()].join(", ");
            let names = params.join("`, `");
            refuse(ty, format!("the route's path has the parameters `{names}`: write `Path<({types})>`"))
        }
    }
}

/// Returns the last name of a type's path and its first type argument, looking into `Option` and `Result`.
fn named(ty: &Type) -> Option<(String, Option<&Type>)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let argument = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        }),
        _ => None,
    };
    match (last.ident.to_string().as_str(), argument) {
        ("Option" | "Result", Some(inner)) => named(inner),
        (name, argument) => Some((name.to_owned(), argument)),
    }
}

fn take_header(attributes: &mut Vec<Attribute>) -> Result<Option<LitStr>> {
    let Some(position) = attributes.iter().position(|attribute| attribute.path().is_ident("header")) else {
        return Ok(None);
    };
    let attribute = attributes.remove(position);
    let wrong = |_| Error::new_spanned(&attribute, "name the header: write for example `#[header(\"if-match\")]`");
    attribute.parse_args().map(Some).map_err(wrong)
}
