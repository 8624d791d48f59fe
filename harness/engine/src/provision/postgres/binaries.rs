//! Finds installed PostgreSQL server binaries: `pg_config`, PATH, and the usual folders.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use super::PostgresError;

/// A folder with `initdb` and `postgres` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    /// Such as `15.18`.
    pub(super) version: String,
}

/// Folders in which packagers put the server, with `*` for a version.
const USUAL: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",
];

/// The newest usable binaries of this machine.
pub(super) fn find() -> Result<Binaries, PostgresError> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.insert(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders.extend(USUAL.iter().flat_map(|pattern| expand(pattern)));
    folders
        .iter()
        .filter_map(|folder| at(folder))
        .max_by_key(|found| number(&found.version))
        .ok_or_else(|| PostgresError::NoBinaries { looked: format!("pg_config, PATH, {}", USUAL.join(", ")) })
}

/// The binaries in one folder, if it has them. A link, as some machines have in PATH, is followed to the
/// real folder, because the server finds its shared files beside itself.
pub(super) fn at(folder: &Path) -> Option<Binaries> {
    let postgres = std::fs::canonicalize(folder.join("postgres")).ok()?;
    let folder = postgres.parent()?.to_path_buf();
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(Binaries { folder, version: version.to_owned() })
}

fn number(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some(star) = pattern.find('*') else { return vec![PathBuf::from(pattern)] };
    let (before, after) = (&pattern[..star], pattern[star + 1..].trim_start_matches('/'));
    let split = before.rfind('/').map_or(0, |at| at + 1);
    let (parent, prefix) = before.split_at(split);
    let Ok(entries) = std::fs::read_dir(parent) else { return vec![] };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(number("15.18") > number("9.6.24"));
        assert!(number("16beta1") > number("15.18"));
    }

    #[test]
    fn a_folder_without_a_server_is_none() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(at(empty.path()), None);
    }

    #[test]
    fn stars_expand_to_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        for version in ["14", "15"] {
            std::fs::create_dir_all(root.path().join(format!("pg-{version}/bin"))).unwrap();
        }
        let pattern = format!("{}/pg-*/bin", root.path().display());
        assert_eq!(expand(&pattern).len(), 2);
        assert!(expand("/nowhere/at/all-*/bin").is_empty());
    }
}
