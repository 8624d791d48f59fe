//! docs/settings.md, made from the table; `overdraft serve --print-settings` prints it.

use super::table::{Fallback, lines};

const HEAD: &str = "\
# Settings of the reference service

Made from `system-under-test/src/settings/table.rs`; its test tells how to write this file again.

Each is an environment variable, or a line of the TOML file that `--settings FILE` or `OVERDRAFT_SETTINGS` names, where
its name is in lower case: `db_pool = 4`. The environment wins. A name in the file that is none of these is refused. An
empty value counts as none. Secrets are shown nowhere.
";

/// Every setting, as Markdown.
pub(super) fn document() -> String {
    let mut text = HEAD.to_owned();
    let mut group = "";
    for line in lines() {
        if line.group != group {
            group = line.group;
            text += &format!("\n## {group}\n\n| setting | takes | default | what for, and why |\n|---|---|---|---|\n");
        }
        let default = match line.default {
            Fallback::Required => "required".to_owned(),
            Fallback::Nothing => "none".to_owned(),
            Fallback::Is(value) => format!("`{value}`"),
            Fallback::Before(text, name) => format!("`{text}` and `{name}`"),
        };
        let secret = if line.secret { " Secret." } else { "" };
        text += &format!("| `{}` | {} | {default} | {}{secret} |\n", line.name, line.expected, line.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
        if std::env::var_os("OVERDRAFT_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == document(), "not current: OVERDRAFT_BLESS=1 cargo test -p overdraft-reference in_docs");
    }

    #[test]
    fn each_setting_is_named_once_and_explained() {
        let lines = lines();
        for line in &lines {
            assert_eq!(lines.iter().filter(|other| other.name == line.name).count(), 1, "{}", line.name);
            assert!(line.reason.ends_with('.'), "{}", line.name);
            assert!(line.name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{}", line.name);
        }
    }
}
