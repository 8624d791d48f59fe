//! `overdraft report DIR`: the reports of a saved run again, compared with an earlier one if asked.

use overdraft_engine::store::Store;
use overdraft_model::verdict::Verdict;

use crate::{
    args::ReportOptions,
    commands::{check, session},
    exit::{Exit, Failure},
};

pub(crate) fn execute(options: &ReportOptions) -> Result<Exit, Failure> {
    let store = Store::open(options.run.folder.clone());
    let verdict = check::judge(&store)?;
    let baseline = match &options.baseline {
        Some(folder) => {
            let earlier: Verdict = Store::open(folder.clone())
                .load_json("verdict.json")
                .map_err(|error| Failure::usage(format!("--baseline: {error}")))?;
            Some(earlier)
        }
        None => None,
    };
    session::write_reports(&store, &verdict, baseline.as_ref())?;
    session::print(&verdict, store.folder(), options.run.format)?;
    Ok(Exit::of(verdict.validity))
}
