//! `overdraft check DIR`: the verdict of a saved run, from its files alone, by the function that a run calls.

use overdraft_engine::store::Store;
use overdraft_model::verdict::Verdict;

use crate::{
    args::FolderOptions,
    commands::session,
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(options: &FolderOptions) -> Result<Exit, Failure> {
    let store = Store::open(options.folder.clone());
    let verdict = judge(&store)?;
    session::write_reports(&store, &verdict, None)?;
    session::print(&verdict, store.folder(), options.format)?;
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
