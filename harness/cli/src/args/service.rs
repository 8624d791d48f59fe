//! Options of what concerns the bundled service, or any database.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
