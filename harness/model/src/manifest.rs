//! What a run was made of, saved before the first request leaves: enough to judge it again and to repeat it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    promises::{Promises, Stated},
    scenario::Scenario,
};

/// The version of the files in a run folder. A folder of another version is refused, not guessed at.
pub const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Where and from what the run was made.
    pub provenance: Provenance,
    /// The scenarios in the order in which they run.
    pub scenarios: Vec<Planned>,
    /// Checks that the target does not promise: id to reason.
    pub skip: BTreeMap<String, String>,
    /// What the target promises beyond the checks.
    #[serde(default, skip_serializing_if = "Promises::is_default")]
    pub promises: Promises,
    /// What it promises by its own words: limits, orders of statuses, invariants.
    #[serde(default, skip_serializing_if = "Stated::is_empty")]
    pub stated: Stated,
    /// Evidence tables that the target file maps, by name.
    pub mapped: Vec<String>,
}

/// Where a run came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The run's id, also the name of its folder.
    pub run: String,
    /// The seed from which everything was drawn.
    pub seed: u64,
    /// The target's name.
    pub target: String,
    /// SHA-256 of target file, scenarios and options together, hexadecimal.
    pub configuration: String,
    /// The planted defect, if one was asked for.
    pub defect: Option<String>,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// Version of the harness.
    pub overdraft: String,
    /// Version of PostgreSQL and how it was come by.
    pub postgresql: String,
    /// Instances of the target.
    pub instances: usize,
    /// Operating system, processors and memory.
    pub host: String,
    /// The command that repeats it.
    pub replay: String,
}

/// One scenario, with everything that the seed decided for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The scenario as it was resolved, overrides applied.
    pub scenario: Scenario,
    /// Who and what exists when it begins.
    pub world: World,
    /// SHA-256 of every script drawn from the seed, hexadecimal.
    pub script: String,
}

/// Who and what exists when a scenario begins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct World {
    /// Workspaces, partners first.
    pub workspaces: Vec<Workspace>,
    /// Leads.
    pub leads: Vec<Lead>,
    /// The member of staff for whom the back office's operations act, as values for placeholders: `id`, `token`,
    /// `email`, and what the setup captured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub admin: BTreeMap<String, Value>,
}

/// A workspace that the harness creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its name in this run, such as `buyer-017`.
    pub name: String,
    /// `buyer` or `partner`.
    pub role: String,
    /// Starting balance.
    pub credits: i64,
    /// Values for placeholders: `id`, `token`, `email`, and what the setup captured.
    pub values: BTreeMap<String, Value>,
}

/// A lead that the harness creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// Its name in this run, such as `flash-1`.
    pub name: String,
    /// The partner's workspace.
    pub partner: String,
    /// Credits it costs.
    pub price: i64,
    /// How often it may be sold.
    pub max_sales: i64,
    /// Values for placeholders: `id`, and what the setup captured.
    pub values: BTreeMap<String, Value>,
}

impl World {
    /// The workspace of a name.
    #[must_use]
    pub fn workspace(&self, name: &str) -> Option<&Workspace> {
        self.workspaces.iter().find(|workspace| workspace.name == name)
    }

    /// The lead of a name.
    #[must_use]
    pub fn lead(&self, name: &str) -> Option<&Lead> {
        self.leads.iter().find(|lead| lead.name == name)
    }
}
