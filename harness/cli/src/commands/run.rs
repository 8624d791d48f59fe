//! `overdraft run`.

use std::fmt::Write;

use crate::{
    args::RunOptions,
    commands::session,
    config::{self, Plan},
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(options: RunOptions) -> Result<Exit, Failure> {
    let plan = config::plan(&options)?;
    if options.dry_run {
        output::say(&describe(&plan));
        return Ok(Exit::Valid);
    }
    let finished = session::perform(&plan)?;
    session::print(&finished.verdict, &finished.folder, plan.format)?;
    Ok(Exit::of(finished.verdict.validity))
}

/// What would be done.
fn describe(plan: &Plan) -> String {
    let target = &plan.target.target;
    let mut text = String::new();
    let mut line = |what: String| {
        let _ = writeln!(text, "{what}");
    };
    line(format!("target {} with seed {}; nothing was started", target.name, plan.seed));
    match (&plan.common.server.database_url, &target.database.url) {
        (_, Some(_)) => {
            line("would set up and read the database that the target file names; nothing in it is dropped".into())
        }
        (Some(_), None) => {
            line("would create databases of its own on the given server, and drop them afterwards".into())
        }
        (None, None) => line(format!("would start a PostgreSQL of its own ({:?}) and remove it afterwards", plan.way)),
    }
    if target.service.base_urls.is_empty() {
        line(format!("would start {} instances of: {}", target.service.instances, target.service.command.join(" ")));
    } else {
        line(format!("would fire at: {}", target.service.base_urls.join(", ")));
    }
    if let Some(defect) = &plan.defect {
        line(format!("would plant the defect {defect}"));
    }
    for planned in &plan.scenarios {
        let scenario = &planned.scenario;
        if let Some(reason) = target.skip.get(&scenario.id) {
            line(format!("{}: left out: {reason}", scenario.id));
            continue;
        }
        line(format!(
            "{}: {} users, {} rounds, at most {}, {} workspaces, {} leads; script {}",
            scenario.id,
            scenario.load.users,
            scenario.load.rounds,
            scenario.load.at_most,
            planned.world.workspaces.len(),
            planned.world.leads.len(),
            &planned.script[..12]
        ));
        for window in &scenario.faults {
            let length = window.length.map_or("until settling".to_owned(), |length| format!("for {length}"));
            line(format!("  fault {} at {} {length}", window.fault.name(), window.at));
        }
        for (metric, limits) in &scenario.thresholds {
            line(format!("  threshold {metric}: {limits}"));
        }
        line(format!("  proves {}", scenario.proves.join(", ")));
    }
    text
}
