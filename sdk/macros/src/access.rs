//! Who may call a route: the options `public`, `signed_in`, `roles(...)` and `scopes(...)`, which are read together
//! because each says something about the others.
//!
//! A role or a scope is what a host lets a caller hold: a scope token of RFC 6749 §3.3 of at most 64 bytes, as
//! `wit/manifest.schema.json` has it.

use syn::{Error, LitStr, Result};

use crate::manifest::Access;
use crate::options::AttributeOption;

/// Longest role or scope in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Most roles or scopes that the manifest's schema accepts.
const NAMES_MAX: usize = 32;

/// Reads who may call; a route that says nothing needs a signed-in caller.
pub(crate) fn read(options: &[AttributeOption]) -> Result<Access> {
    let find = |name: &str| options.iter().find(|option| option.name == name);
    let [public, signed_in, roles, scopes] = ["public", "signed_in", "roles", "scopes"].map(find);
    for flag in [public, signed_in].into_iter().flatten() {
        flag.flag()?;
    }
    let lists = (roles.map(read_names).transpose()?, scopes.map(read_names).transpose()?);
    match (public, signed_in, lists) {
        (Some(_), None, (None, None)) => Ok(Access::Public),
        (None, _, (None, None)) => Ok(Access::SignedIn),
        (None, None, (roles, scopes)) => {
            Ok(Access::Restricted { roles: roles.unwrap_or_default(), scopes: scopes.unwrap_or_default() })
        }
        (Some(public), ..) => Err(public.error(
            "`public` lets anybody in: write it alone, or leave it out and write `roles(...)`, `scopes(...)` or both",
        )),
        (None, Some(signed_in), _) => {
            Err(signed_in
                .error("`roles(...)` and `scopes(...)` ask for a signed-in caller already: leave `signed_in` out"))
        }
    }
}

fn read_names(option: &AttributeOption) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for text in option.texts(NAMES_MAX)? {
        let name = text.value();
        check_name(&option.name, &text, &name)?;
        if names.contains(&name) {
            return Err(Error::new(text.span(), format!("`{name}` is there twice: write it once")));
        }
        names.push(name);
    }
    Ok(names)
}

fn check_name(option: &str, text: &LitStr, name: &str) -> Result<()> {
    let is_token = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_token) {
        return Ok(());
    }
    let (one, example) = if option == "roles" { ("role", "clerk") } else { ("scope", "orders:read") };
    let message = format!(
        "no caller can hold the {one} {name:?}: write 1 to {NAME_BYTES_MAX} ASCII letters, digits and signs without \
         space, `\"` and `\\`, like `{option}(\"{example}\")`"
    );
    Err(Error::new(text.span(), message))
}
