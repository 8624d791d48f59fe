//! What a defect is made of: data, so that one table says everything about all of them.

use axum::Router;

use crate::email::Provider;
use crate::http::Limits;
use crate::seams::{Counting, Intake, Mailer, Purchasing};

/// Defects of one kind.
pub(super) struct Family {
    /// A heading.
    pub(super) title: &'static str,
    /// The defects, in order.
    pub(super) defects: &'static [Planted],
}

/// One defect.
pub(super) struct Planted {
    /// Its stable name, as on a command line.
    pub(super) name: &'static str,
    /// What is wrong with the code.
    pub(super) wrong: &'static str,
    /// The incident or audit finding that it models.
    pub(super) incident: &'static str,
    /// The check that must find it.
    pub(super) caught_by: &'static str,
    /// The scenario that exposes it.
    pub(super) scenario: &'static str,
    /// What it changes in the database, in order.
    pub(super) overlay: &'static [Change],
    /// What it puts in place of the service's own parts.
    pub(super) parts: &'static [Part],
}

/// A change of the database.
pub(super) enum Change {
    /// Statements.
    Sql(&'static str),
    /// In the functions of a name, a text that stands there exactly once becomes another. A migration that
    /// moves the text makes the defect fail, rather than do nothing.
    In {
        /// The functions' name.
        function: &'static str,
        /// What stands there.
        replace: &'static str,
        /// What stands there then.
        with: &'static str,
    },
}

/// A part of the service that works otherwise.
pub(super) enum Part {
    /// How leads are bought.
    Purchasing(fn() -> Box<dyn Purchasing>),
    /// How emails leave the house.
    Mailer(fn(Provider) -> Box<dyn Mailer>),
    /// How webhooks are taken in.
    Intake(fn() -> Box<dyn Intake>),
    /// How requests are counted.
    Counting(fn(Limits) -> Box<dyn Counting>),
    /// What stands around the routes.
    Around(fn(Router) -> Router),
}
