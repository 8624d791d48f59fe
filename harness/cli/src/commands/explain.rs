//! `overdraft explain CHECK`.

use overdraft_checkers::catalogue::{self, CHECKS, CheckInfo};

use crate::{
    args::ExplainOptions,
    exit::{Exit, Failure},
    nearest, output,
};

pub(crate) fn execute(options: &ExplainOptions) -> Result<Exit, Failure> {
    let Some(id) = &options.check else {
        let all: Vec<String> = CHECKS.iter().map(explain).collect();
        output::say(&all.join("\n"));
        return Ok(Exit::Valid);
    };
    let known: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    let check = catalogue::find(id).ok_or_else(|| Failure::usage(nearest::suggest("check", id, &known)))?;
    output::say(&explain(check));
    Ok(Exit::Valid)
}

fn explain(check: &CheckInfo) -> String {
    format!(
        "{}: {}\n  promise   {}\n  evidence  {}\n  incident  {}\n  remedy    {}\n",
        check.id, check.title, check.promise, check.how, check.incident, check.remedy
    )
}
