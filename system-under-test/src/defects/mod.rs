//! The planted defects: ways in which real teams have written such a service wrong.
//!
//! They prove the harness: each must be found. They live in this room only, a file per family. A defect is
//! data (`planted`): what it changes in the database, as small edits of the functions that are there, and what
//! stands in for the correct code behind a seam. The correct code knows of none of them.

mod cache;
mod documentation;
mod emails;
mod idempotency;
mod limits;
mod money;
mod onboarding;
mod overlay;
mod planted;
mod purchases;
mod tenancy;
mod webhooks;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use axum::Router;
use reqwest::Client;

use self::planted::{Family, Part, Planted};
use crate::email::Provider;
use crate::http::Limits;
use crate::seams::{Counting, Intake, Mailer, OneCall, Purchasing, StoreFirst};
use crate::settings::Settings;

/// Every family, in the order of the catalogue.
static CATALOGUE: &[Family] = &[
    purchases::FAMILY,
    idempotency::FAMILY,
    webhooks::FAMILY,
    emails::FAMILY,
    money::FAMILY,
    limits::FAMILY,
    tenancy::FAMILY,
    cache::FAMILY,
    onboarding::FAMILY,
];

/// A planted defect.
#[derive(Clone, Copy)]
pub struct Defect(&'static Planted);

/// A name that no defect has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no defect is called {name:?}, expected one of {}", known())]
pub struct UnknownDefect {
    /// The name as given.
    pub name: String,
}

fn known() -> String {
    Defect::all().map(Defect::name).collect::<Vec<_>>().join(", ")
}

impl Defect {
    /// Every defect, in the order of the catalogue.
    pub fn all() -> impl Iterator<Item = Self> {
        CATALOGUE.iter().flat_map(|family| family.defects).map(Self)
    }

    /// Its stable name, as on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What is wrong with the code.
    #[must_use]
    pub fn describe(self) -> &'static str {
        self.0.wrong
    }

    /// The kind of incident it models.
    #[must_use]
    pub fn incident(self) -> &'static str {
        self.0.incident
    }

    /// The check that must find it.
    #[must_use]
    pub fn caught_by(self) -> &'static str {
        self.0.caught_by
    }

    /// The scenario that exposes it.
    #[must_use]
    pub fn scenario(self) -> &'static str {
        self.0.scenario
    }

    /// docs/defects.md: every defect, what it does and who must find it.
    #[must_use]
    pub fn documentation() -> String {
        documentation::document()
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, UnknownDefect> {
        Self::all().find(|defect| defect.name() == name).ok_or_else(|| UnknownDefect { name: name.to_owned() })
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Defect({})", self.name())
    }
}

impl PartialEq for Defect {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Defect {}

impl Hash for Defect {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// The first part of the defect that `of` finds.
fn part<T>(defect: Option<Defect>, of: impl Fn(&Part) -> Option<T>) -> Option<T> {
    defect?.0.parts.iter().find_map(of)
}

/// How an instance buys leads.
pub(crate) fn purchasing(defect: Option<Defect>) -> Box<dyn Purchasing> {
    let planted = |part: &Part| if let Part::Purchasing(make) = part { Some(make()) } else { None };
    part(defect, planted).unwrap_or_else(|| Box::new(OneCall))
}

/// How an instance sends email.
pub(crate) fn mailer(defect: Option<Defect>, client: Client, settings: Settings) -> Box<dyn Mailer> {
    let make = part(defect, |part| if let Part::Mailer(make) = part { Some(*make) } else { None });
    let provider = Provider::new(client, settings);
    match make {
        Some(make) => make(provider),
        None => Box::new(provider),
    }
}

/// How an instance takes in webhooks.
pub(crate) fn intake(defect: Option<Defect>) -> Box<dyn Intake> {
    let planted = |part: &Part| if let Part::Intake(make) = part { Some(make()) } else { None };
    part(defect, planted).unwrap_or_else(|| Box::new(StoreFirst))
}

/// How an instance counts requests.
pub(crate) fn counting(defect: Option<Defect>, limits: Limits) -> Box<dyn Counting> {
    let make = part(defect, |part| if let Part::Counting(make) = part { Some(*make) } else { None });
    match make {
        Some(make) => make(limits),
        None => Box::new(limits),
    }
}

/// What stands around an instance's routes.
pub(crate) fn around(defect: Option<Defect>, router: Router) -> Router {
    match part(defect, |part| if let Part::Around(wrap) = part { Some(*wrap) } else { None }) {
        Some(wrap) => wrap(router),
        None => router,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_defect_is_found_by_its_name_and_explained() {
        let mut names = BTreeSet::new();
        for defect in Defect::all() {
            assert_eq!(defect.name().parse(), Ok(defect));
            assert!(names.insert(defect.name()), "two defects are called {defect}");
            for text in [defect.describe(), defect.incident(), defect.caught_by(), defect.scenario()] {
                assert!(!text.is_empty() && !text.contains("  "), "{defect}: {text:?}");
            }
            assert!(!defect.0.overlay.is_empty() || !defect.0.parts.is_empty(), "{defect} changes nothing");
        }
        assert!(names.len() >= 40, "{}", names.len());
        let error = "no-such".parse::<Defect>().unwrap_err().to_string();
        assert!(error.contains("purchase-checks-then-acts"), "{error}");
    }
}
