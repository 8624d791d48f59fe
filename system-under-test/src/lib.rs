//! The reference service: a lead marketplace that is correct by construction.
//!
//! Workspaces buy credits through Stripe and spend them on leads; partners earn a commission; every
//! sale and every grant is confirmed by email. The rules about money live in PostgreSQL functions
//! (`migrations/`), one round trip and one db_tx each. This crate is the shell around them: HTTP,
//! durable jobs, and the two providers. It knows nothing about the harness that tests it.
//!
//! Two entry points: [`migrate`] prepares a database, [`serve`] runs one instance.

mod audit;
mod backoff;
mod clock;
mod database;
mod defects;
mod email;
mod error;
mod http;
mod jobs;
mod keys;
mod migrate;
mod network;
mod office;
mod problem;
mod seams;
mod serve;
mod settings;
mod stripe;

pub use audit::{CheckOutcome, audit};
pub use defects::{Defect, UnknownDefect};
pub use error::Error;
pub use migrate::migrate;
pub use network::{Network, NotANetwork};
pub use office::{add_staff, disable_staff};
pub use serve::{ServeOptions, serve};
pub use settings::{Secret, Settings, SettingsError};
