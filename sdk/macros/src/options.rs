//! Options of an attribute: `public`, `roles("clerk")`, `timeout = "2s"`.

use std::collections::BTreeSet;
use std::fmt::Display;

use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, Result, Token};

use crate::units::{parse_bytes, parse_millis};

/// One option, its name known and unique, its value not yet read.
pub(crate) struct AttributeOption {
    pub(crate) name: String,
    meta: Meta,
}

/// Reads the text that comes first, and the options behind it.
pub(crate) fn parse_attribute(
    attribute: &Attribute,
    missing: &str,
    known: &[&str],
) -> Result<(LitStr, Vec<AttributeOption>)> {
    let Meta::List(list) = &attribute.meta else { return Err(Error::new(attribute.path().span(), missing)) };
    let parser = |input: ParseStream<'_>| {
        let text: LitStr = input.parse().map_err(|error| Error::new(error.span(), missing))?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((text, parse_options(input, known)?))
    };
    parser.parse2(list.tokens.clone())
}

/// Reads `name, name(...), name = ...` up to the end.
pub(crate) fn parse_options(input: ParseStream<'_>, known: &[&str]) -> Result<Vec<AttributeOption>> {
    let mut seen = BTreeSet::new();
    let mut options = Vec::new();
    for meta in Punctuated::<Meta, Token![,]>::parse_terminated(input)? {
        let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
        if !known.contains(&name.as_str()) {
            let message = format!("unknown option `{name}`: the options here are {}", listed(known));
            return Err(Error::new_spanned(meta.path(), message));
        }
        if !seen.insert(name.clone()) {
            return Err(Error::new_spanned(meta.path(), format!("the option `{name}` is given twice")));
        }
        options.push(AttributeOption { name, meta });
    }
    Ok(options)
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl AttributeOption {
    /// Makes an error that points at the whole option.
    pub(crate) fn error(&self, message: impl Display) -> Error {
        Error::new_spanned(&self.meta, message)
    }

    /// Reads an option without a value.
    pub(crate) fn flag(&self) -> Result<()> {
        match &self.meta {
            Meta::Path(_) => Ok(()),
            _ => Err(self.error(format_args!("`{0}` takes no value: write `{0}`", self.name))),
        }
    }

    /// Reads `name = "text"`.
    pub(crate) fn text(&self) -> Result<LitStr> {
        match self.value() {
            Some(Lit::Str(text)) => Ok(text.clone()),
            _ => Err(self.error(format_args!("write `{} = \"...\"`, with text in quotes", self.name))),
        }
    }

    /// Reads `name = "one of these"`.
    pub(crate) fn choice(&self, choices: &[&'static str]) -> Result<&'static str> {
        let text = self.text()?;
        let value = text.value();
        choices.iter().find(|choice| **choice == value).copied().ok_or_else(|| {
            let choices: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
            Error::new(text.span(), format!("`{}` is {}, not \"{value}\"", self.name, choices.join(" or ")))
        })
    }

    /// Reads `name = 16`.
    pub(crate) fn count(&self) -> Result<u64> {
        let wrong = || self.error(format_args!("write `{} = 16`, a whole number from 1", self.name));
        let Some(Lit::Int(number)) = self.value() else { return Err(wrong()) };
        number.base10_parse().ok().filter(|count| *count > 0).ok_or_else(wrong)
    }

    /// Reads `name = "64KiB"` as bytes.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let Some(Lit::Str(text)) = self.value() else {
            return Err(self.error(format_args!("write `{} = \"64KiB\"`, a size with its unit", self.name)));
        };
        parse_bytes(&text.value()).map_err(|message| Error::new(text.span(), message))
    }

    /// Reads `name = "2s"` as milliseconds.
    pub(crate) fn millis(&self) -> Result<u64> {
        let Some(Lit::Str(text)) = self.value() else {
            return Err(self.error(format_args!("write `{} = \"2s\"`, a time with its unit", self.name)));
        };
        parse_millis(&text.value()).map_err(|message| Error::new(text.span(), message))
    }

    /// Reads `name("a", "b")`: 1 to `count_max` texts, as many as the manifest's schema accepts.
    pub(crate) fn texts(&self, count_max: usize) -> Result<Vec<LitStr>> {
        let name = &self.name;
        let wrong = || self.error(format_args!("write `{name}(\"...\", \"...\")`, 1 to {count_max} texts in quotes"));
        let Meta::List(list) = &self.meta else { return Err(wrong()) };
        let texts =
            Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(list.tokens.clone()).map_err(|_| wrong())?;
        if (1..=count_max).contains(&texts.len()) { Ok(texts.into_iter().collect()) } else { Err(wrong()) }
    }

    fn value(&self) -> Option<&Lit> {
        match &self.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(ExprLit { lit, .. }) => Some(lit),
                _ => None,
            },
            _ => None,
        }
    }
}
