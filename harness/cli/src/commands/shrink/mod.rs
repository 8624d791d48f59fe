//! `overdraft shrink DIR`: the same violation with fewer users, steps and faults, as small as it gets.
//!
//! What a saved run tells is asked first: which answers the violation rests on, and which operations its story names.
//! Then smaller scenarios are run, each in a process of its own, and kept where they show a violation of the same
//! check. What is left is written down as a scenario file of one seed that `overdraft run` takes.

mod regression;
mod search;
mod subject;
mod trials;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use overdraft_model::span::Span;
use overdraft_scenarios::reduce::{self, Size};

use self::{regression::Regression, subject::Subject, trials::Trials};
use crate::{
    args::ShrinkOptions,
    exit::{Exit, Failure},
    interrupt, output, target,
};

/// Runs of the smallest scenario, to say how often it shows the violation.
const CONFIRMED: u32 = 5;

pub(crate) fn execute(options: &ShrinkOptions) -> Result<Exit, Failure> {
    let began = Instant::now();
    let budget: Span = options.budget.parse().map_err(|error| Failure::usage(format!("--budget: {error}")))?;
    let subject = Subject::read(options)?;
    let loaded = target::load(&options.target)?;
    if loaded.target.name != subject.target {
        return Err(Failure::usage(format!(
            "the run was made on {}, and --target is {}: give the target file of the run",
            subject.target, loaded.target.name
        )));
    }
    let out = options.out.clone().unwrap_or_else(|| options.folder.join("shrink"));
    make(&out)?;
    output::note(&subject.introduction());

    let stop = interrupt::token();
    let mut trials = Trials::new(options, &subject, &out, began + budget.duration(), stop.clone())?;
    let whole = reduce::focused(&subject.scenario, &subject.check);
    let smallest =
        if trials.shows(&whole)? == Some(true) { Some(search::smallest(&whole, &subject, &mut trials)?) } else { None };
    let Some(smallest) = smallest else {
        return Err(match stop.is_cancelled() {
            true => Failure { exit: Exit::Interrupted, message: "interrupted before anything was known".into() },
            false => Failure {
                exit: Exit::Unknown,
                message: format!(
                    "{} was not violated again in {}: give more --tries, or a longer --budget{}",
                    subject.check,
                    trials.made(),
                    trials.last_problem()
                ),
            },
        });
    };
    let shown = trials.count(&smallest, CONFIRMED)?;
    let regression = Regression { subject: &subject, smallest: &smallest, shown, finding: trials.finding() };
    let file = out.join("regression.toml");
    fs::write(&file, regression.text()?).map_err(|error| Failure::harness(format!("{}: {error}", file.display())))?;
    output::say(&format!(
        "{}: {}\n  was     {}\n  is      {}\n  shown   {}; {} in all, {:.0} s\n{}\nrun     {}\nreport  {}\n",
        subject.check,
        trials.finding().unwrap_or("it is violated"),
        Size::of(&whole, subject.seed),
        Size::of(&smallest, subject.seed),
        regression.how_often(),
        trials.made(),
        began.elapsed().as_secs_f64(),
        trials.unfinished(),
        regression.command(&file, &options.target),
        trials.record().join("report.html").display()
    ));
    if stop.is_cancelled() {
        return Err(Failure { exit: Exit::Interrupted, message: "interrupted: this is the smallest so far".into() });
    }
    Ok(Exit::Valid)
}

/// An empty folder, or a new one.
fn make(out: &Path) -> Result<(), Failure> {
    let unusable = |error| Failure::harness(format!("cannot use {}: {error}", out.display()));
    fs::create_dir_all(out).map_err(unusable)?;
    match fs::read_dir(out).map_err(unusable)?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("{} is not empty: give another folder as --out", out.display()))),
    }
}

/// A path as an argument.
fn argument(path: &Path) -> std::ffi::OsString {
    PathBuf::from(path).into_os_string()
}
