//! What `wit/` says, as Rust: generated, and nothing else.

#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation stands in wit/")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "host",
    exports: { default: async },
    require_store_data_send: true,
});
