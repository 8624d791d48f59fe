//! `/v1/admin`: the back office over an API, for staff. Each is one call of [`crate::office`].

pub(super) mod audit;
pub(super) mod commissions;
pub(super) mod credits;
pub(super) mod dead_letters;
pub(super) mod jobs;
pub(super) mod purchases;
