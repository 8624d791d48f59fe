//! Options of what makes runs and judges them.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};

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

    #[command(flatten)]
    pub(crate) server: ServerOptions,

    /// Fire at addresses that are not loopback. Needs `allow_remote = true` in the target file too.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// Where PostgreSQL comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerOptions {
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
}

impl ServerOptions {
    /// The same, for a run that is a process of its own.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["--postgres", &self.postgres, "--postgres-image", &self.postgres_image];
        if let Some(url) = &self.database_url {
            arguments.extend(["--database-url", url]);
        }
        arguments.into_iter().map(OsString::from).collect()
    }
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
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(crate) clean: u64,

    /// End by then, such as 45m. What was not run is shown as not run.
    #[arg(long, value_name = "DURATION")]
    pub(crate) budget: Option<String>,

    /// Folder of the results and the matrix. Runs that were not as expected are kept in it.
    #[arg(long, value_name = "DIR", default_value = "runs/proof")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  overdraft shrink                               the first violation of the latest run
  overdraft shrink runs/42 --check credits.conserved --tries 10
  overdraft run runs/42/shrink/regression.toml   the regression, with the target and the defect of the run

Exit codes:
  0  a regression was written         2  nothing in the run can be shrunk
  3  the violation was not seen again 4  the harness could not work    130  interrupted")]
pub(crate) struct ShrinkOptions {
    /// The run's folder.
    #[arg(default_value = "runs/latest")]
    pub(crate) folder: PathBuf,

    /// The check whose violation is wanted; without it, the first that can be shrunk.
    #[arg(long, value_name = "ID")]
    pub(crate) check: Option<String>,

    /// The scenario in which it was violated, where the run had several; without it, the first.
    #[arg(long, value_name = "ID")]
    pub(crate) scenario: Option<String>,

    /// How often a smaller scenario is run, at most, before it counts as one that does not show the violation. A race
    /// needs luck.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) tries: u32,

    /// End by then, with the smallest scenario found so far. The last fifth is for running that one again.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub(crate) budget: String,

    /// Folder of the regression and of the smallest run's record; without it, `shrink` in the run's folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// The service to test, as for `run`: the one of the saved run.
    #[arg(long, default_value = "reference")]
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) server: ServerOptions,

    /// Fire at addresses that are not loopback. Needs `allow_remote = true` in the target file too.
    #[arg(long)]
    pub(crate) allow_remote: bool,
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
