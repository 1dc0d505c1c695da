//! The attributes of `backplane-sdk`, which re-exports them: a plugin depends on that crate only.
//!
//! `plugin` reads a whole module. From the functions and the struct that carry one of the other attributes it
//! writes the manifest and the dispatch, and leaves everything else in the module as it is. The other attributes
//! exist as macros too, for their documentation and to say where they belong.
//!
//! Nothing here knows a host, a clock or a file: the same source always becomes the same plugin.

mod access;
mod arguments;
mod attribute;
mod description;
mod expand;
mod manifest;
mod options;
mod path;
mod plugin;
mod route;
mod service;
mod settings;
mod topic;
mod trigger;
mod units;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Makes a plugin of a module.
///
/// | Option | Default | Meaning |
/// |---|---|---|
/// | `name = "orders"` | the module's name, `-` for `_` | name in the host, and its routes' mount |
/// | `version = "1.2.0"` | the crate's | semantic version |
/// | `description = "..."` | first sentence of the module's documentation, else the crate's description | for people |
/// | `publishes("orders.*")` | nothing | topics that the plugin publishes events to: a topic, a topic and `.*` for all below it, or `*` |
/// | `instance = "reused"` | `"fresh"` | may an instance answer many calls, one after another? |
/// | `memory = "64MiB"` | the host's | linear memory of one instance |
/// | `response = "8MiB"` | the host's | longest response body |
/// | `concurrency = 16` | the host's | calls that run at the same time |
/// | `timeout = "5s"` | the host's | wall time of one call |
/// | `cpu = "500ms"` | the host's | CPU time of one call |
///
/// Sizes are written in `B`, `KiB`, `MiB` or `GiB`, times in `ms`, `s` or `min`. The operator's maximum wins.
///
/// The module gains a type `Plugin`, which tests send their requests to. A crate holds one plugin.
///
/// [The crate's first page](index.html) shows one.
#[proc_macro_attribute]
pub fn plugin(options: TokenStream, module: TokenStream) -> TokenStream {
    let module = parse_macro_input!(module as syn::Item);
    plugin::expand(options.into(), module).into()
}

macro_rules! route_attributes {
    ($($name:ident $what:literal),*) => {$(
        #[doc = concat!("Answers ", $what, ". For functions in a module with `#[plugin]`.")]
        ///
        /// The path is below the plugin's mount. Its segments are literal, `{name}` for one segment, or `{*name}` at
        /// the end for the rest. The first sentence of the function's documentation becomes the route's summary.
        ///
        /// | Option | Default | Meaning |
        /// |---|---|---|
        /// | `public` | | anybody may call |
        /// | `signed_in` | this | any verified caller may |
        /// | `roles("clerk", "admin")` | | a verified caller with one of the roles may |
        /// | `scopes("orders:read")` | | a verified caller with all of the scopes may; next to `roles`, one of those too |
        /// | `transaction = "write"` | `"read"` for GET, HEAD, OPTIONS, else `"write"` | may the route change the plugin's state, only `"read"` it, or does it do without: `"none"`? |
        /// | `headers("if-match")` | none | request headers to receive besides `content-type` |
        /// | `body_max = "64KiB"` | the host's | longest request body |
        /// | `timeout = "2s"` | the plugin's | wall time of one call |
        #[proc_macro_attribute]
        pub fn $name(_: TokenStream, item: TokenStream) -> TokenStream {
            attribute::misplaced(stringify!($name), &item.into()).into()
        }
    )*};
}

route_attributes! {
    get "`GET` requests, and `HEAD` where no other route does", post "`POST` requests", put "`PUT` requests",
    patch "`PATCH` requests", delete "`DELETE` requests", head "`HEAD` requests", options "`OPTIONS` requests",
    any "every method that no other route of the same path names"
}

/// Handles the events of some topics. For functions in a module with `#[plugin]`.
///
/// The text is a topic, `"orders.created"`; a topic and `.*` for everything below it, `"orders.*"`; or `"*"` for all. A
/// pattern has one function; where two patterns match a topic, both functions handle the event.
///
/// | Option | Default | Meaning |
/// |---|---|---|
/// | `attempts = 8` | 12 | attempts, from 1 to 100, of one event before it is a dead letter |
///
/// The function takes an `Event<T>`, and `Context` or `Config<T>` where it needs them, and returns `Result<()>`. It is a
/// transaction: `Ok` commits what it wrote and published together with the fact that the event is handled. `Err` and a
/// panic undo it, and the event is tried again after a delay that grows, from about a second to 15 minutes;
/// `Problem::retry_after` says another, and `Problem::fatal` makes it a dead letter at once. Later events of the same key
/// wait meanwhile.
///
/// Renaming the function changes nothing. Another pattern is another subscription, which begins with what is published
/// from then on.
#[proc_macro_attribute]
pub fn on(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("on", &item.into()).into()
}

/// Runs a function at equal distances. For functions in a module with `#[plugin]`.
///
/// The text is a number and `s`, `m` (or `min`), `h` or `d`, from `"1s"` to `"366d"`. The first run is one distance after
/// the plugin was loaded for the first time.
///
/// | Option | Default | Meaning |
/// |---|---|---|
/// | `missed = "once"` | `"skip"` | what becomes of times that passed while the server was down: one run for all of them, or none |
///
/// The function takes nothing, or a `Run`, and `Context` or `Config<T>` where it needs them; it returns `Result<()>`. It is
/// a transaction, as a request is. After `Err` or a panic the next time is the next try. Runs of one function never
/// overlap, and there is one run for each time, however many servers there are. Its progress is kept under the
/// function's name.
#[proc_macro_attribute]
pub fn every(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("every", &item.into()).into()
}

/// Runs a function by the calendar. For functions in a module with `#[plugin]`.
///
/// The text is a cron pattern of five fields: minute, hour, day of the month, month, day of the week, with `*`, lists,
/// ranges, steps, English names, `L`, `W` and `#`; or one of `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`.
///
/// | Option | Default | Meaning |
/// |---|---|---|
/// | `zone = "Europe/Berlin"` | UTC | time zone by its IANA name |
/// | `missed = "once"` | `"skip"` | as for `#[every]` |
///
/// A time of day that the clock skips in spring runs at the end of the gap; one that comes twice in autumn runs once. The
/// rest is as for [`macro@every`].
#[proc_macro_attribute]
pub fn cron(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("cron", &item.into()).into()
}

/// Answers the calls of a gRPC service. For the implementation of a service's trait, in a module with `#[plugin]`.
///
/// The text is the service's full name. What is said here holds for all of its methods, and
/// [`#[method(...)]`](macro@method) on a function says it anew for one.
///
/// | Option | Default | Meaning |
/// |---|---|---|
/// | `public` | | anybody may call |
/// | `signed_in` | this | any verified caller may |
/// | `roles("clerk", "admin")` | | a verified caller with one of the roles may |
/// | `scopes("orders:read")` | | a verified caller with all of the scopes may; next to `roles`, one of those too |
/// | `transaction = "read"` | `"write"` | as for a route |
/// | `metadata("x-tenant")` | none | metadata to receive, in lower case; none that is binary |
/// | `message_max = "64KiB"` | 1 MiB | longest message of a request |
/// | `timeout = "2s"` | the plugin's | wall time of one call; what the caller says counts where it is shorter |
///
/// [The module `grpc`](mod@crate::grpc) shows one, and how its trait is made of a `.proto` file.
#[proc_macro_attribute]
pub fn grpc(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("grpc", &item.into()).into()
}

/// Says about one method what [`#[grpc]`](macro@grpc) says about all, with its options. `name = "getURL"` is for a method
/// whose name in the `.proto` file is not that of the function in upper camel case.
#[proc_macro_attribute]
pub fn method(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("method", &item.into()).into()
}

/// Runs a function once in every new instance, before its first call. For a module with `#[plugin]`.
///
/// It takes nothing and returns `Result<()>`. When it fails, the plugin is not published. A fresh instance runs it
/// for every call, so it suits plugins with `instance = "reused"` best.
#[proc_macro_attribute]
pub fn init(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("init", &item.into()).into()
}

/// Declares the plugin's settings as a struct. For a module with `#[plugin]`.
///
/// Every field is a setting of its name, described by its documentation. `String` is a string, `bool` a boolean, a
/// number is one, `Vec` an array and any other type an object. The operator must give a value, unless the field is
/// an `Option` or has a default: `#[default(5)]`, `#[default("text")]`, `#[default(["a", "b"])]`.
///
/// A handler reads them all with the argument `Config(settings): Config<Settings>`.
#[proc_macro_attribute]
pub fn config(_: TokenStream, item: TokenStream) -> TokenStream {
    attribute::misplaced("config", &item.into()).into()
}
