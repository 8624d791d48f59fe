//! The back office: what staff sees and does, one call of the database each. `/v1/admin` and the pages under
//! `/admin` are two faces of it.
//!
//! Who calls is said by a hash: of a staff member's API key, or of the token of a session. The database resolves
//! both, and refuses what the role may not do.

mod audit;
mod commissions;
mod credits;
mod dead_letters;
mod jobs;
mod overview;
mod password;
mod purchases;
mod session;
mod staff;

pub(crate) use self::audit::{AuditEntry, AuditFilter};
pub(crate) use self::commissions::{PartnerCommissions, Period};
pub(crate) use self::credits::{Adjusted, Asking, Order};
pub(crate) use self::dead_letters::{Attempt, DeadLetter};
pub(crate) use self::jobs::{Job, JobCount, JobFilter};
pub(crate) use self::password::Passwords;
pub(crate) use self::purchases::{Purchase, PurchaseFilter};
pub(crate) use self::session::{Guess, Member, Token};
pub use self::staff::{add_staff, disable_staff};

use sqlx::PgPool;

/// The database, as one member of staff or one session sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Office<'a> {
    pool: &'a PgPool,
    /// The hash of an API key or of a session's token.
    caller: &'a [u8],
}

impl<'a> Office<'a> {
    /// The office, entered by `caller`.
    pub(crate) const fn enter(pool: &'a PgPool, caller: &'a [u8]) -> Self {
        Self { pool, caller }
    }
}
