//! docs/defects.md, made from the catalogue.

use std::fmt::Write;

use super::CATALOGUE;

const HEAD: &str = "\
# Planted defects

Made from `system-under-test/src/defects`; its test tells how to write this file again.

Each is a way in which a real team has written such a service wrong. `overdraft run SCENARIO --defect NAME` plants one
in the bundled reference service, in its database and in every instance, and must find it; `overdraft prove` does so
for all of them, over many seeds (docs/prove.md). The harness is told nothing: what it sees is HTTP, SQL evidence and
the simulators of the providers.
";

/// The document.
pub(super) fn document() -> String {
    let mut text = HEAD.to_owned();
    for family in CATALOGUE {
        let _ = write!(text, "\n## {}\n\n| defect | what is wrong | models | found by | in |\n", family.title);
        text.push_str("|---|---|---|---|---|\n");
        for defect in family.defects {
            let row = [defect.wrong, defect.incident].map(|text| text.replace('|', "\\|"));
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | `{}` | `{}` |",
                defect.name, row[0], row[1], defect.caught_by, defect.scenario
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/defects.md");
        if std::env::var_os("OVERDRAFT_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == document(),
            "docs/defects.md is not current: OVERDRAFT_BLESS=1 cargo test -p overdraft-reference"
        );
    }
}
