//! The struct with `#[config]`: one setting for each field.

use std::fmt::Display;

use quote::ToTokens;
use serde_json::Value;
use syn::{
    Attribute, Error, Expr, ExprLit, ExprUnary, Fields, Ident, ItemStruct, Lit, PathArguments, Result, Type, UnOp,
};

use crate::description::first_sentence;
use crate::manifest::Setting;

/// Most settings that the manifest's schema accepts.
const SETTINGS_MAX: usize = 200;

/// The settings struct, ready to be written down and to be read.
pub(crate) struct Settings {
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// JSON text for when nobody gives a value; `None` when somebody must.
    pub(crate) fallback: Option<String>,
    pub(crate) manifest: Setting,
}

impl Settings {
    /// Reads a struct, and takes `#[default]` off its fields.
    pub(crate) fn parse(item: &mut ItemStruct) -> Result<Self> {
        if !item.generics.params.is_empty() {
            return Err(Error::new_spanned(&item.generics, "settings are not generic: write the types of the fields"));
        }
        let Fields::Named(fields) = &mut item.fields else {
            return Err(Error::new(
                item.ident.span(),
                "settings are a struct with named fields: `struct Settings { .. }`",
            ));
        };
        if fields.named.len() > SETTINGS_MAX {
            return Err(Error::new(item.ident.span(), format!("a plugin has at most {SETTINGS_MAX} settings")));
        }
        let fields = fields.named.iter_mut().map(Field::parse).collect::<Result<_>>()?;
        Ok(Settings { name: item.ident.clone(), fields })
    }
}

impl Field {
    fn parse(field: &mut syn::Field) -> Result<Self> {
        let name = field.ident.clone().expect("the fields of a struct with named fields have names");
        let key = name.to_string().trim_start_matches("r#").to_owned();
        let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !key.starts_with(|c: char| c.is_ascii_lowercase()) || !key.chars().all(is_key) || key.len() > 63 {
            let message =
                "a setting's name starts with a-z, goes on with `a-z`, `0-9` and `_`, and has at most 63 of them";
            return Err(Error::new(name.span(), message));
        }
        let optional = inner_type(&field.ty, "Option");
        let kind = kind_of(optional.unwrap_or(&field.ty));
        let default = take_default(&mut field.attrs)?.map(|expr| default_of(&expr, kind)).transpose()?;
        let fallback = default.as_ref().map(Value::to_string).or_else(|| optional.map(|_| "null".into()));
        let manifest =
            Setting { key, kind, required: fallback.is_none(), default, description: first_sentence(&field.attrs) };
        Ok(Field { name, ty: field.ty.clone(), fallback, manifest })
    }
}

/// Returns the schema's name for the type of a field, as far as the type's name tells.
fn kind_of(ty: &Type) -> &'static str {
    let Type::Path(path) = ty else { return "object" };
    let name = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    match name.as_str() {
        "String" => "string",
        "bool" => "boolean",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => "integer",
        "f32" | "f64" => "number",
        "Vec" => "array",
        _ => "object",
    }
}

fn inner_type<'a>(ty: &'a Type, outer: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == outer)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

fn take_default(attributes: &mut Vec<Attribute>) -> Result<Option<Expr>> {
    let Some(position) = attributes.iter().position(|attribute| attribute.path().is_ident("default")) else {
        return Ok(None);
    };
    let attribute = attributes.remove(position);
    attribute.parse_args().map(Some).map_err(|_| Error::new_spanned(&attribute, "write a value: `#[default(5)]`"))
}

/// Returns a default as JSON, when it has the setting's type.
fn default_of(expr: &Expr, kind: &str) -> Result<Value> {
    let value = literal(expr)?;
    let fits = match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        _ => false,
    };
    match kind {
        _ if fits => Ok(value),
        "object" => {
            Err(Error::new_spanned(expr, "a setting that is an object has no default: make the field an `Option`"))
        }
        _ => Err(Error::new_spanned(expr, format!("the default of this setting is of type {kind}, as its field is"))),
    }
}

fn literal(expr: &Expr) -> Result<Value> {
    let wrong = |why: &dyn Display| Error::new_spanned(expr, format!("`{}` {why}", expr.to_token_stream()));
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Str(text) => Ok(text.value().into()),
            Lit::Bool(flag) => Ok(flag.value.into()),
            Lit::Int(number) => number.base10_parse::<u64>().map(Value::from),
            Lit::Float(number) => number.base10_parse::<f64>().map(Value::from),
            _ => Err(wrong(&"has no JSON form: write text in quotes, a number, `true` or `false`")),
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr: inner, .. }) => match literal(inner)? {
            Value::Number(number) => number
                .as_u64()
                .and_then(|number| 0i64.checked_sub_unsigned(number))
                .map(Value::from)
                .or_else(|| number.as_f64().map(|number| Value::from(-number)))
                .ok_or_else(|| wrong(&"is out of range")),
            _ => Err(wrong(&"is not a number")),
        },
        Expr::Array(array) => array.elems.iter().map(literal).collect::<Result<Vec<_>>>().map(Value::from),
        _ => Err(wrong(&"is not a literal: write text in quotes, a number, `true`, `false`, or an array of them")),
    }
}
