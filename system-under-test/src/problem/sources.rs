//! Holds every code that SQL or Rust can produce against the catalogue, by reading the source.

use std::fs;
use std::path::Path;

use super::kind;

/// Every file below a folder of this crate with this extension.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "nothing to read in {folder}");
    found
}

/// What stands behind each call of a function whose name ends like this, its definition left out.
fn calls<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(name).filter_map(move |(at, _)| {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = text[line..at].trim_start();
        let defined = ["--", "//", "CREATE", "fn ", "pub(crate) fn "].iter().any(|start| before.starts_with(start));
        (!defined).then(|| &text[at + name.len()..])
    })
}

/// The first quoted text, in these quotes.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let rest = &text[text.find(quote)? + 1..];
    rest.split_once(quote)
}

/// In SQL a code is followed by its title and status: all three must be the catalogue's.
#[test]
fn every_error_of_the_database_is_in_the_catalogue_as_it_is_there() {
    let mut seen = 0;
    for folder in ["migrations", "src/defects"] {
        for (path, text) in files(folder, "sql") {
            for call in calls(&text, "problem(") {
                // problem(p_code, ...) inside another function hands a code on that was checked where it was said.
                let arguments = call.split_once(';').map_or(call, |(before, _)| before);
                let Some((code, rest)) = quoted(arguments, '\'').filter(|_| !call.trim_start().starts_with("p_code"))
                else {
                    continue;
                };
                let known = kind(code).unwrap_or_else(|| panic!("{path}: the catalogue has no {code}"));
                let (title, rest) = quoted(rest, '\'').unwrap();
                let status: String =
                    rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
                assert_eq!((title, status), (known.title, known.status.to_string()), "{path}: {code}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "only {seen} errors were found in the migrations: has their form changed?");
}

/// Codes in Rust, where an error is made and where a handler declares what it can answer.
#[test]
fn every_error_of_the_service_is_in_the_catalogue() {
    let mut seen = 0;
    for (path, text) in files("src", "rs") {
        for form in ["Problem::new(", "Self::new(", "not_found("] {
            for call in calls(&text, form) {
                let argument = call.split([',', ')']).next().unwrap_or_default().trim();
                if let Some(code) = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                    assert!(kind(code).is_some(), "{path}: the catalogue has no {code}");
                    seen += 1;
                }
            }
        }
        for declared in calls(&text, "\"x-problems\" = json!([") {
            let list = declared.split_once(']').unwrap().0;
            for code in list.split(',').map(|code| code.trim().trim_matches('"')) {
                assert!(kind(code).is_some(), "{path}: the catalogue has no {code}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 15, "only {seen} errors were found in the source: has their form changed?");
}
