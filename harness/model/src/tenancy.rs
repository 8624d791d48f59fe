//! Tenant isolation of a PostgreSQL database as data: what it is held against, what was tried, what was found.
//!
//! A probe that was not tried has the outcome [`Outcome::NotExercised`], and a report with one is not green.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::Validity;

/// What the prober is told. What is left out, it finds in the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Roles that requests run as. Empty: those that a policy confines to a tenant.
    pub roles: Vec<String>,
    /// The column that says whose row it is. None: the commonest that the policies read.
    pub tenant_column: Option<String>,
    /// SQL that enters a tenant for the rest of the db_tx; `$1` stands for the tenant as a quoted text.
    pub enter: Option<String>,
    /// What reaches across tenants on purpose: table, view or function, and the reason.
    pub allow: BTreeMap<String, String>,
    /// Leave SECURITY DEFINER functions alone, and say that they were not exercised.
    pub skip_calls: bool,
}

/// What was found out about one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this shape.
    pub format: u32,
    /// The database's name.
    pub database: String,
    /// The server's version.
    pub server: String,
    /// Who the prober logged in as.
    pub login: String,
    /// What this login cannot do, and what that leaves untried.
    pub limits: Vec<String>,
    /// The tenant column.
    pub tenant_column: String,
    /// How a tenant was entered.
    pub enter: String,
    /// Roles that have any right on the tables.
    pub roles: Vec<Role>,
    /// Every table, view and materialized view.
    pub objects: Vec<Object>,
    /// Every probe, in the order in which they ran.
    pub probes: Vec<Probe>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// What was declared to be on purpose, with the reason.
    pub declared: BTreeMap<String, String>,
}

/// A role that has a right on some table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether requests are taken to run as it.
    pub probed: bool,
    /// Why, or why not.
    pub why: String,
}

/// Who may see an object's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A tenant reached another's rows, and nothing says that it should.
    Leaking,
    /// Every tenant may read it, by a policy or a declaration.
    Shared,
    /// A tenant sees its own rows and no others.
    Isolated,
    /// No role that requests run as sees a row.
    Internal,
    /// It could not be told.
    Unknown,
}

/// A table, view or materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its name, with the schema unless that is `public`.
    pub name: String,
    /// Table, partition, view and so on.
    pub kind: String,
    /// Who may see its rows, over all probed roles.
    pub standing: Standing,
    /// By which column a row belongs to a tenant, and through which other tables.
    pub owner: Option<String>,
    /// Whether row-level security is enabled, and forced on the owner too.
    pub security: String,
    /// What its policies say.
    pub policies: Vec<String>,
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Read another tenant's rows.
    Select,
    /// Read any tenant's rows without having entered a tenant.
    SelectOutside,
    /// Insert a row for another tenant.
    Insert,
    /// Change another tenant's row.
    Update,
    /// Give a row of one's own to another tenant.
    Move,
    /// Delete another tenant's row.
    Delete,
    /// Truncate, which no policy sees.
    Truncate,
    /// Refer to another tenant's row.
    ForeignKey,
    /// Delete another tenant's row by deleting one's own.
    Cascade,
    /// Learn from a duplicate that another tenant has a value.
    Unique,
    /// Be told another tenant's rows by a SECURITY DEFINER function.
    Call,
    /// The same without having entered a tenant.
    CallOutside,
    /// Learn how much all tenants do from a sequence.
    Sequence,
    /// Carry one request's tenant into the next.
    Setting,
}

impl Operation {
    /// The word as reports print it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::SelectOutside => "select without a tenant",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Move => "move",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::ForeignKey => "foreign key",
            Self::Cascade => "cascade",
            Self::Unique => "unique value",
            Self::Call => "call",
            Self::CallOutside => "call without a tenant",
            Self::Sequence => "sequence",
            Self::Setting => "setting",
        }
    }
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Tried, and it reached another tenant.
    Leaked,
    /// It could not be tried.
    NotExercised,
    /// It reached another tenant, on purpose.
    Declared,
    /// Tried, and it did not reach another tenant.
    Held,
}

/// One thing tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The role it was tried as.
    pub role: String,
    /// Table, view, function or sequence.
    pub object: String,
    /// What was tried.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// The statement.
    pub statement: String,
    /// What the database did.
    pub seen: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A tenant reaches another's rows.
    Leak,
    /// Nothing was reached, but only one line of defence is left.
    Weakness,
    /// Worth knowing.
    Information,
}

impl Severity {
    /// The word as reports print it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Weakness => "weakness",
            Self::Information => "information",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable id of the kind, such as `plain-view`.
    pub kind: String,
    /// Table, view, function, sequence or role.
    pub object: String,
    /// One sentence: what is wrong.
    pub what: String,
    /// How it was shown.
    pub shown: String,
    /// What to do about it.
    pub remedy: String,
}

impl Report {
    /// The findings of a severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// The probes that could not be tried.
    pub fn not_exercised(&self) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(|probe| probe.outcome == Outcome::NotExercised)
    }

    /// Invalid with a leak, unknown where something could not be tried or nothing was, else valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        if self.of(Severity::Leak).next().is_some() {
            Validity::Invalid
        } else if self.probes.is_empty() || self.not_exercised().next().is_some() {
            Validity::Unknown
        } else {
            Validity::Valid
        }
    }
}
