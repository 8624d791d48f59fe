//! The command line, as typed. What it means is decided in `config`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  overdraft run                                  the gate suite on the reference target
  overdraft run flash-sale wallet-drain          two scenarios
  overdraft run my-scenario.toml                 a scenario file of your own
  overdraft run --seed 42 --users 200            the same run as anybody else with this seed, with more users
  overdraft run --defect email-failure-swallowed exit 1, and the story of the emails that were lost
  overdraft run --dry-run                        what would be done, and nothing else")]
pub(crate) struct RunOptions {
    /// Scenarios, suites, or paths of scenario files; without any, the `gate` suite.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,

    #[command(flatten)]
    pub(crate) common: Common,

    /// What everything is drawn from; without it a new one is drawn and printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Users at the same time, instead of the scenario's own number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=2000))]
    pub(crate) users: Option<u32>,

    /// How long to drive each scenario, such as 30s or 5m; without it, as many rounds as the scenario says.
    #[arg(long)]
    pub(crate) duration: Option<String>,

    /// A Chaos Toolkit experiment (JSON) whose method takes the place of the one scenario's faults; its journal is
    /// written to the run's folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) experiment: Option<PathBuf>,

    /// Plant one of the target's known bugs, to see it found.
    #[arg(long, value_name = "NAME")]
    pub(crate) defect: Option<String>,

    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What `run` and `replay` have in common.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The service to test: `reference`, or the path of a target file.
    #[arg(long, default_value = "reference")]
    pub(crate) target: String,

    /// Folder for this run's files; without it, a new one under `runs/`.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// What to print at the end. All reports are written to the run's folder whatever is printed.
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub(crate) format: Format,

    /// A PostgreSQL server to use: a database of our own is created in it and dropped. An ambient DATABASE_URL is
    /// never looked at.
    #[arg(long, value_name = "URL", env = "OVERDRAFT_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,

    /// How to come by a PostgreSQL where none is given: auto, local, docker or download.
    #[arg(long, value_name = "WAY", default_value = "auto")]
    pub(crate) postgres: String,

    /// Image for `--postgres docker`.
    #[arg(long, value_name = "IMAGE", default_value = "postgres:17", env = "OVERDRAFT_POSTGRES_IMAGE")]
    pub(crate) postgres_image: String,

    /// Fire at addresses that are not loopback. Needs `allow_remote = true` in the target file too.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Console,
    /// `verdict.json`.
    Json,
    /// `summary.md`, for a CI job's summary.
    Markdown,
    /// `junit.xml`.
    Junit,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// The run's folder, or its manifest.json.
    #[arg(default_value = "runs/latest")]
    pub(crate) folder: PathBuf,

    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  overdraft check runs/latest                                the verdict of a saved run
  overdraft check --format porcupine-register etcd_002.log   a Jepsen log of a register with compare-and-set
  overdraft check --format porcupine-kv c10-ok.txt           gets, puts and appends, one map per line")]
pub(crate) struct CheckOptions {
    /// The run's folder; with a `porcupine-…` format, the file of the history.
    #[arg(default_value = "runs/latest", value_name = "DIR|FILE")]
    pub(crate) path: PathBuf,

    /// What to print of a run; or, as `porcupine-register` or `porcupine-kv`, what to read instead of one.
    #[arg(long, value_enum, default_value_t = CheckFormat::Console)]
    pub(crate) format: CheckFormat,

    /// With a `porcupine-…` format: steps for each register or key, after which its verdict is unknown.
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
}

/// What `check` prints, or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people.
    Console,
    /// `verdict.json`.
    Json,
    /// `summary.md`, for a CI job's summary.
    Markdown,
    /// `junit.xml`.
    Junit,
    /// Reads a Jepsen log of a register with compare-and-set, as Porcupine does.
    PorcupineRegister,
    /// Reads gets, puts and appends, one map per line, as Porcupine does.
    PorcupineKv,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// The run's folder.
    #[arg(default_value = "runs/latest")]
    pub(crate) folder: PathBuf,

    /// What to print.
    #[arg(long, value_enum, default_value_t = ExportFormat::Edn)]
    pub(crate) format: ExportFormat,
}

/// Formats of other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Jepsen's: one EDN map per line.
    Edn,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  overdraft prove                                        every defect with 10 seeds, and 200 clean runs: some hours
  overdraft prove --seeds 1 --clean 0 --budget 20m       as many defects, once each, as 20 minutes allow
  overdraft prove --defect livemode-ignored --clean 0    one of them

A proof that was cut short goes on where it was when it is called again with the same --out.

Exit codes:
  0  each defect was caught in at least 9 of 10 seeds, and no clean run accused the service
  1  otherwise                       3  something was not run, or ended without an answer")]
pub(crate) struct ProveOptions {
    /// A defect to prove; without one, all of them.
    #[arg(long = "defect", value_name = "NAME", num_args = 1..)]
    pub(crate) defects: Vec<String>,

    /// Seeds for each defect: 1, 2, and so on.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,

    /// Runs of the correct service, of one scenario each: all scenarios with seed 1, then with seed 2, and so on.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) clean: u64,

    /// End by then, such as 45m. What was not run is shown as not run.
    #[arg(long, value_name = "DURATION")]
    pub(crate) budget: Option<String>,

    /// Folder of the results and the matrix. Runs that were not as expected are kept in it.
    #[arg(long, value_name = "DIR", default_value = "runs/proof")]
    pub(crate) out: PathBuf,

    /// A PostgreSQL server to use, as for `run`.
    #[arg(long, value_name = "URL", env = "OVERDRAFT_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,

    /// How to come by a PostgreSQL where none is given: auto, local, docker or download.
    #[arg(long, value_name = "WAY", default_value = "auto")]
    pub(crate) postgres: String,
}

#[derive(Debug, Args)]
pub(crate) struct FolderOptions {
    /// The run's folder.
    #[arg(default_value = "runs/latest")]
    pub(crate) folder: PathBuf,

    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    #[command(flatten)]
    pub(crate) run: FolderOptions,

    /// The folder of an earlier run to compare with.
    #[arg(long, value_name = "DIR")]
    pub(crate) baseline: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// The check's id, such as credits.conserved; without one, all.
    pub(crate) check: Option<String>,
}

/// Where the bundled service's settings are, besides its environment.
#[derive(Debug, Args)]
pub(crate) struct SettingsOptions {
    /// A TOML file of settings; the environment wins. docs/settings.md lists them.
    #[arg(long, value_name = "FILE", env = "OVERDRAFT_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Plant a known bug. `/health` names it, so that it cannot be mistaken for the real service.
    #[arg(long, value_name = "NAME")]
    pub(crate) defect: Option<String>,
    /// Let `PUT /test-clock` move the instance's clock. For tests only: it is open to everybody.
    #[arg(long)]
    pub(crate) test_clock: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsOptions,
    /// Print what can be set, and start nothing.
    #[arg(long)]
    pub(crate) print_settings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    /// Plant a known bug.
    #[arg(long, value_name = "NAME")]
    pub(crate) defect: Option<String>,
    #[command(flatten)]
    pub(crate) settings: SettingsOptions,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  nothing is violated              1  something is
  2  usage                            3  not a database of the reference service, or it may not be read
  4  the database cannot be reached")]
pub(crate) struct AuditOptions {
    /// The service's database, as the login user that ran the migrations. It is only read.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,

    /// What to print.
    #[arg(long, value_enum, default_value_t = AuditFormat::Console)]
    pub(crate) format: AuditFormat,

    /// Read a database that is not on this machine.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// What `audit` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// For people.
    Console,
    /// The checks with their violating rows, as one array.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StaffCommand {
    /// Add somebody. The password is the first line of standard input; an API key is printed, once.
    Add(StaffAddOptions),
    /// Shut somebody out: API key and password stop working, sessions end at once, and the audit log tells.
    Disable(StaffMember),
    /// Let somebody in again who was shut out, with the key and the password they had.
    Enable(StaffMember),
}

#[derive(Debug, Args)]
pub(crate) struct StaffMember {
    /// The address they log in with.
    #[arg(value_name = "EMAIL")]
    pub(crate) email: String,

    /// The service's database, as the login user that ran the migrations.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct StaffAddOptions {
    /// The address to log in with.
    #[arg(long)]
    pub(crate) email: String,

    /// What the member may do.
    #[arg(long, value_enum)]
    pub(crate) role: StaffRole,

    /// Read no password: the member can use the API, but not log in at the pages.
    #[arg(long)]
    pub(crate) no_password: bool,

    /// The service's database, as the login user that ran the migrations.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
}

/// What a member of staff may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StaffRole {
    /// Everything.
    Admin,
    /// Look.
    Support,
}

impl StaffRole {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Support => "support",
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Everything is tried in one db_tx that is rolled back: nothing remains, sequences excepted. It takes locks for
moments, so give it a copy of a production database rather than the database itself.

Exit codes:
  0  nothing leaks    1  a leak (with --strict also a weakness)    2  usage    3  something could not be tried
  4  the database could not be reached")]
pub(crate) struct TenancyOptions {
    /// The database, as a superuser or as the owner of its tables. An ambient DATABASE_URL is never looked at.
    #[arg(long, value_name = "URL", env = "OVERDRAFT_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,

    /// A role that requests run as; without one, those that a policy confines to a tenant.
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,

    /// The column that says whose row it is; without it, the one that most policies read.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) tenant_column: Option<String>,

    /// SQL that enters the tenant $1; without it, the setting that the policies read is set.
    #[arg(long, value_name = "SQL")]
    pub(crate) enter: Option<String>,

    /// A table, view or function that reaches across tenants on purpose, and the reason.
    #[arg(long, value_name = "NAME=REASON")]
    pub(crate) allow: Vec<String>,

    /// All of this from a TOML file: roles, tenant_column, enter, allow, skip_calls. Options add to it.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,

    /// Call no SECURITY DEFINER function. They are called in the db_tx that is rolled back.
    #[arg(long)]
    pub(crate) skip_calls: bool,

    /// Exit with 1 on a weakness too.
    #[arg(long)]
    pub(crate) strict: bool,

    /// What to print.
    #[arg(long, value_enum, default_value_t = TenancyFormat::Console)]
    pub(crate) format: TenancyFormat,

    /// Write it to this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Probe a database that is not on this machine.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// What `tenancy` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TenancyFormat {
    /// The findings, for people.
    Console,
    /// Every probe, as data.
    Json,
    /// The document to keep.
    Markdown,
}
