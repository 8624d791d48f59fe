//! `overdraft replay DIR`: the same seed, scenarios and faults again, and whether the same came out.

use overdraft_engine::store::Store;
use overdraft_model::{manifest::Manifest, verdict::Verdict};

use crate::{
    args::ReplayOptions,
    commands::session,
    config,
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(options: ReplayOptions) -> Result<Exit, Failure> {
    let folder = match options.folder.file_name() {
        Some(name) if name == "manifest.json" => options.folder.parent().unwrap_or(&options.folder).to_owned(),
        _ => options.folder,
    };
    let store = Store::open(folder);
    let manifest: Manifest = store.load_json("manifest.json").map_err(|error| Failure::usage(error.to_string()))?;
    let before: Option<Verdict> = store.load_json("verdict.json").ok();
    let scenarios = manifest.scenarios.iter().map(|planned| planned.scenario.clone()).collect();
    let provenance = &manifest.provenance;
    let plan = config::resolve(
        scenarios,
        provenance.seed,
        provenance.defect.clone(),
        options.common,
        provenance.replay.clone(),
    )?;
    if plan.configuration != provenance.configuration {
        output::note("the target file is not the one of the saved run: what comes out may differ for that reason");
    }
    let finished = session::perform(&plan)?;
    session::print(&finished.verdict, &finished.folder, plan.format)?;
    if let Some(before) = before {
        let again = before.validity == finished.verdict.validity;
        let (was, is) = (before.validity.word(), finished.verdict.validity.word());
        output::note(&format!(
            "the saved run was {was}, this one is {is}{}",
            if again { "" } else { ": not reproduced" }
        ));
    }
    Ok(Exit::of(finished.verdict.validity))
}
