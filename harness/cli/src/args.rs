//! The command line, as typed. What it means is decided in `config`.

mod runs;
mod service;

use clap::{Parser, Subcommand};

pub(crate) use self::{
    runs::{
        CheckFormat, CheckOptions, Common, ExplainOptions, ExportFormat, ExportOptions, Format, ProveOptions,
        ReplayOptions, ReportOptions, RunOptions, ShrinkOptions,
    },
    service::{
        AuditFormat, AuditOptions, MigrateOptions, ServeOptions, SettingsOptions, StaffAddOptions, StaffCommand,
        StaffMember, TenancyFormat, TenancyOptions,
    },
};

/// Proves that a system which takes money keeps its promises under load and faults, or shows the smallest
/// story in which it does not.
#[derive(Debug, Parser)]
#[command(name = "overdraft", version, max_term_width = 110, after_help = AFTER)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
First steps:
  overdraft run                       prove the bundled reference service, about a minute
  overdraft run --defect NAME         plant a bug in it and see it found (`overdraft list` names them)
  overdraft run --target mine.toml    prove your own service; docs/target-file.md says how to describe it
  overdraft doctor                    what this machine can do

Exit codes:
  0  every check valid                1  a check or threshold was violated
  2  usage or configuration           3  unknown: target unreachable, or something was not exercised
  4  the harness could not work       130  interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios or a suite against a target, check, and report.
    Run(Box<RunOptions>),
    /// Run again what a saved run did: same seed, same scenarios, same faults.
    Replay(ReplayOptions),
    /// Judge a saved run again, from its files alone; or a history of another tool.
    Check(CheckOptions),
    /// Write the reports of a saved run again.
    Report(ReportOptions),
    /// Print the history of a saved run in another tool's format.
    Export(ExportOptions),
    /// Prove the detector: plant every defect, see each found by its check, and the correct service never accused.
    Prove(ProveOptions),
    /// Run a saved run's violation again with fewer users, steps and faults, until it is as small as it gets, and write
    /// that down as a scenario file.
    Shrink(ShrinkOptions),
    /// List suites, scenarios, checks, targets and planted defects.
    List,
    /// Tell what a check promises, how it is checked, and which incident it would have caught.
    Explain(ExplainOptions),
    /// Try on any PostgreSQL whether one tenant reaches another's rows, and write down who sees what.
    Tenancy(TenancyOptions),
    /// Tell what this machine can do.
    Doctor,
    /// Start one instance of the bundled reference service, configured by its environment.
    Serve(ServeOptions),
    /// Prepare the database of the bundled reference service.
    Migrate(MigrateOptions),
    /// Manage those who run the bundled reference service: its admins and its support.
    #[command(subcommand)]
    Staff(StaffCommand),
    /// Check the stored data of the bundled reference service: balances, sales, commissions, payments.
    Audit(AuditOptions),
}
