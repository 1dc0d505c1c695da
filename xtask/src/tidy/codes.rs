//! Every error code of the host is documented, and every documented one exists.

use std::collections::BTreeSet;

use super::{Finding, Tree};

const TABLE: &str = "host/server/src/problem/codes.rs";
const PAGE: &str = "docs/errors.md";

pub(super) fn check(tree: &Tree) -> anyhow::Result<Vec<Finding>> {
    let Some(table) = tree.find(TABLE)? else {
        return Ok(vec![Finding::new(TABLE, "is missing: the codes of all errors belong in one table")]);
    };
    let page = tree.find(PAGE)?.unwrap_or_default();
    Ok(compare(&codes_in_table(&table), &codes_on_page(&page)))
}

fn compare(table: &BTreeSet<&str>, page: &BTreeSet<&str>) -> Vec<Finding> {
    let undocumented = table.difference(page).map(|code| {
        Finding::new(PAGE, format!("does not explain `{code}`: a client that gets it must find what to do"))
    });
    let unknown = page
        .difference(table)
        .map(|code| Finding::new(PAGE, format!("explains `{code}`, which no error has: nobody will ever get it")));
    undocumented.chain(unknown).collect()
}

/// Finds the codes in lines of the form `CONSTANT = "code", STATUS, "Title";`.
fn codes_in_table(text: &str) -> BTreeSet<&str> {
    let is_constant = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let cut = |line| str::split_once(line, " = \"").filter(|(name, _)| is_constant(name.trim()));
    text.lines().filter_map(|line| Some(cut(line)?.1.split_once('"')?.0)).collect()
}

/// Finds the codes in the first cells of the page's tables: "| `code` | ...". What is in capitals is a status of gRPC.
fn codes_on_page(text: &str) -> BTreeSet<&str> {
    let cells = text.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    cells.filter(|cell| cell.bytes().any(|b| b.is_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_table_with_the_page() {
        let table = "codes! {\n    NOT_FOUND = \"not_found\", NOT_FOUND, \"Not found\";\n    A = \"a\", OK, \"A\";\n}";
        let page = "| Code | Status |\n|---|---|\n| `not_found` | 404 |\n| `gone` | 410 |\n| `ABORTED` | 409 |\n";
        let findings: Vec<_> =
            compare(&codes_in_table(table), &codes_on_page(page)).into_iter().map(|f| f.message).collect();
        assert_eq!(findings.len(), 2);
        assert!(findings[0].contains("`a`") && findings[1].contains("`gone`"), "{findings:?}");
    }
}
