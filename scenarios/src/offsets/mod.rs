//! Two requests that must not both win, a chosen time apart: at which distance they do, and how often.

pub(crate) mod driver;
mod search;
