//! docs/errors.md, made from the catalogue; also served at `/docs/errors`.

use super::CATALOGUE;

const HEAD: &str = "\
# Errors

Made from `system-under-test/src/problem/catalogue.rs`; its test tells how to write this file again.

Every error is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail`, `instance`, `code`,
`request_id` and `retryable`. Decide by `code`. `retryable` is true if the same request may succeed later by itself; a
write is then repeated with the same `Idempotency-Key`, after `Retry-After` where there is one.
";

/// The document.
pub(crate) fn errors() -> String {
    let mut text = HEAD.to_owned();
    for kind in CATALOGUE {
        let retryable = if kind.retryable() { ", retryable" } else { "" };
        text += &format!("\n## `{}`\n\n{} {}{retryable}. {}\n\n", kind.code, kind.status, kind.title, kind.meaning);
        text += &format!("What to do: {}\n", kind.action);
        if !kind.members.is_empty() {
            text += &format!("\nMore members: `{}`.\n", kind.members.join("`, `"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
        if std::env::var_os("OVERDRAFT_BLESS").is_some() {
            std::fs::write(path, errors()).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there == errors(),
            "docs/errors.md is not current: OVERDRAFT_BLESS=1 cargo test -p overdraft-reference"
        );
    }
}
