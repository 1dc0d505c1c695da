//! What a server says of its store at `GET /api/store`: how many commits shared one wait for the disk.

use anyhow::Context as _;
use serde::Deserialize;

use crate::server::Server;

/// The counts since the server started.
#[derive(Debug, Deserialize)]
pub(crate) struct StoreCounts {
    commits: u64,
    batches: u64,
}

impl StoreCounts {
    /// Reads them; `None` when the server does not tell.
    pub(crate) fn read(server: &Server) -> anyhow::Result<Option<Self>> {
        let lines = format!("authorization: Bearer {}\r\n", server.token()?);
        let found = server.program.find("/api/store", &lines)?;
        found.map(|body| serde_json::from_slice(&body).context("/api/store")).transpose()
    }

    /// Returns how many commits shared one wait for the disk between two looks.
    pub(crate) fn commits_per_fsync(before: Option<Self>, after: Option<Self>) -> Option<f64> {
        let (before, after) = before.zip(after)?;
        Some(after.commits.checked_sub(before.commits)? as f64 / after.batches.checked_sub(before.batches)? as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::StoreCounts;

    #[test]
    fn counts_only_what_was_committed_meanwhile() {
        let counts = |commits, batches| Some(StoreCounts { commits, batches });
        assert_eq!(StoreCounts::commits_per_fsync(counts(10, 10), counts(110, 20)), Some(10.0));
        assert_eq!(StoreCounts::commits_per_fsync(None, counts(110, 20)), None);
    }
}
