//! One function that no request calls: with `#[on]`, `#[every]` or `#[cron]`.

use proc_macro2::Span;
use syn::{Attribute, Error, FnArg, Ident, ItemFn, LitStr, Result, Type, parse_quote};

use crate::arguments::check_signature;
use crate::manifest;
use crate::options::{AttributeOption, parse_attribute};
use crate::topic::parse_pattern;
use crate::units::parse_interval;

/// Most attempts that the manifest's schema accepts.
const ATTEMPTS_MAX: u64 = 100;
/// Longest cron pattern that the manifest's schema accepts, in bytes.
const CRON_BYTES_MAX: usize = 128;
/// Longest name of a time zone that the manifest's schema accepts, in bytes.
const ZONE_BYTES_MAX: usize = 64;
/// Longest name of a schedule's function that the manifest's schema accepts, in bytes.
const HANDLER_BYTES_MAX: usize = 128;

/// What a cron pattern may be in place of five fields.
const CRON_WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// A function and what it takes.
pub(crate) struct Trigger {
    pub(crate) function: Ident,
    pub(crate) arguments: Vec<Type>,
}

/// A function with `#[on]`, ready to be written down and to be called.
pub(crate) struct Subscription {
    pub(crate) manifest: manifest::Subscription,
    pub(crate) pattern_span: Span,
    pub(crate) trigger: Trigger,
}

/// A function with `#[every]` or `#[cron]`, ready to be written down and to be called.
pub(crate) struct Schedule {
    pub(crate) manifest: manifest::Schedule,
    pub(crate) trigger: Trigger,
}

impl Subscription {
    pub(crate) fn parse(attribute: &Attribute, function: &mut ItemFn) -> Result<Self> {
        let missing = "which events? write for example `#[on(\"orders.*\")]`";
        let (text, options) = parse_attribute(attribute, missing, &["attempts"])?;
        let pattern = parse_pattern(&text)?;
        let attempts = options.first().map(read_attempts).transpose()?;
        let trigger = Trigger::parse(function)?;
        let manifest = manifest::Subscription { pattern, handler: trigger.function.to_string(), attempts };
        Ok(Self { manifest, pattern_span: text.span(), trigger })
    }
}

impl Schedule {
    pub(crate) fn parse_every(attribute: &Attribute, function: &mut ItemFn) -> Result<Self> {
        let missing = "how often? write for example `#[every(\"5m\")]`";
        let (text, options) = parse_attribute(attribute, missing, &["missed"])?;
        let every_ms = parse_interval(&text.value()).map_err(|message| Error::new(text.span(), message))?;
        Self::parse(function, &options, |schedule| schedule.every_ms = Some(every_ms))
    }

    pub(crate) fn parse_cron(attribute: &Attribute, function: &mut ItemFn) -> Result<Self> {
        let missing = "when? write for example `#[cron(\"0 3 * * *\")]`: minute, hour, day, month, weekday";
        let (text, options) = parse_attribute(attribute, missing, &["zone", "missed"])?;
        let cron = read_cron(&text)?;
        Self::parse(function, &options, |schedule| schedule.cron = Some(cron))
    }

    fn parse(
        function: &mut ItemFn,
        options: &[AttributeOption],
        set: impl FnOnce(&mut manifest::Schedule),
    ) -> Result<Self> {
        let trigger = Trigger::parse(function)?;
        let handler = trigger.function.to_string();
        if handler.len() > HANDLER_BYTES_MAX {
            let message = format!("the name of a schedule's function has at most {HANDLER_BYTES_MAX} bytes");
            return Err(Error::new(trigger.function.span(), message));
        }
        let mut manifest = manifest::Schedule { handler, every_ms: None, cron: None, zone: None, missed: None };
        set(&mut manifest);
        for option in options {
            match option.name.as_str() {
                "zone" => manifest.zone = Some(read_zone(option)?),
                "missed" => manifest.missed = Some(option.choice(&["skip", "once"])?),
                other => unreachable!("`{other}` is an option of a schedule, and has no meaning here"),
            }
        }
        Ok(Self { manifest, trigger })
    }
}

impl Trigger {
    fn parse(function: &mut ItemFn) -> Result<Self> {
        check_signature(function, "`-> Result<()>`")?;
        // A handler owns what it takes, whatever it then does with it.
        function.attrs.push(parse_quote!(#[allow(clippy::needless_pass_by_value)]));
        let typed = |input: &FnArg| match input {
            FnArg::Typed(input) => Some((*input.ty).clone()),
            FnArg::Receiver(_) => None,
        };
        let arguments: Vec<Type> = function.sig.inputs.iter().filter_map(typed).collect();
        let mut events = arguments.iter().filter(|ty| is_event(ty));
        if let (Some(_), Some(second)) = (events.next(), events.next()) {
            return Err(Error::new_spanned(second, "the event is taken once: leave one of the two out"));
        }
        Ok(Self { function: function.sig.ident.clone(), arguments })
    }
}

fn read_attempts(option: &AttributeOption) -> Result<u64> {
    let attempts = option.count()?;
    if attempts > ATTEMPTS_MAX {
        return Err(option.error(format_args!("an event is tried at most {ATTEMPTS_MAX} times")));
    }
    Ok(attempts)
}

/// Reads a cron pattern as far as its form tells; the host knows which days there are.
fn read_cron(text: &LitStr) -> Result<String> {
    let pattern = text.value();
    let fits = |c: char| c.is_ascii_alphanumeric() || "*,-/#?".contains(c);
    let fields: Vec<&str> = pattern.split(' ').collect();
    let has_fields = fields.len() == 5 && fields.iter().all(|field| !field.is_empty() && field.chars().all(fits));
    if pattern.len() <= CRON_BYTES_MAX && (has_fields || CRON_WORDS.contains(&pattern.as_str())) {
        return Ok(pattern);
    }
    let message = format!(
        "`{pattern}` is not a cron pattern: write minute, hour, day of the month, month and day of the week with one \
         space between them, like \"0 3 * * MON-FRI\", or a word like \"@daily\""
    );
    Err(Error::new(text.span(), message))
}

fn read_zone(option: &AttributeOption) -> Result<String> {
    let text = option.text()?;
    let zone = text.value();
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if !zone.is_empty() && zone.len() <= ZONE_BYTES_MAX && zone.chars().all(fits) {
        return Ok(zone);
    }
    Err(Error::new(text.span(), format!("`{zone}` is not the name of a time zone, like \"Europe/Berlin\"")))
}

fn is_event(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Event"))
}
