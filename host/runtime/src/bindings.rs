//! What `wit/` says, as Rust: generated, and nothing else.

#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation stands in wit/")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "host",
    // What may wait. A function that never does is cheaper without.
    imports: {
        "backplane:plugin/kv.get": async | trappable,
        "backplane:plugin/kv.get-many": async | trappable,
        "backplane:plugin/kv.list": async | trappable,
    },
    exports: { default: async },
    require_store_data_send: true,
});
