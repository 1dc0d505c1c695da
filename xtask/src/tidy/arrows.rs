//! Which crate may depend on which: the arrows of ARCHITECTURE.md.

use anyhow::Context as _;

use super::{Finding, Tree};

/// A crate, by the folder of its manifest, and dependencies that it must not name.
struct Arrow {
    folder: &'static str,
    banned: &'static [&'static str],
    reason: &'static str,
}

const ARROWS: &[Arrow] = &[
    Arrow {
        folder: "host/events",
        banned: &[
            "axum",
            "backplane",
            "backplane-auth",
            "backplane-runtime",
            "backplane-sdk",
            "backplane-store",
            "diesel",
            "http",
            "hyper",
            "hyper-util",
            "jsonwebtoken",
            "tonic",
            "tower",
            "wasmtime",
        ],
        reason: "events are policy: what they need from a store and from subscribers is a port",
    },
    Arrow {
        folder: "host/runtime",
        banned: &[
            "axum",
            "backplane",
            "backplane-auth",
            "backplane-events",
            "backplane-sdk",
            "backplane-store",
            "diesel",
            "http",
            "hyper",
            "hyper-util",
            "jsonwebtoken",
            "matchit",
            "tonic",
            "tower",
            "tower-http",
        ],
        reason: "the runtime turns bytes into calls: it knows no HTTP, no SQL and no crate above it",
    },
    Arrow {
        folder: "host/auth",
        banned: &[
            "axum",
            "backplane",
            "backplane-events",
            "backplane-runtime",
            "backplane-sdk",
            "backplane-store",
            "diesel",
            "http",
            "hyper",
            "hyper-util",
            "reqwest",
            "tower",
            "tower-http",
            "wasmtime",
        ],
        reason: "who calls is known without HTTP, SQL and WebAssembly: what has to be stored or fetched is a port",
    },
    Arrow {
        folder: "host/server",
        banned: &["argon2", "diesel", "jsonwebtoken", "ring", "secrecy", "wasmparser", "wasmtime", "wasmtime-wasi"],
        reason: "a heavy dependency has one home, and the server talks to it through that crate",
    },
    Arrow {
        folder: "sdk",
        banned: &["backplane", "backplane-runtime", "tokio", "wasmtime"],
        reason: "host and guests share `wit/` and nothing else",
    },
    Arrow {
        folder: "sdk/build",
        banned: &["backplane", "backplane-runtime", "backplane-sdk", "tonic", "wasmtime"],
        reason: "host and guests share `wit/` and nothing else",
    },
    Arrow {
        folder: "sdk/macros",
        banned: &["backplane", "backplane-runtime", "backplane-sdk", "wasmtime"],
        reason: "host and guests share `wit/` and nothing else",
    },
    Arrow {
        folder: "tests",
        banned: &["backplane", "backplane-auth", "backplane-runtime", "backplane-sdk", "backplane-store"],
        reason: "the tests are black box: they see what an operator and a client see",
    },
];

pub(super) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for arrow in ARROWS {
        let place = format!("{}/Cargo.toml", arrow.folder);
        if let Some(manifest) = tree.find(&place)? {
            let banned = find_banned(&manifest, arrow.banned).with_context(|| format!("{place} is not TOML"))?;
            let message = |name| format!("depends on `{name}`: {}", arrow.reason);
            findings.extend(banned.into_iter().map(|name| Finding::new(&place, message(name))));
        }
    }
    Ok(findings)
}

/// Returns the banned dependencies that a manifest names outside of its tests.
fn find_banned(manifest: &str, banned: &[&'static str]) -> anyhow::Result<Vec<&'static str>> {
    let manifest: toml::Table = toml::from_str(manifest)?;
    let tables = ["dependencies", "build-dependencies"];
    let is_named = |name: &&&str| {
        tables.iter().filter_map(|table| manifest.get(*table)?.as_table()).any(|table| table.contains_key(**name))
    };
    Ok(banned.iter().filter(is_named).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_dependency_however_it_is_written() {
        let banned = |manifest| find_banned(manifest, &["axum"]).expect("TOML");
        assert_eq!(banned("[dependencies]\naxum.workspace = true"), ["axum"]);
        assert_eq!(banned("[dependencies.axum]\nversion = \"1\""), ["axum"]);
        assert_eq!(banned("[dependencies]\naxum-core = \"1\"\n[dev-dependencies]\naxum = \"1\""), [""; 0]);
    }
}
