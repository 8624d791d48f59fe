//! The look of the report: quiet paper, one strong band, colour only beside words.
//!
//! Kept as CSS in a file of its own so that an editor colours and checks it.

/// The whole style sheet.
pub const CSS: &str = include_str!("report.css");
