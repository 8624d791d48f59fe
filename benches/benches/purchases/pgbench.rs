//! pgbench, calling the function behind `POST /v1/purchases` in sessions set up as the service sets up its own.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

use overdraft_engine::provision::postgres;

use crate::{
    Half,
    shop::{PHASE, SHOPPERS},
};

/// The statement of the service's `seams.rs`. Hashes and ids that the service computes are computed here by
/// the server: some microseconds of a purchase.
const SCRIPT: &str = r"
\set n :n + 1
\set i :base + :n * :clients + :client_id
\set buyer :i % :shoppers
\set lead (:buyer + :i / :shoppers) % :shoppers
SELECT * FROM purchase(sha256(convert_to('buyer-' || :buyer::text, 'UTF8')), 'n-' || :i::text,
    sha256(convert_to(:i::text, 'UTF8')), ARRAY['00000000-0000-4000-8000-' || lpad(:lead::text, 12, '0')]::uuid[],
    20, 'pgbench', 'http://127.0.0.1', now(), 90);
";

/// Settings of a session, as `service_pool` makes them.
const SESSION: &str = "-c role=marketplace_app -c plan_cache_mode=force_generic_plan -c statement_timeout=20000";

/// The program.
pub(crate) struct Pgbench(PathBuf);

impl Pgbench {
    /// The one beside the installed server that the engine would start.
    pub(crate) fn find() -> Option<Self> {
        let installed = postgres::installed().ok()?;
        let (_, folder) = installed.split_once(" in ")?;
        Some(Path::new(folder).join("pgbench")).filter(|program| program.is_file()).map(Self)
    }

    /// Buys for so many seconds.
    pub(crate) fn run(
        &self,
        url: &str,
        folder: &Path,
        clients: usize,
        base: u64,
        seconds: u64,
    ) -> Result<Half, Box<dyn Error>> {
        let script = folder.join("purchase.sql");
        std::fs::write(&script, SCRIPT)?;
        let url = url::Url::parse(url)?;
        let output = Command::new(&self.0)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
            .args([format!("--client={clients}"), format!("--time={seconds}")])
            .args(["--define", "n=-1"])
            .args(["--define", &format!("base={base}"), "--define", &format!("clients={clients}")])
            .args(["--define", &format!("shoppers={SHOPPERS}")])
            .arg("--file")
            .arg(&script)
            .args(["--host", url.host_str().unwrap_or_default(), "--username", url.username()])
            .args(["--port", &url.port().unwrap_or(5432).to_string()])
            .arg(database(&url)?)
            .env("PGPASSWORD", url.password().unwrap_or_default())
            .env("PGOPTIONS", SESSION)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = || format!("pgbench failed: {}\n{text}", String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(complaint().into());
        }
        let number = |line: &str| {
            let rest = text.lines().find_map(|found| found.strip_prefix(line))?;
            rest.split(['/', ' ']).find(|word| !word.is_empty())?.parse::<f64>().ok()
        };
        let purchases = number("number of transactions actually processed:").ok_or_else(complaint)?;
        let per_second = number("tps =").ok_or_else(complaint)?;
        let purchases = purchases as usize;
        if purchases as u64 > PHASE / 2 {
            return Err(format!("{purchases} purchases in one phase: widen the numbers set aside for it").into());
        }
        Ok(Half { purchases, per_second })
    }
}

fn database(url: &url::Url) -> Result<String, Box<dyn Error>> {
    Ok(url.path().trim_start_matches('/').to_owned())
}
