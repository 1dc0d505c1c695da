//! What a command leaves in the audit trail.

use backplane_store::identity::audit::NewEntry;
use rustix::process::getuid;

/// Who did what no request did.
const ACTOR: &str = "command";

/// Says that a command did `action` to `target` at `at_ms`, and who ran it.
pub(super) fn entry(action: &str, target: &str, what: &str, at_ms: i64) -> NewEntry {
    let user = getuid().as_raw();
    NewEntry {
        at_ms,
        actor: Some(ACTOR.to_owned()),
        actor_name: Some(ACTOR.to_owned()),
        kind: ACTOR.to_owned(),
        action: action.to_owned(),
        target: Some(target.to_owned()),
        result: "ok".to_owned(),
        detail: Some(format!("{what}, by user {user} of the operating system")),
        ..NewEntry::default()
    }
}
