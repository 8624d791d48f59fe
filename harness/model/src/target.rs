//! The target file: everything the harness knows of the service under test.
//!
//! A service in any language is described by how its instances are started (or where they already
//! run), how each operation maps to HTTP, where webhooks go, and which SQL reads the evidence.
//! Placeholders in braces, `{workspace.token}`, are filled in texts; in SQL they become bound
//! parameters of type text, so cast them (`{lead.id}::uuid`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::promises::{Freshness, Promises};
use crate::{
    promises::{Invariant, RateLimit, Stated, StatusOrder},
    release::Release,
    span::Span,
    tenancy::Rules,
};

/// A target file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in reports.
    pub name: String,
    /// Fire at addresses that are not loopback. Takes effect only with `--allow-remote` beside it.
    #[serde(default)]
    pub allow_remote: bool,
    /// Promises that this target does not make: check id to reason. A skipped check is shown as skipped,
    /// never as valid.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
    /// Promises beyond those that every target makes.
    #[serde(default, skip_serializing_if = "Promises::is_default")]
    pub promises: Promises,
    /// How often a workspace may ask, by kind of request. They hold for workspaces that are under them
    /// (`{workspace.limited}`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, RateLimit>,
    /// In which order statuses rise, by what has the status.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<String, StatusOrder>,
    /// Queries that must return no row once the target is quiet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<Invariant>,
    /// Where instances run, or how to start them.
    pub service: Service,
    /// What to prepare in the database before instances start.
    #[serde(default)]
    pub database: DatabaseSetup,
    /// How the harness creates its workspaces and leads.
    pub setup: Setup,
    /// How operations map to HTTP, by operation name.
    pub operations: BTreeMap<String, HttpOperation>,
    /// The payment provider's webhooks; none if the target takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// How the clock of an instance is moved, where it can be: a request with `{ahead_ms}`, how far ahead of the
    /// computer's clock. Cases that need another date are left out without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<HttpOperation>,
    /// Texts that tell statements apart in the traffic to the database, by what they do: `purchase`, `webhook`.
    /// Faults that strike one of those wait for it; without an entry they strike the next statement.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statements: BTreeMap<String, String>,
    /// Statements that take a lock, by its name, for scenarios in which somebody else holds it: `leads`, `accounts`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub locks: BTreeMap<String, String>,
    /// How tenants are kept apart in the database, for cases that probe it; what is left out is found in the
    /// catalogue.
    #[serde(default)]
    pub tenancy: Rules,
    /// How emails name what they are about.
    #[serde(default)]
    pub email: EmailRule,
    /// The SQL that reads the evidence.
    #[serde(default)]
    pub evidence: EvidenceQueries,
}

impl Target {
    /// What it promises by its own words, as a manifest keeps it.
    #[must_use]
    pub fn stated(&self) -> Stated {
        Stated {
            limits: self.limits.clone(),
            statuses: self.statuses.clone(),
            invariants: self.invariants.clone(),
            keyed: self.operations.get("purchase").map(|purchase| purchase.names("{key}")),
        }
    }
}

/// The service's instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Base URLs of instances that already run. The harness does not start or stop those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_urls: Vec<String>,
    /// Program and arguments that start one instance. `{port}` is a free loopback port, `{overdraft}` this
    /// program, `{dir}` the folder of the target file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Program and arguments run once, before the instances, such as migrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<String>,
    /// Arguments appended to `prepare` and `command` by `run --defect`, with `{defect}` in them. None: the
    /// target has no planted defects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defect_args: Vec<String>,
    /// How many instances to start.
    #[serde(default = "two")]
    pub instances: usize,
    /// Environment of each instance and of `prepare`. Nothing else but PATH, HOME and LANG is passed on.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Path that answers 2xx once an instance can work.
    #[serde(default = "slash")]
    pub ready: String,
    /// How long an instance may take to become ready.
    #[serde(default = "thirty_seconds")]
    pub ready_within: Span,
    /// How long to wait for an answer before it counts as lost.
    #[serde(default = "ten_seconds")]
    pub answer_within: Span,
    /// How raced requests are let go. `single-write` wants instances that speak HTTP/2 without TLS and without
    /// being asked first (prior knowledge); everything that does not race is asked over HTTP/1.1 all the same.
    #[serde(default)]
    pub races: Release,
}

/// What the target needs in its database.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSetup {
    /// URL of the database of a target that already runs; it is only read (`evidence`) and set up (`setup`).
    /// None: the harness makes a database of its own and drops it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Statements run once in the new database, before `prepare`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<String>,
    /// Cluster-wide roles that the target creates; those that did not exist before are dropped with the
    /// database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// How the world of a scenario is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Statements run first in the session that creates the world, such as `SET ROLE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<String>,
    /// Creates the member of staff for whom operations of the back office act. Placeholders: `{admin.id}`,
    /// `{admin.token}` (UUID-based, drawn from the seed), `{admin.email}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<Action>,
    /// Creates one workspace. Placeholders: `{workspace.id}` and `{workspace.token}` (UUIDs drawn from the
    /// seed), `{workspace.name}`, `{workspace.email}`, `{workspace.role}` (`buyer` or `partner`),
    /// `{workspace.credits}` (starting balance), `{workspace.limited}` (`true` where rate limits are to apply).
    pub workspace: Vec<Action>,
    /// Creates one lead. Placeholders: `{lead.id}`, `{lead.name}`, `{lead.price}`, `{lead.max_sales}` and
    /// those of its partner's workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lead: Vec<Action>,
}

/// One step of the setup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Action {
    /// A statement in the setup session. Columns that it returns are captured under their names.
    Sql(SqlAction),
    /// A request to the first instance.
    Http(HttpOperation),
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlAction {
    /// One statement, with placeholders.
    pub sql: String,
}

/// How one operation maps to HTTP.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpOperation {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path and query, with placeholders.
    pub path: String,
    /// Headers, with placeholders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body's JSON, with placeholders inside its texts. A text that is nothing but one placeholder takes
    /// the placeholder's own type, so `"{credits}"` becomes a number and `"{lead.ids}"` a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
    /// Statuses that mean it happened; default: every 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<Vec<u16>>,
    /// Statuses that mean it definitely did not; default: every 4xx but 408. Whatever is neither may have
    /// happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<Vec<u16>>,
    /// Values to capture from the answer: name to JSON pointer (`/purchase/id`) or to a header (`header:retry-after`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, String>,
    /// JSON pointer to the error code of an answer that is not ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The target's own error codes to the words of this project (`insufficient_credits`, `lead_sold_out`,
    /// `already_purchased`, …), where it spells them otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<String, String>,
}

impl HttpOperation {
    /// Whether the request holds a placeholder, given with its braces.
    #[must_use]
    pub fn names(&self, placeholder: &str) -> bool {
        let body = self.json.as_ref().map(ToString::to_string);
        let texts = [&self.path].into_iter().chain(self.headers.values()).chain(&body);
        texts.into_iter().any(|text| text.contains(placeholder))
    }
}

/// Where and how webhooks are delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Path of the endpoint.
    pub path: String,
    /// The signing secret, `{webhook_secret}` for one drawn from the seed.
    #[serde(default = "webhook_secret")]
    pub secret: String,
    /// How old a signature may be, as the target is configured.
    #[serde(default = "five_minutes")]
    pub tolerance: Span,
}

/// How an email says what it is about. The first rule that finds a text wins; the subject line is last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailRule {
    /// JSON pointer into the request to the email provider, such as `/tags/0/value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_pointer: Option<String>,
    /// Header of the request to the email provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_header: Option<String>,
}

/// The SQL that reads the evidence. Each query returns the columns of its row in `evidence`, by name; ids
/// as text, amounts as bigint. A query that is absent leaves its checks unknown, unless they are skipped.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceQueries {
    /// Statements run first in the session that reads, such as `SET ROLE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<String>,
    /// `name text, waiting bigint`: what must reach zero before the target is quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<String>,
    /// `id, workspace, kind, balance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<String>,
    /// `transfer, account, amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<String>,
    /// `lead, sold_count, max_sales`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<String>,
    /// `purchase, workspace, lead, price, key, confirmation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchases: Option<String>,
    /// `purchase, lead, workspace, amount, due`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commissions: Option<String>,
    /// `"grant", workspace, credits, session, receipt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<String>,
    /// `reversal, workspace, credits, refund`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversals: Option<String>,
    /// `expiry, workspace, credits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiries: Option<String>,
    /// `adjustment, workspace, credits, reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustments: Option<String>,
    /// `kind, subject, place, status`: what statuses a thing had, in order of place, the present one last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses: Option<String>,
    /// `kind, subject, reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// `job, kind, state, attempts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<String>,
}

const fn two() -> usize {
    2
}

fn slash() -> String {
    "/".into()
}

const fn thirty_seconds() -> Span {
    Span::from_ms(30_000)
}

const fn ten_seconds() -> Span {
    Span::from_ms(10_000)
}

const fn five_minutes() -> Span {
    Span::from_ms(300_000)
}

fn webhook_secret() -> String {
    "{webhook_secret}".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_the_request_carries_it() {
        let map = |text: &str| toml::from_str::<HttpOperation>(&format!("method = 'POST'\n{text}")).unwrap();
        for carries in [
            "path = '/b/{key}'",
            "path = '/b'\nheaders = { K = 'k {key}' }",
            "path = '/b'\njson = { a = [{ k = '{key}' }] }",
        ] {
            assert!(map(carries).names("{key}"), "{carries}");
        }
        assert!(!map("path = '/b/{keys}'\njson = { key = '{lead.id}' }").names("{key}"));
    }
}
