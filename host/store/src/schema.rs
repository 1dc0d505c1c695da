//! The tables as diesel sees them.
//!
//! `migrations/` makes them; a test in `migrate.rs` holds both together, column by column and in this order.

diesel::table! {
    plugins (id) {
        id -> BigInt,
        name -> Text,
    }
}

diesel::table! {
    counters (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    kv (plugin_id, bucket, key) {
        plugin_id -> BigInt,
        bucket -> Text,
        key -> Binary,
        version -> BigInt,
        expires_at_ms -> Nullable<BigInt>,
        value -> Binary,
    }
}

diesel::table! {
    usage (plugin_id) {
        plugin_id -> BigInt,
        keys -> BigInt,
        bytes -> BigInt,
    }
}

diesel::table! {
    replies (plugin_id, principal, route, key) {
        plugin_id -> BigInt,
        principal -> Text,
        route -> Text,
        key -> Text,
        fingerprint -> Binary,
        status -> Integer,
        expires_at_ms -> BigInt,
        headers -> Text,
        body -> Binary,
    }
}

diesel::table! {
    versions (plugin_id, hash) {
        plugin_id -> BigInt,
        hash -> Text,
        deployment -> BigInt,
        version -> Text,
        file -> Text,
        sidecar -> Nullable<Text>,
        loaded_at_ms -> BigInt,
    }
}

diesel::table! {
    choices (plugin_id) {
        plugin_id -> BigInt,
        live -> Nullable<Text>,
        pin_chosen -> Nullable<Text>,
        pin_instead_of -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(plugins, counters, kv, usage, replies, versions, choices);

diesel::joinable!(versions -> plugins (plugin_id));
diesel::joinable!(choices -> plugins (plugin_id));
diesel::joinable!(usage -> plugins (plugin_id));
