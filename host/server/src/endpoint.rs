//! The host's handlers: one file for each endpoint.

mod body;
mod change_password;
mod create_api_key;
mod create_user;
mod dead_letter;
mod delete_user;
mod drop_dead_letter;
mod drop_dead_letters;
mod event_failure;
mod list_api_keys;
mod list_audit;
mod list_dead_letters;
mod list_events;
mod list_keys;
mod list_plugins;
mod list_schedules;
mod list_subscriptions;
mod list_users;
mod list_versions;
mod owner;
mod pause_subscription;
mod publish;
mod publish_event;
mod publish_events;
mod refresh_session;
mod replay_subscription;
mod resume_subscription;
mod retry_dead_letter;
mod retry_dead_letters;
mod revoke_api_key;
mod roll_back_plugin;
mod rotate_keys;
mod run_schedule;
mod run_to_end;
mod set_up_server;
mod settle_dead_letters;
mod show_dead_letter;
mod show_health;
mod show_jwks;
mod show_me;
mod show_plugin;
mod show_readiness;
mod show_status;
mod show_storage;
mod show_store;
mod show_subscription;
mod show_user;
mod sign_in;
mod sign_out;
mod stream_events;
mod subscription;
mod topics;
mod update_user;

pub use self::{
    change_password::change_password,
    create_api_key::create_api_key,
    create_user::create_user,
    delete_user::delete_user,
    drop_dead_letter::drop_dead_letter,
    drop_dead_letters::drop_dead_letters,
    list_api_keys::list_api_keys,
    list_audit::list_audit,
    list_dead_letters::list_dead_letters,
    list_events::list_events,
    list_keys::list_keys,
    list_plugins::list_plugins,
    list_schedules::list_schedules,
    list_subscriptions::list_subscriptions,
    list_users::list_users,
    list_versions::{VersionView, list_versions},
    pause_subscription::pause_subscription,
    publish_event::{publish_event, publish_event_to_stream},
    publish_events::publish_events,
    refresh_session::refresh_session,
    replay_subscription::replay_subscription,
    resume_subscription::resume_subscription,
    retry_dead_letter::retry_dead_letter,
    retry_dead_letters::retry_dead_letters,
    revoke_api_key::revoke_api_key,
    roll_back_plugin::{roll_back, roll_back_plugin},
    rotate_keys::rotate_keys,
    run_schedule::run_schedule,
    set_up_server::set_up_server,
    show_dead_letter::show_dead_letter,
    show_health::show_health,
    show_jwks::show_jwks,
    show_me::show_me,
    show_plugin::show_plugin,
    show_readiness::show_readiness,
    show_status::show_status,
    show_storage::show_storage,
    show_store::show_store,
    show_subscription::show_subscription,
    show_user::{UserView, show_user},
    sign_in::sign_in,
    sign_out::sign_out,
    stream_events::stream_events,
    update_user::update_user,
};
pub(crate) use self::{
    event_failure::{events_unavailable, read_failed},
    publish::publish_all,
    stream_events::no_place,
    topics::read_patterns,
};
