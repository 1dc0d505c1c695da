//! gRPC services that the plugin answers, beside its routes.
//!
//! The service is written in a `.proto` file, and compiled by the plugin's build script with `backplane-sdk-build`. That
//! makes a struct of each message, which is prost's, and a trait of each service. The trait is implemented in the
//! plugin's module, under the attribute [`#[grpc]`](macro@crate::grpc):
//!
//! ```
//! # mod proto {
//! #     use backplane_sdk::grpc::{self, prost};
//! #     #[derive(Clone, PartialEq, prost::Message)]
//! #     #[prost(prost_path = "::backplane_sdk::grpc::prost")]
//! #     pub struct GreetRequest { #[prost(string, tag = "1")] pub name: String }
//! #     #[derive(Clone, PartialEq, prost::Message)]
//! #     #[prost(prost_path = "::backplane_sdk::grpc::prost")]
//! #     pub struct GreetResponse { #[prost(string, tag = "1")] pub greeting: String }
//! #     pub trait Greeter {
//! #         const SERVICE: &'static str = "greetings.v1.Greeter";
//! #         const METHODS: &'static [(&'static str, &'static str)] = &[("greet", "Greet")];
//! #         fn greet(request: grpc::Request<GreetRequest>) -> grpc::Result<GreetResponse>;
//! #     }
//! # }
//! // In `mod proto` stands `backplane_sdk::include_proto!("greetings.v1");`.
//! #[backplane_sdk::plugin]
//! mod greetings {
//!     use backplane_sdk::prelude::*;
//!
//!     use crate::proto::{GreetRequest, GreetResponse, Greeter};
//!
//!     struct Service;
//!
//!     #[grpc("greetings.v1.Greeter", public)]
//!     impl Greeter for Service {
//!         /// Greets somebody by name.
//!         fn greet(request: grpc::Request<GreetRequest>) -> grpc::Result<GreetResponse> {
//!             let name = request.into_inner().name;
//!             if name.is_empty() {
//!                 return Err(grpc::Status::invalid_argument("nobody is called nothing"));
//!             }
//!             Ok(GreetResponse { greeting: format!("Hello, {name}!") })
//!         }
//!     }
//! }
//!
//! # fn main() {
//! use backplane_sdk::testing;
//! use proto::{GreetRequest, GreetResponse};
//!
//! let greet = |name: &str| {
//!     let request = GreetRequest { name: name.to_owned() };
//!     testing::call("greetings.v1.Greeter/Greet", &request).send::<greetings::Plugin, GreetResponse>()
//! };
//! assert_eq!(greet("Ada").map(|answer| answer.greeting).ok().as_deref(), Some("Hello, Ada!"));
//! assert!(greet("").is_err());
//! # }
//! ```
//!
//! A call is a transaction as a request is: `Ok` commits, `Err` rolls back. [`Context`](crate::Context) knows who calls,
//! [`config::Settings::load`](crate::config::Settings::load) reads the settings, and `?` makes a [`Status`] of whatever
//! it makes a [`Problem`](crate::Problem) of. The host speaks the protocol, asks who calls and keeps the bounds; it
//! answers the same methods over HTTP in JSON, too. Methods are unary: one message in, one message out.

mod request;
mod status;

pub use prost;
pub use prost_types;

pub use request::{Metadata, Request};
pub use status::{Code, Status};

/// What a method answers.
pub type Result<T> = std::result::Result<T, Status>;

/// Includes what a build script has made of the package of this name: `include_proto!("payments.v1")`. It belongs into a
/// module of its own.
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}
