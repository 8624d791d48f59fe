//! Prints the JSON schema of `verdict.json`.
//!
//! `cargo run -p overdraft-reports --example schema > reports/schema/verdict.schema.json`

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(overdraft_reports::schema().as_bytes())
}
