//! The host's handlers: one file for each endpoint.

mod body;
mod change_password;
mod create_api_key;
mod create_user;
mod delete_user;
mod list_api_keys;
mod list_audit;
mod list_keys;
mod list_plugins;
mod list_users;
mod list_versions;
mod owner;
mod refresh_session;
mod revoke_api_key;
mod roll_back_plugin;
mod rotate_keys;
mod set_up_server;
mod show_health;
mod show_jwks;
mod show_me;
mod show_plugin;
mod show_readiness;
mod show_status;
mod show_storage;
mod show_store;
mod show_user;
mod sign_in;
mod sign_out;
mod update_user;

pub use self::{
    change_password::change_password,
    create_api_key::create_api_key,
    create_user::create_user,
    delete_user::delete_user,
    list_api_keys::list_api_keys,
    list_audit::list_audit,
    list_keys::list_keys,
    list_plugins::list_plugins,
    list_users::list_users,
    list_versions::list_versions,
    refresh_session::refresh_session,
    revoke_api_key::revoke_api_key,
    roll_back_plugin::roll_back_plugin,
    rotate_keys::rotate_keys,
    set_up_server::set_up_server,
    show_health::show_health,
    show_jwks::show_jwks,
    show_me::show_me,
    show_plugin::show_plugin,
    show_readiness::show_readiness,
    show_status::show_status,
    show_storage::show_storage,
    show_store::show_store,
    show_user::{UserView, show_user},
    sign_in::sign_in,
    sign_out::sign_out,
    update_user::update_user,
};
