//! `backplane token issue`: an access token for a script.
//!
//! Behind the token is a session, as behind one that somebody signed in for: it ends when the account is disabled or its
//! password changed, or when somebody signs out with it. Nobody gets a refresh token.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use backplane_auth::{
    ACCESS_TOKEN_LIFETIME_MAX, AccessGrant, AccessToken, ExposeSecret as _, Names, NewSession, RefreshPolicy,
    SystemRandom, TokenIssuer, TokenNames, UnixMs,
};
use backplane_store::{
    CommandStore,
    identity::{
        audit, sessions,
        users::{self, User},
    },
};
use clap::Args;

use super::signing;
use crate::{
    adapters::{family, refresh_token, to_names},
    clock::Clock,
    command::{database, settings::SettingsArgs, trail},
    config::{Config, parse_duration},
    serve::DATABASE_FILE,
};

/// The application that the token is issued to (RFC 9068 §2.2).
const CLIENT_ID: &str = "backplane-command";

/// Arguments of `backplane token issue`.
#[derive(Debug, Args)]
#[command(after_help = "\
The token is all that is printed to standard output. It is as good as one that the user signed in for, until its time \
is over, the user is disabled or gets another password, or `POST /api/auth/logout` is called with it. The server may \
run, and accepts it at once. Run this as the system's user that the server runs as.

Examples:
  curl localhost:8080/api/plugins -H \"authorization: Bearer $(backplane token issue --user ada)\"
  backplane token issue --user ci --ttl 1h --scope orders:read --data /var/lib/backplane")]
pub struct IssueArgs {
    /// Whose token
    #[arg(long, value_name = "NAME")]
    pub(crate) user: String,
    /// How long it is good: 1s to 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_ttl)]
    pub(crate) ttl: Duration,
    /// A scope that it carries, once for each [default: all of the user's]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The server's data folder [default: what the configuration says, else ./data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The server's configuration [default: BACKPLANE_CONFIG, else backplane.toml if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Prints a token.
///
/// # Errors
/// When there is no such user, it is disabled or does not have the scopes, or the signing keys cannot be had.
pub fn run(args: &IssueArgs) -> anyhow::Result<()> {
    // The server's own words stand in the token: who issued it, and for whom it is.
    let settings = SettingsArgs { config: args.config.clone(), data: args.data.clone(), ..SettingsArgs::default() };
    let (config, _) = settings.load()?;
    let token = issue(&config, args)?;
    println!("{}", token.token.expose_secret());
    Ok(())
}

fn issue(config: &Config, args: &IssueArgs) -> anyhow::Result<AccessToken> {
    let (random, now) = (SystemRandom::new(), Clock::SYSTEM.unix_ms());
    let mut store = database::open(&config.data.join(DATABASE_FILE))?;
    let scopes = Names::new(&args.scopes).context("failed to read --scope")?;
    let ring = signing::open_ring(&mut store, config, &random, now)?;
    let revocations = signing::revocations(&mut store, now)?;
    let names = TokenNames { issuer: config.auth.issuer.clone(), audience: config.auth.audience.clone() };
    let issuer = TokenIssuer::new(Arc::new(ring), Arc::new(revocations), random.clone(), names, args.ttl);
    let grant = open_session(&mut store, args, &scopes, &random, now)?;
    Ok(issuer.issue(&grant, now)?)
}

/// Opens the session, and returns what the token is to say: what the account is at that moment.
fn open_session(
    store: &mut CommandStore,
    args: &IssueArgs,
    scopes: &Names,
    random: &SystemRandom,
    now: UnixMs,
) -> anyhow::Result<AccessGrant> {
    let policy = RefreshPolicy { lifetime: args.ttl, idle: args.ttl, grace: Duration::ZERO };
    store.write(|connection| {
        let user = users::find_by_name(connection, &args.user)?.ok_or_else(|| database::unknown_user(&args.user))?;
        let (roles, scopes) = (to_names(&user.roles)?, choose_scopes(&user, scopes)?);
        // The refresh token goes nowhere.
        let session = NewSession::create(policy, &user.subject, CLIENT_ID, now, random)?;
        sessions::open_family(connection, &family(session.family.clone()), &refresh_token(session.first))?;
        sessions::narrow(connection, &session.family.id, &scopes.to_scope())?;
        let what = format!("good for {} s, scopes `{}`", args.ttl.as_secs(), scopes.to_scope());
        audit::append(connection, trail::entry("token.issue", &user.name, &what, now.0))?;
        let (session, client_id) = (session.family.id, CLIENT_ID.to_owned());
        anyhow::Ok(AccessGrant { subject: user.subject, session, client_id, roles, scopes })
    })
}

/// Returns the scopes that were asked for, all of the user's when none were.
fn choose_scopes(user: &User, wanted: &Names) -> anyhow::Result<Names> {
    let name = &user.name;
    ensure!(
        user.disabled_at_ms.is_none(),
        "the user `{name}` is disabled: `backplane user enable {name}` lets it in again"
    );
    let owned = to_names(&user.scopes)?;
    if let Some(missing) = wanted.iter().find(|scope| !owned.contains(scope)) {
        anyhow::bail!("the user `{name}` does not have the scope `{missing}`: ask for some of `{}`", owned.to_scope());
    }
    Ok(if wanted.is_empty() { owned } else { wanted.clone() })
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_duration(text).filter(|ttl| (Duration::from_secs(1)..=ACCESS_TOKEN_LIFETIME_MAX).contains(ttl));
    ttl.ok_or_else(|| "write a time from 1s to 1h, such as 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_an_hour_at_the_most() {
        assert_eq!(parse_ttl("10m"), Ok(backplane_auth::ACCESS_TOKEN_LIFETIME));
        assert_eq!(parse_ttl("1h"), Ok(ACCESS_TOKEN_LIFETIME_MAX));
        for refused in ["0s", "999ms", "3601s", "2h", "10", "", "soon", "-1s"] {
            assert!(parse_ttl(refused).is_err(), "{refused}");
        }
    }
}
