//! The module with `#[plugin]`: reading all of it, and refusing what cannot be a plugin.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, Ident, ImplItem, Item, ItemFn, ItemMod, Result, ReturnType};

use crate::attribute::{Role, take_roles};
use crate::description::{first_sentence, shorten};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::options::{AttributeOption, parse_options};
use crate::route::Route;
use crate::service::{SERVICES_MAX, Service};
use crate::settings::Settings;
use crate::topic::parse_pattern;
use crate::trigger::{Schedule, Subscription};
use crate::{arguments, expand};

const OPTIONS: [&str; 10] =
    ["name", "version", "description", "publishes", "instance", "memory", "response", "concurrency", "timeout", "cpu"];

/// Most routes that the manifest's schema accepts.
const ROUTES_MAX: usize = 1000;

/// Most patterns of `publishes`, most subscriptions and most schedules that the manifest's schema accepts.
const LISTED_MAX: usize = 100;

/// What the module declares.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) routes: Vec<Route>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) services: Vec<Service>,
    pub(crate) init: Option<Ident>,
    pub(crate) settings: Option<Settings>,
}

/// Expands the attribute. When something is wrong, the errors come with the module as it was, so that the compiler
/// adds none of its own.
pub(crate) fn expand(options: TokenStream, item: Item) -> TokenStream {
    let Item::Mod(mut module) = item else {
        return Error::new(item.span(), "`#[plugin]` belongs on a module: `mod orders { ... }`").into_compile_error();
    };
    if module.content.is_none() {
        let message = "`#[plugin]` needs the module's content here: write `mod orders { ... }`";
        return Error::new(module.ident.span(), message).into_compile_error();
    }
    match read(options, &mut module) {
        Ok((manifest, declared)) => expand::expand(&module, &manifest, &declared),
        Err(error) => {
            let error = error.into_compile_error();
            module.content.iter_mut().flat_map(|(_, items)| items).for_each(remove_inner_attributes);
            quote! { #error #[allow(unused)] #module }
        }
    }
}

/// Takes off what the compiler would not know.
fn remove_inner_attributes(item: &mut Item) {
    let remove =
        |attributes: &mut Vec<Attribute>, name| attributes.retain(|attribute| !attribute.path().is_ident(name));
    match item {
        Item::Fn(function) => function.sig.inputs.iter_mut().for_each(|input| match input {
            FnArg::Typed(input) => remove(&mut input.attrs, "header"),
            FnArg::Receiver(receiver) => remove(&mut receiver.attrs, "header"),
        }),
        Item::Struct(item) => item.fields.iter_mut().for_each(|field| remove(&mut field.attrs, "default")),
        Item::Impl(item) => item.items.iter_mut().for_each(|inner| {
            if let ImplItem::Fn(function) = inner {
                remove(&mut function.attrs, "method");
            }
        }),
        _ => {}
    }
}

fn read(options: TokenStream, module: &mut ItemMod) -> Result<(String, Declared)> {
    let name_span = module.ident.span();
    let mut errors = Errors::default();
    let mut manifest = Manifest::new(
        module.ident.to_string().trim_start_matches("r#").replace('_', "-"),
        crate_fact("CARGO_PKG_VERSION").unwrap_or_else(|| "0.0.0".into()),
    );
    manifest.description =
        first_sentence(&module.attrs).or_else(|| crate_fact("CARGO_PKG_DESCRIPTION").as_deref().map(shorten));
    errors.note(apply(options, &mut manifest));
    let mut declared = Declared::default();
    for item in module.content.iter_mut().flat_map(|(_, items)| items) {
        errors.note(declared.read(item));
    }
    errors.note(declared.check_duplicates());
    errors.note(check_name(&manifest.name, name_span));
    errors.finish()?;
    declared.check_count(name_span)?;
    declared.write_down(&mut manifest);
    let json = manifest.to_json();
    if json.len() > BYTES_MAX {
        return Err(Error::new(
            name_span,
            "the manifest is longer than 64 KiB: make two plugins, or shorten the texts",
        ));
    }
    Ok((json, declared))
}

/// Reads what cargo says about the crate that is being compiled.
#[expect(clippy::disallowed_methods, reason = "cargo describes a crate to its macros through the environment")]
fn crate_fact(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn apply(options: TokenStream, manifest: &mut Manifest) -> Result<()> {
    for option in Parser::parse2(|input: syn::parse::ParseStream<'_>| parse_options(input, &OPTIONS), options)? {
        let limits = &mut manifest.limits;
        match option.name.as_str() {
            "name" => {
                let name = option.text()?;
                check_name(&name.value(), name.span())?;
                manifest.name = name.value();
            }
            "version" => manifest.version = option.text()?.value(),
            "description" => manifest.description = Some(shorten(&option.text()?.value())),
            "publishes" => manifest.publishes = read_publishes(&option)?,
            "instance" => manifest.instance = option.choice(&["fresh", "reused"])?,
            "memory" => limits.memory_bytes_max = Some(option.bytes()?),
            "response" => limits.response_bytes_max = Some(option.bytes()?),
            "concurrency" => limits.concurrency_max = Some(option.count()?),
            "timeout" => limits.timeout_ms = Some(option.millis()?),
            "cpu" => limits.cpu_ms = Some(option.millis()?),
            other => unreachable!("`{other}` is in `OPTIONS`, and has no meaning here"),
        }
    }
    Ok(())
}

fn read_publishes(option: &AttributeOption) -> Result<Vec<String>> {
    let mut patterns = Vec::new();
    for text in option.texts(LISTED_MAX)? {
        let pattern = parse_pattern(&text)?;
        if patterns.contains(&pattern) {
            return Err(Error::new(text.span(), format!("`{pattern}` is there twice: write it once")));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn check_name(name: &str, span: Span) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 63 && !name.starts_with('-') && name.chars().all(fits) {
        return Ok(());
    }
    let message = format!(
        "`{name}` cannot be a plugin's name, which is up to 63 of `a-z`, `0-9` and `-`: write `#[plugin(name = \"...\")]`"
    );
    Err(Error::new(span, message))
}

impl Declared {
    /// Reads one item of the module, and takes this crate's attributes off it.
    fn read(&mut self, item: &mut Item) -> Result<()> {
        let Some(attributes) = attributes_of(item) else { return Ok(()) };
        let roles = take_roles(attributes);
        if let [_, (_, second), ..] = roles.as_slice() {
            let message = "one attribute of the plugin is enough for an item: write a function for each";
            return Err(Error::new_spanned(second, message));
        }
        let Some((role, attribute)) = roles.first() else { return Ok(()) };
        match (role, item) {
            (Role::Route(method), Item::Fn(function)) => {
                self.routes.push(Route::parse(*method, attribute, function)?);
                Ok(())
            }
            (Role::On, Item::Fn(function)) => {
                self.subscriptions.push(Subscription::parse(attribute, function)?);
                Ok(())
            }
            (Role::Every, Item::Fn(function)) => {
                self.schedules.push(Schedule::parse_every(attribute, function)?);
                Ok(())
            }
            (Role::Cron, Item::Fn(function)) => {
                self.schedules.push(Schedule::parse_cron(attribute, function)?);
                Ok(())
            }
            (Role::Grpc, Item::Impl(item)) => {
                self.services.push(Service::parse(attribute, item)?);
                Ok(())
            }
            (Role::Grpc, _) => Err(Error::new_spanned(
                attribute,
                "`#[grpc]` belongs on the implementation of a service's trait: `impl Greeter for Service { ... }`",
            )),
            (Role::Init, Item::Fn(function)) => self.read_init(attribute, function),
            (Role::Config, Item::Struct(item)) if self.settings.is_none() => {
                self.settings = Some(Settings::parse(item)?);
                Ok(())
            }
            (Role::Config, Item::Struct(item)) => {
                Err(Error::new(item.ident.span(), "a plugin has one `#[config]` struct: put all settings there"))
            }
            (Role::Config, _) => Err(Error::new_spanned(attribute, "`#[config]` belongs on a struct")),
            (Role::Route(_) | Role::On | Role::Every | Role::Cron | Role::Init, _) => {
                Err(Error::new_spanned(attribute, "this attribute belongs on a function"))
            }
        }
    }

    fn read_init(&mut self, attribute: &Attribute, function: &ItemFn) -> Result<()> {
        if self.init.is_some() {
            return Err(Error::new_spanned(attribute, "a plugin has one `#[init]` function: do everything there"));
        }
        let has_output = matches!(function.sig.output, ReturnType::Type(..));
        if !function.sig.inputs.is_empty() || !has_output {
            let message = "an `#[init]` function takes nothing and may fail: write `fn start() -> Result<()>`";
            return Err(Error::new(function.sig.ident.span(), message));
        }
        arguments::check_signature(function, "`-> Result<()>`")?;
        self.init = Some(function.sig.ident.clone());
        Ok(())
    }

    /// Refuses two routes that would answer the same requests, and two functions for one pattern of events.
    fn check_duplicates(&self) -> Result<()> {
        let mut errors = Errors::default();
        let mut seen = BTreeMap::new();
        for route in &self.routes {
            let key = (route.manifest.method, route.path.shape.as_str());
            if let Some(first) = seen.insert(key, &route.function) {
                let message =
                    format!("`{first}` already answers these requests: give one of them another path or method");
                errors.note(Err(Error::new(route.path_span, message)));
            }
        }
        let mut seen = BTreeMap::new();
        for Subscription { manifest, pattern_span, trigger } in &self.subscriptions {
            if let Some(first) = seen.insert(manifest.pattern.as_str(), &trigger.function) {
                let message = format!("`{first}` already handles these events: do both in one function");
                errors.note(Err(Error::new(*pattern_span, message)));
            }
        }
        let mut seen = BTreeSet::new();
        for Service { manifest, name_span, .. } in &self.services {
            if !seen.insert(manifest.service.as_str()) {
                let message = format!("`{}` is implemented already: do both in one implementation", manifest.service);
                errors.note(Err(Error::new(*name_span, message)));
            }
        }
        errors.finish()
    }

    fn check_count(&self, name_span: Span) -> Result<()> {
        let counts = [self.routes.len(), self.subscriptions.len(), self.schedules.len(), self.services.len()];
        if counts == [0; 4] {
            let message = "a plugin does something: write a function with `#[get(\"/\")]` or another route attribute, with \
                           `#[on(\"orders.*\")]` or with `#[every(\"5m\")]`";
            return Err(Error::new(name_span, message));
        }
        let bounds = [
            (ROUTES_MAX, "routes"),
            (LISTED_MAX, "subscriptions"),
            (LISTED_MAX, "schedules"),
            (SERVICES_MAX, "services"),
        ];
        match counts.iter().zip(bounds).find(|(count, (max, _))| *count > max) {
            Some((_, (max, what))) => Err(Error::new(name_span, format!("a plugin has at most {max} {what}"))),
            None => Ok(()),
        }
    }

    fn write_down(&self, manifest: &mut Manifest) {
        manifest.routes = self.routes.iter().map(|route| route.manifest.clone()).collect();
        manifest.subscriptions = self.subscriptions.iter().map(|subscription| subscription.manifest.clone()).collect();
        manifest.schedules = self.schedules.iter().map(|schedule| schedule.manifest.clone()).collect();
        manifest.grpc = self.services.iter().map(|service| service.manifest.clone()).collect();
        let fields = self.settings.iter().flat_map(|settings| &settings.fields);
        manifest.config = fields.map(|field| field.manifest.clone()).collect();
    }
}

fn attributes_of(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    match item {
        Item::Const(item) => Some(&mut item.attrs),
        Item::Enum(item) => Some(&mut item.attrs),
        Item::Fn(item) => Some(&mut item.attrs),
        Item::Impl(item) => Some(&mut item.attrs),
        Item::Mod(item) => Some(&mut item.attrs),
        Item::Static(item) => Some(&mut item.attrs),
        Item::Struct(item) => Some(&mut item.attrs),
        Item::Trait(item) => Some(&mut item.attrs),
        Item::Type(item) => Some(&mut item.attrs),
        _ => None,
    }
}

/// Everything that is wrong, to be reported at once.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn note(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome {
            match &mut self.0 {
                Some(first) => first.combine(error),
                None => self.0 = Some(error),
            }
        }
    }

    fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
