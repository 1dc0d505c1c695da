//! Finding this crate's attributes among the others of an item.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error};

use crate::route::Method;

/// What an attribute says about the item that carries it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Route(Method),
    On,
    Every,
    Cron,
    Grpc,
    Init,
    Config,
}

impl Role {
    /// Reads `#[get]` as well as `#[backplane_sdk::get]`.
    fn of(attribute: &Attribute) -> Option<Self> {
        let segments: Vec<String> = attribute.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
        let name = match segments.as_slice() {
            [name] => name,
            [sdk, name] if sdk == "backplane_sdk" => name,
            _ => return None,
        };
        match name.as_str() {
            "on" => Some(Role::On),
            "every" => Some(Role::Every),
            "cron" => Some(Role::Cron),
            "grpc" => Some(Role::Grpc),
            "init" => Some(Role::Init),
            "config" => Some(Role::Config),
            method => Method::find(method).map(Role::Route),
        }
    }
}

/// Takes this crate's attributes off an item.
pub(crate) fn take_roles(attributes: &mut Vec<Attribute>) -> Vec<(Role, Attribute)> {
    let (ours, others) = std::mem::take(attributes)
        .into_iter()
        .map(|attribute| (Role::of(&attribute), attribute))
        .partition::<Vec<_>, _>(|(role, _)| role.is_some());
    *attributes = others.into_iter().map(|(_, attribute)| attribute).collect();
    ours.into_iter().filter_map(|(role, attribute)| Some((role?, attribute))).collect()
}

/// Answers an attribute that no `#[plugin]` module has taken off.
pub(crate) fn misplaced(name: &str, item: &TokenStream) -> TokenStream {
    let message = format!("`#[{name}]` belongs on an item in a module with `#[backplane_sdk::plugin]`");
    let error = Error::new(proc_macro2::Span::call_site(), message).into_compile_error();
    quote! { #error #item }
}
