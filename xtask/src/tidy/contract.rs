//! A released file of `wit/` never changes: `wit/released.sha256` holds the sums, as `sha256sum` writes them.

use std::fs;

use sha2::{Digest as _, Sha256};

use super::{Finding, Tree};

const SUMS: &str = "wit/released.sha256";

pub(super) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let sums = tree.find(SUMS)?.unwrap_or_default();
    if sums.trim().is_empty() {
        eprintln!("==> tidy: no version of wit/ is released yet, so its files may change");
        return Ok(Vec::new());
    }
    let mut findings = Vec::new();
    for line in sums.lines().filter(|line| !line.trim().is_empty()) {
        let Some((sum, file)) = line.split_once("  ") else {
            findings.push(Finding::new(SUMS, format!("`{line}` is not a sum, two spaces and a file of wit/")));
            continue;
        };
        let path = tree.root.join("wit").join(file);
        match fs::read(&path) {
            Ok(bytes) if hex(&bytes) == sum => {}
            Ok(_) => findings.push(Finding::new(
                format!("wit/{file}"),
                "is released and must not change: plugins in the field were built against it; add a new version",
            )),
            Err(_) => findings.push(Finding::new(format!("wit/{file}"), "is released and must not go away")),
        }
    }
    Ok(findings)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_a_released_file_that_changed_or_is_gone() -> anyhow::Result<()> {
        let root = tempfile::tempdir()?;
        fs::create_dir(root.path().join("wit"))?;
        let write = |name: &str, text: &str| fs::write(root.path().join("wit").join(name), text);
        write("types.wit", "package a:b;")?;
        write("released.sha256", &format!("{}  types.wit\n", hex(b"package a:b;")))?;
        let findings = || Tree::read(root.path()).and_then(|tree| check(&tree));
        assert_eq!(findings()?, []);
        write("types.wit", "package a:c;")?;
        assert_eq!(findings()?.len(), 1);
        fs::remove_file(root.path().join("wit/types.wit"))?;
        assert_eq!(findings()?.len(), 1);
        Ok(())
    }
}
