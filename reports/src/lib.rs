//! Reports: a verdict in, bytes out.
//!
//! Every function here is pure. Nothing opens a file, reads a clock, asks the network or knows where its
//! bytes will be stored, so rendering a saved run again gives the same bytes. The same verdict is told
//! in five ways, each for its own reader:
//!
//! | function | reader |
//! |---|---|
//! | [`html`] | a reviewer, with nothing but a browser |
//! | [`console`] | the engineer who just ran it |
//! | [`markdown`] | somebody who looks at a pull request |
//! | [`junit`] | a CI server |
//! | [`json`] and [`schema`] | a program |
//!
//! [`proof`] does the same for many runs at once: the matrix of planted defects against the checks.
//!
//! All texts of a verdict may come from the system under test and are hostile until proven otherwise:
//! they are cleaned once on entry (module `clean`) and escaped by each format.

mod baseline;
mod budget;
mod clean;
mod console;
mod explain;
mod html;
mod json;
mod junit;
mod markdown;
pub mod proof;
mod status;
mod words;

pub use console::{Style, console};
pub use html::html;
pub use json::{json, schema};
pub use junit::{JunitError, junit};
pub use markdown::markdown;
