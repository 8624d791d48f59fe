//! `overdraft tenancy`: does one tenant reach another's rows, on any PostgreSQL.

use std::fmt::Write as _;

use overdraft_engine::provision::network::require_loopback;
use overdraft_model::{
    codec,
    tenancy::{Report, Rules, Severity, Standing},
};
use overdraft_tenancy::{Error, markdown::markdown, probe};
use sqlx::{Connection, PgConnection};

use crate::{
    args::{TenancyFormat, TenancyOptions},
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(options: &TenancyOptions) -> Result<Exit, Failure> {
    if !options.allow_remote {
        require_loopback(&options.database_url).map_err(|_| {
            Failure::usage("--database-url names no loopback address: if the database is yours, add --allow-remote")
        })?;
    }
    let rules = rules(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::harness)?;
    let report = runtime.block_on(async {
        let mut connection = PgConnection::connect(&options.database_url).await.map_err(Error::Database)?;
        let report = probe(&mut connection, &rules).await;
        let _ = connection.close().await;
        report
    });
    let report = report.map_err(|error| match error {
        Error::Database(_) | Error::Catalogue { .. } => Failure::harness(error),
        other => Failure::usage(other.to_string()),
    })?;
    let text = match options.format {
        TenancyFormat::Console => console(&report),
        TenancyFormat::Json => serde_json::to_string_pretty(&report).map_err(Failure::harness)? + "\n",
        TenancyFormat::Markdown => markdown(&report),
    };
    match &options.out {
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::usage(format!("--out {}: {error}", path.display())))?
        }
        None => output::say(&text),
    }
    if options.strict && report.of(Severity::Weakness).next().is_some() {
        return Ok(Exit::Invalid);
    }
    Ok(Exit::of(report.validity()))
}

fn rules(options: &TenancyOptions) -> Result<Rules, Failure> {
    let mut rules = match &options.rules {
        Some(path) => {
            let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
            codec::read_toml::<Rules>(&text).map_err(|error| wrong(&error))?
        }
        None => Rules::default(),
    };
    rules.roles.extend(options.roles.iter().cloned());
    rules.tenant_column = options.tenant_column.clone().or(rules.tenant_column);
    rules.enter = options.enter.clone().or(rules.enter);
    rules.skip_calls |= options.skip_calls;
    for pair in &options.allow {
        let Some((name, reason)) = pair.split_once('=').filter(|(_, reason)| !reason.trim().is_empty()) else {
            return Err(Failure::usage(format!("--allow `{pair}`: write NAME=REASON; the reason is for the reader")));
        };
        rules.allow.insert(name.to_owned(), reason.to_owned());
    }
    Ok(rules)
}

/// For people: what leaks first, then how much was tried.
fn console(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(text, "{:<12} {}  {}", finding.severity.word(), finding.kind, finding.what);
        let _ = writeln!(text, "             shown by  {}", finding.shown);
        let _ = writeln!(text, "             to do     {}", finding.remedy);
    }
    for (name, reason) in &report.declared {
        let _ = writeln!(text, "on purpose   {name}  {reason}");
    }
    for probe in report.not_exercised() {
        let _ = writeln!(text, "not tried    {} of {}: {}", probe.operation.word(), probe.object, probe.seen);
    }
    for limit in &report.limits {
        let _ = writeln!(text, "limit        {limit}");
    }
    let of = |standing| report.objects.iter().filter(|object| object.standing == standing).count();
    let _ = writeln!(
        text,
        "\n{}: {} probes on PostgreSQL {}; {} isolated, {} shared, {} internal, {} leaking, {} unknown. Nothing remains \
         of them, sequences excepted.",
        report.validity().word(),
        report.probes.len(),
        report.server,
        of(Standing::Isolated),
        of(Standing::Shared),
        of(Standing::Internal),
        of(Standing::Leaking),
        of(Standing::Unknown),
    );
    text
}
