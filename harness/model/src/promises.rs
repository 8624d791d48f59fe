//! What a target promises beyond the checks that hold for every service: how fresh its counts are, how often one may
//! ask, in which order its statuses come, and whatever its owner can say in SQL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::span::Span;

/// What a target promises beyond the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promises {
    /// How old a lead's sold_count may be that a read is told.
    #[serde(default)]
    pub sold_count: Freshness,
}

impl Promises {
    /// Whether it is nothing beyond the usual.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How old what is read may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// As old as it likes, as from a cache; only never from the future.
    #[default]
    Stale,
    /// What was true at some moment between question and answer.
    Linearizable,
}

/// One limit of how often a workspace may ask: in any stretch of time `w`, at most `burst + requests * w / per`
/// of its requests are let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Operations, by their names in this file, that share the limit.
    pub operations: Vec<String>,
    /// How many in `per`.
    pub requests: u64,
    /// The time that `requests` are for.
    #[serde(default = "a_minute")]
    pub per: Span,
    /// How many at once after a rest; default: `requests`. A service that counts in fixed windows lets in twice
    /// `requests` around the end of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// Whether a request counts that is refused for another reason than the limit.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub refusals_count: bool,
    /// The operation by which staff gives a workspace another limit: one that names a workspace's id lifts it out of
    /// this promise from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
}

impl RateLimit {
    /// How many at once after a rest.
    #[must_use]
    pub fn burst(&self) -> u64 {
        self.burst.unwrap_or(self.requests)
    }
}

/// The order in which the status of a thing rises, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusOrder {
    /// The operation that reads it.
    pub operation: String,
    /// The placeholder of that operation that names the thing.
    #[serde(default = "id")]
    pub of: String,
    /// The captured value that is the status.
    #[serde(default = "status")]
    pub status: String,
    /// The value that `buy-credits` captures and that names the thing, so that scenarios which buy credits read its
    /// status meanwhile; none where it is no credit purchase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_as: Option<String>,
    /// From first to last. A thing may skip some, and go to and fro among those of one list.
    #[serde(default = "payment_statuses")]
    pub order: Vec<Rank>,
}

/// Statuses of one rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rank {
    /// Only one.
    One(String),
    /// Several, none before another.
    Several(Vec<String>),
}

impl StatusOrder {
    /// The place of a status in the order; none if it is not in it.
    #[must_use]
    pub fn rank(&self, status: &str) -> Option<usize> {
        self.order.iter().position(|rank| match rank {
            Rank::One(one) => one == status,
            Rank::Several(several) => several.iter().any(|one| one == status),
        })
    }
}

/// A query that must return no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invariant {
    /// Its name; the check is `invariant.` and the name.
    pub name: String,
    /// One query that returns what violates it, a row each.
    pub sql: String,
    /// Why it must hold, for the reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// All that a target promises by its own file, as a manifest keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stated {
    /// Rate limits by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, RateLimit>,
    /// Orders of statuses by what has the status.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub statuses: BTreeMap<String, StatusOrder>,
    /// Queries that must return no row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<Invariant>,
    /// Whether the request of a purchase carries its `{key}`; none where no purchase is mapped, and in records from
    /// before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed: Option<bool>,
}

impl Stated {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// From a payment that is begun to money that is there. What ended without money can still be overtaken by money.
fn payment_statuses() -> Vec<Rank> {
    let several = |names: &[&str]| Rank::Several(names.iter().map(|name| (*name).to_owned()).collect());
    vec![
        Rank::One("pending".into()),
        several(&["processing", "failed"]),
        several(&["expired", "canceled"]),
        Rank::One("paid".into()),
    ]
}

const fn a_minute() -> Span {
    Span::from_ms(60_000)
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_true(flag: &bool) -> bool {
    *flag
}

fn id() -> String {
    "id".into()
}

fn status() -> String {
    "status".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_a_rank_and_what_is_left_out_has_a_default() {
        let usual: StatusOrder = toml::from_str("operation = 'read-order'").unwrap();
        assert_eq!((usual.of.as_str(), usual.status.as_str()), ("id", "status"));
        assert!(usual.rank("processing") == usual.rank("failed") && usual.rank("failed") < usual.rank("paid"));
        assert_eq!(usual.rank("refunded"), None);
        let own: StatusOrder = toml::from_str("operation = 'o'\norder = ['new', ['a', 'b'], 'done']").unwrap();
        assert_eq!([own.rank("new"), own.rank("b"), own.rank("done")], [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn a_limit_is_a_minutes_and_bursts_up_to_itself() {
        let limit: RateLimit = toml::from_str("operations = ['purchase']\nrequests = 10").unwrap();
        assert_eq!((limit.per, limit.burst(), limit.refusals_count), (Span::from_ms(60_000), 10, true));
        assert_eq!(RateLimit { burst: Some(3), ..limit }.burst(), 3);
    }
}
