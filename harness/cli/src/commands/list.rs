//! `overdraft list`.

use std::fmt::Write;

use overdraft_checkers::catalogue::CHECKS;
use overdraft_reference::Defect;
use overdraft_scenarios::catalogue::{self, SUITES};

use crate::{
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute() -> Result<Exit, Failure> {
    let scenarios =
        catalogue::scenarios().map_err(|(file, error)| Failure::harness(format!("built-in {file}: {error}")))?;
    let mut text = String::new();
    let mut table = |title: &str, rows: Vec<(String, String)>| {
        let _ = writeln!(text, "{title}");
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, what) in rows {
            let _ = writeln!(text, "  {name:width$}  {what}");
        }
        text.push('\n');
    };
    table(
        "suites",
        SUITES
            .iter()
            .map(|suite| (suite.id.into(), format!("{}: {}", suite.title, suite.scenarios.join(", "))))
            .collect(),
    );
    table("scenarios", scenarios.into_iter().map(|scenario| (scenario.id, scenario.title)).collect());
    table(
        "checks (`overdraft explain ID` tells more)",
        CHECKS.iter().map(|check| (check.id.into(), check.title.into())).collect(),
    );
    table("targets", vec![("reference".into(), "the bundled lead marketplace; or the path of a target file".into())]);
    table(
        "defects of the reference (`overdraft run --defect NAME`)",
        Defect::all().map(|defect| (defect.name().into(), defect.describe().into())).collect(),
    );
    output::say(text.trim_end());
    output::say("\n");
    Ok(Exit::Valid)
}
