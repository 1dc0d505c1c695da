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

diesel::table! {
    users (subject) {
        subject -> Text,
        name -> Text,
        password_hash -> Text,
        roles -> Text,
        scopes -> Text,
        disabled_at_ms -> Nullable<BigInt>,
        created_at_ms -> BigInt,
        last_login_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    role_holders (role, subject) {
        role -> Text,
        subject -> Text,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        subject -> Nullable<Text>,
        client_id -> Text,
        tokens -> BigInt,
        expires_at_ms -> BigInt,
        revoked_at_ms -> Nullable<BigInt>,
        scopes -> Nullable<Text>,
    }
}

diesel::table! {
    refresh_tokens (digest) {
        digest -> Binary,
        session_id -> Text,
        parent -> Nullable<Binary>,
        issued_at_ms -> BigInt,
        used_at_ms -> Nullable<BigInt>,
        uses -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        subject -> Text,
        name -> Text,
        digest -> Binary,
        scopes -> Text,
        created_at_ms -> BigInt,
        expires_at_ms -> Nullable<BigInt>,
        revoked_at_ms -> Nullable<BigInt>,
        last_used_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        wrapped -> Binary,
        state -> Text,
        changed_at_ms -> BigInt,
    }
}

diesel::table! {
    revocations (seq) {
        seq -> BigInt,
        kind -> Text,
        name -> Text,
        at_ms -> BigInt,
    }
}

diesel::table! {
    audit (seq) {
        seq -> BigInt,
        at_ms -> BigInt,
        actor -> Nullable<Text>,
        actor_name -> Nullable<Text>,
        kind -> Text,
        address -> Nullable<Text>,
        action -> Text,
        target -> Nullable<Text>,
        result -> Text,
        request_id -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    events (seq) {
        seq -> BigInt,
        plugin_id -> BigInt,
        publisher -> Text,
        is_given -> BigInt,
        id -> Text,
        source -> Text,
        topic -> Text,
        key -> Nullable<Text>,
        lane -> BigInt,
        time_ms -> BigInt,
        stored_at_ms -> BigInt,
        content_type -> Text,
        trace_parent -> Nullable<Text>,
        payload -> Binary,
    }
}

diesel::table! {
    event_usage (plugin_id, publisher) {
        plugin_id -> BigInt,
        publisher -> Text,
        events -> BigInt,
        bytes -> BigInt,
    }
}

diesel::table! {
    subscriptions (id) {
        id -> BigInt,
        plugin -> Text,
        pattern -> Text,
        epoch -> BigInt,
        paused -> Nullable<Text>,
        closed_at_ms -> Nullable<BigInt>,
    }
}

diesel::table! {
    cursors (subscription, lane) {
        subscription -> BigInt,
        lane -> BigInt,
        seq -> BigInt,
    }
}

diesel::table! {
    retries (subscription, seq) {
        subscription -> BigInt,
        seq -> BigInt,
        key -> Nullable<Text>,
        attempts -> BigInt,
        due_ms -> BigInt,
        code -> Nullable<Text>,
        message -> Nullable<Text>,
    }
}

diesel::table! {
    dead_letters (subscription, seq) {
        subscription -> BigInt,
        seq -> BigInt,
        key -> Nullable<Text>,
        attempts -> BigInt,
        at_ms -> BigInt,
        code -> Text,
        message -> Text,
    }
}

diesel::table! {
    schedules (id) {
        id -> BigInt,
        plugin -> Text,
        handler -> Text,
        timing -> Text,
        done_to_ms -> BigInt,
        last_run_ms -> Nullable<BigInt>,
        last_code -> Nullable<Text>,
        last_message -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(plugins, counters, kv, usage, replies, versions, choices);
diesel::allow_tables_to_appear_in_same_query!(users, role_holders, sessions, refresh_tokens, api_keys);

diesel::joinable!(versions -> plugins (plugin_id));
diesel::joinable!(choices -> plugins (plugin_id));
diesel::joinable!(usage -> plugins (plugin_id));
diesel::joinable!(role_holders -> users (subject));
diesel::joinable!(sessions -> users (subject));
diesel::joinable!(refresh_tokens -> sessions (session_id));
diesel::joinable!(api_keys -> users (subject));
