//! The last versions of one plugin, which of them is live, and whether the operator chose it.
//!
//! Nothing here does I/O or asks the clock.

use backplane_runtime::ContentHash;
use jiff::Timestamp;

/// Most versions kept of a plugin.
pub const VERSIONS_MAX: usize = 5;

/// One version of a plugin. Its hash is its identity: the same content with another sidecar takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRecord {
    /// The content.
    pub hash: ContentHash,
    /// The version that the manifest names.
    pub version: String,
    /// Name of the file that it came as.
    pub file: String,
    /// Text of the manifest that lay beside the file.
    pub sidecar: Option<String>,
    /// When it last went live.
    pub loaded_at: Timestamp,
}

/// The operator's choice of another version than the one in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The version that is live.
    pub chosen: ContentHash,
    /// The content of the plugin's file when the choice was made. Other content there ends the pin.
    pub instead_of: ContentHash,
}

/// What is known of a plugin's versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// At most [`VERSIONS_MAX`], the latest deployment first.
    pub versions: Vec<VersionRecord>,
    /// The live one.
    pub live: Option<ContentHash>,
    /// Why the live one is not the latest.
    pub pin: Option<Pin>,
}

impl History {
    /// Returns the version that a rollback leads to: the one deployed before the live one.
    pub fn previous(&self) -> Option<&VersionRecord> {
        self.versions.iter().skip_while(|version| Some(version.hash) != self.live).nth(1)
    }

    /// Returns a kept version.
    pub fn find(&self, hash: ContentHash) -> Option<&VersionRecord> {
        self.versions.iter().find(|version| version.hash == hash)
    }

    /// Makes a version the live one.
    ///
    /// It counts as the latest deployment, unless it is live already or was pinned: a rollback keeps the order, so
    /// that the next one leads further back.
    pub(super) fn record_live(&mut self, record: VersionRecord) {
        let hash = record.hash;
        let keeps_place = self.live == Some(hash) || self.pin.is_some_and(|pin| pin.chosen == hash);
        match self.versions.iter_mut().find(|version| version.hash == hash) {
            Some(version) if keeps_place => *version = record,
            _ => {
                self.versions.retain(|version| version.hash != hash);
                self.versions.insert(0, record);
            }
        }
        self.live = Some(hash);
        self.drop_oldest();
    }

    /// The live and the pinned version stay, however old they are.
    fn drop_oldest(&mut self) {
        let pinned = self.pin.map(|pin| pin.chosen);
        while self.versions.len() > VERSIONS_MAX {
            let is_free = |version: &VersionRecord| Some(version.hash) != self.live && Some(version.hash) != pinned;
            let Some(oldest) = self.versions.iter().rposition(is_free) else { return };
            self.versions.remove(oldest);
        }
    }

    /// Returns the pinned version if the pin holds for a file with this content, and drops it if not.
    pub(super) fn settle_pin(&mut self, file_hash: ContentHash) -> Option<ContentHash> {
        self.pin = self.pin.filter(|pin| pin.instead_of == file_hash);
        self.pin.map(|pin| pin.chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(version: &str) -> ContentHash {
        ContentHash::of(version.as_bytes())
    }

    fn record(version: &str) -> VersionRecord {
        VersionRecord {
            hash: hash(version),
            version: version.into(),
            file: "a.wasm".into(),
            sidecar: None,
            loaded_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn history(versions: &[&str]) -> History {
        let mut history = History::default();
        versions.iter().for_each(|version| history.record_live(record(version)));
        history
    }

    fn order(history: &History) -> String {
        history.versions.iter().map(|version| version.version.as_str()).collect()
    }

    fn pin(chosen: &str, instead_of: &str) -> Option<Pin> {
        Some(Pin { chosen: hash(chosen), instead_of: hash(instead_of) })
    }

    #[test]
    fn keeps_the_last_five_latest_first() {
        let history = history(&["1", "2", "3", "4", "5", "6"]);
        assert_eq!(order(&history), "65432");
        assert_eq!(history.live, Some(hash("6")));
        assert_eq!(history.previous(), Some(&record("5")));
    }

    #[test]
    fn an_earlier_content_that_is_deployed_again_is_the_latest() {
        let history = history(&["1", "2", "3", "1"]);
        assert_eq!(order(&history), "132");
        assert_eq!(history.previous(), Some(&record("3")));
    }

    #[test]
    fn the_live_version_again_keeps_its_place_and_takes_the_new_sidecar() {
        let mut history = history(&["1", "2"]);
        history.record_live(VersionRecord { sidecar: Some("x".into()), ..record("2") });
        assert_eq!(order(&history), "21");
        assert_eq!(history.find(hash("2")).and_then(|version| version.sidecar.as_deref()), Some("x"));
    }

    #[test]
    fn a_rollback_keeps_the_order_so_that_the_next_leads_further_back() {
        let mut history = history(&["1", "2", "3"]);
        history.pin = pin("2", "3");
        history.record_live(record("2"));
        assert_eq!(order(&history), "321");
        assert_eq!(history.previous(), Some(&record("1")));
        history.pin = pin("1", "3");
        history.record_live(record("1"));
        assert_eq!(history.previous(), None);
    }

    #[test]
    fn the_live_and_the_pinned_version_are_kept_however_old() {
        let mut history = history(&["1", "2", "3", "4", "5"]);
        history.pin = pin("1", "5");
        history.record_live(record("6"));
        assert_eq!(order(&history), "65431");
    }

    #[test]
    fn nothing_is_before_a_version_that_is_not_live() {
        assert_eq!(History { live: None, ..history(&["1", "2"]) }.previous(), None);
    }

    #[test]
    fn a_pin_holds_for_the_file_that_it_was_made_for() {
        let mut history = History { pin: pin("1", "2"), ..History::default() };
        assert_eq!(history.settle_pin(hash("2")), Some(hash("1")));
        assert_eq!(history.settle_pin(hash("3")), None);
        assert_eq!(history.settle_pin(hash("2")), None);
    }
}
