//! Writes every format of every sample verdict into a folder, to be looked at.
//!
//! `cargo run -p overdraft-reports --example gallery -- /tmp/gallery`

#[path = "../tests/formats/support/mod.rs"]
mod support;

use std::{env, error::Error, fs, path::Path};

use overdraft_model::verdict::Verdict;
use overdraft_reports::{Style, console, html, json, junit, markdown};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("say which folder to write to")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let baseline = support::baseline();
    let samples: [(&str, Verdict); 8] = [
        ("valid", support::valid()),
        ("invalid", support::invalid()),
        ("unknown", support::unknown()),
        ("skipped", support::skipped()),
        ("left-out", support::left_out()),
        ("realistic", support::realistic()),
        ("hostile", support::hostile()),
        ("huge", support::huge(5, 10, 20)),
    ];
    for (name, verdict) in samples {
        let write = |ending: &str, text: String| fs::write(folder.join(format!("{name}.{ending}")), text);
        write("html", html(&verdict, (name == "realistic").then_some(&baseline)))?;
        write("xml", junit(&verdict)?)?;
        write("md", markdown(&verdict))?;
        write("txt", console(&verdict, Style { color: true, width: 110 }))?;
        write("json", json(&verdict))?;
    }
    Ok(())
}
