//! `overdraft export DIR`: the history of a saved run in another tool's format, on standard output.

use std::{fs::File, io::BufReader};

use overdraft_engine::store::Store;
use overdraft_model::{codec, edn};

use crate::{
    args::{ExportFormat, ExportOptions},
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(options: &ExportOptions) -> Result<Exit, Failure> {
    let path = Store::open(options.folder.clone()).history();
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let file = File::open(&path).map_err(|error| wrong(&error))?;
    let saved = codec::read_events(BufReader::new(file)).map_err(|error| wrong(&error))?;
    if saved.cut_off {
        output::note("the history ends in the middle of a line: the run was cut off, and is exported up to there");
    }
    match options.format {
        ExportFormat::Edn => output::say(&edn::history(&saved.events)),
    }
    Ok(Exit::Valid)
}
