//! The proof of the detector: runs with planted defects and without, in; a matrix, out.
//!
//! A run counts as caught if a check of state found a violation. A threshold of latency or of errors says that a
//! service is slow or down, which a busy machine can be too, so it is nobody's catch, unless the catalogue
//! names it. What was not run is not caught, and what ended unknown is neither caught nor clean.

mod html;
mod markdown;
mod matrix;
mod run;
mod statistics;

pub use html::html;
pub use markdown::markdown;
pub use matrix::{Clean, Expected, Matrix, Origin, Row, Standing, matrix};
pub use run::{Detection, ProofRun, Subject};
pub use statistics::{Interval, median, wilson};

/// The matrix as a file: what a program reads.
#[must_use]
pub fn json(matrix: &Matrix) -> String {
    let mut text = serde_json::to_string_pretty(matrix).unwrap_or_default();
    text.push('\n');
    text
}
