//! Following which plugins there are.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{
    app::App,
    grpc::{
        pb::{Plugin, WatchPluginsResponse},
        streams::{Gone, Sender, shutting_down},
    },
};

/// Between two looks at what nobody tells of: a generation that has finished its last call.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Sends the plugins at once, and each time that something about them changes, until the caller goes or the server
/// stops. Numbers of calls are no change: they are those of the moment.
pub(super) async fn follow(app: Arc<App>, name: Option<String>, sender: Sender<WatchPluginsResponse>) {
    let mut changes = app.live.changes();
    let mut ticks = interval_at(Instant::now() + LOOK_INTERVAL, LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        // Seen before the look, so that what comes after it wakes.
        changes.mark_unchanged();
        let plugins = plugins(&app, name.as_deref());
        let without_counts = plugins.iter().map(without_counts).collect::<Vec<_>>();
        if last.as_ref() != Some(&without_counts) {
            if let Err(Gone) = sender.send(WatchPluginsResponse { plugins }).await {
                return;
            }
            last = Some(without_counts);
        }
        tokio::select! {
            biased;
            () = app.shutdown.cancelled() => return sender.fail(shutting_down()).await,
            () = sender.closed() => return,
            changed = changes.changed() => if changed.is_err() { return },
            _ = ticks.tick() => {}
        }
    }
}

fn plugins(app: &App, name: Option<&str>) -> Vec<Plugin> {
    let views = app.live.snapshot().views().into_iter();
    views.filter(|view| name.is_none_or(|name| view.name == name)).map(Into::into).collect()
}

fn without_counts(plugin: &Plugin) -> Plugin {
    Plugin { calls: 0, traps: 0, in_flight: 0, ..plugin.clone() }
}
