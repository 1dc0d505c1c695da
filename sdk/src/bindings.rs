//! Rust bindings of the contract in `wit/`, generated when this crate is compiled.
//!
//! There is one world for each interface that a plugin may export, so that a plugin exports only what it has:
//! the linker joins the worlds whose `export_*!` macro was used. All of them share the types of the first.
//!
//! Outside of WebAssembly the types are real and every function panics, which is why the rest of the crate goes
//! through `host` and never calls an import directly.

#![allow(missing_docs, reason = "the contract's own documentation is copied where it has any")]
#![allow(unsafe_code, reason = "generated code crosses the boundary between guest and host")]
#![allow(unused_qualifications, clippy::all, clippy::pedantic, reason = "generated code")]

/// The world of a plugin that answers HTTP requests.
pub mod http {
    wit_bindgen::generate!({
        path: "../wit",
        world: "backplane:plugin/http-plugin",
        pub_export_macro: true,
        export_macro_name: "export_http",
        default_bindings_module: "::backplane_sdk::bindings::http",
        additional_derives: [PartialEq, Eq],
    });
}

/// The world of a plugin that handles events.
pub mod event {
    wit_bindgen::generate!({
        path: "../wit",
        world: "backplane:plugin/event-plugin",
        pub_export_macro: true,
        export_macro_name: "export_event",
        default_bindings_module: "::backplane_sdk::bindings::event",
        with: {
            "backplane:plugin/types@1.0.0": crate::bindings::http::backplane::plugin::types,
            "backplane:plugin/context@1.0.0": crate::bindings::http::backplane::plugin::context,
            "backplane:plugin/log@1.0.0": crate::bindings::http::backplane::plugin::log,
            "backplane:plugin/config@1.0.0": crate::bindings::http::backplane::plugin::config,
            "backplane:plugin/kv@1.0.0": crate::bindings::http::backplane::plugin::kv,
            "backplane:plugin/events@1.0.0": crate::bindings::http::backplane::plugin::events,
        },
    });
}

/// The world of a plugin that runs by the clock.
pub mod schedule {
    wit_bindgen::generate!({
        path: "../wit",
        world: "backplane:plugin/schedule-plugin",
        pub_export_macro: true,
        export_macro_name: "export_schedule",
        default_bindings_module: "::backplane_sdk::bindings::schedule",
        with: {
            "backplane:plugin/types@1.0.0": crate::bindings::http::backplane::plugin::types,
            "backplane:plugin/context@1.0.0": crate::bindings::http::backplane::plugin::context,
            "backplane:plugin/log@1.0.0": crate::bindings::http::backplane::plugin::log,
            "backplane:plugin/config@1.0.0": crate::bindings::http::backplane::plugin::config,
            "backplane:plugin/kv@1.0.0": crate::bindings::http::backplane::plugin::kv,
            "backplane:plugin/events@1.0.0": crate::bindings::http::backplane::plugin::events,
        },
    });
}

/// The world of a plugin that answers gRPC calls.
pub mod grpc {
    wit_bindgen::generate!({
        path: "../wit",
        world: "backplane:plugin/grpc-plugin",
        pub_export_macro: true,
        export_macro_name: "export_grpc",
        default_bindings_module: "::backplane_sdk::bindings::grpc",
        with: {
            "backplane:plugin/context@1.0.0": crate::bindings::http::backplane::plugin::context,
            "backplane:plugin/log@1.0.0": crate::bindings::http::backplane::plugin::log,
            "backplane:plugin/config@1.0.0": crate::bindings::http::backplane::plugin::config,
            "backplane:plugin/kv@1.0.0": crate::bindings::http::backplane::plugin::kv,
            "backplane:plugin/events@1.0.0": crate::bindings::http::backplane::plugin::events,
        },
    });
}

/// The world of a plugin that has something to prepare when an instance starts.
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../wit",
        world: "backplane:plugin/lifecycle-plugin",
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        default_bindings_module: "::backplane_sdk::bindings::lifecycle",
        with: {
            "backplane:plugin/types@1.0.0": crate::bindings::http::backplane::plugin::types,
            "backplane:plugin/context@1.0.0": crate::bindings::http::backplane::plugin::context,
            "backplane:plugin/log@1.0.0": crate::bindings::http::backplane::plugin::log,
            "backplane:plugin/config@1.0.0": crate::bindings::http::backplane::plugin::config,
            "backplane:plugin/kv@1.0.0": crate::bindings::http::backplane::plugin::kv,
            "backplane:plugin/events@1.0.0": crate::bindings::http::backplane::plugin::events,
        },
    });
}
