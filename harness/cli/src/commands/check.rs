//! `overdraft check DIR`: the verdict of a saved run, from its files alone, by the function that a run calls.
//! Histories of other tools go to `porcupine`.

use overdraft_engine::store::Store;
use overdraft_model::verdict::Verdict;

use crate::{
    args::{CheckFormat, CheckOptions, Format},
    commands::{
        porcupine::{self, Kind},
        session,
    },
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(options: &CheckOptions) -> Result<Exit, Failure> {
    let format = match options.format {
        CheckFormat::PorcupineRegister => return porcupine::execute(&options.path, Kind::Register, options.steps),
        CheckFormat::PorcupineKv => return porcupine::execute(&options.path, Kind::KeyValue, options.steps),
        CheckFormat::Console => Format::Console,
        CheckFormat::Json => Format::Json,
        CheckFormat::Markdown => Format::Markdown,
        CheckFormat::Junit => Format::Junit,
    };
    if options.steps.is_some() {
        return Err(Failure::usage("--steps belongs to the porcupine formats; a run is judged within fixed limits"));
    }
    let store = Store::open(options.path.clone());
    let verdict = judge(&store)?;
    session::write_reports(&store, &verdict, None)?;
    session::print(&verdict, store.folder(), format)?;
    Ok(Exit::of(verdict.validity))
}

/// Judges a saved run.
pub(crate) fn judge(store: &Store) -> Result<Verdict, Failure> {
    let record = store.load().map_err(|error| Failure::usage(error.to_string()))?;
    if record.cut_off {
        output::note("the history ends in the middle of a line: the run was cut off, and is judged up to there");
    }
    Ok(overdraft_checkers::judge(&record.manifest, &record.histories, &record.evidence))
}
