//! `overdraft shrink DIR`: the same violation with fewer users, steps and faults, as small as it gets.
//!
//! What a saved run tells is asked first: which answers the violation rests on, and which operations its story names.
//! Then smaller scenarios are run, each in a process of its own, and kept where they show a violation of the same
//! check. What is left is written down as a scenario file of one seed that `overdraft run` takes.

mod regression;
mod search;
mod subject;
mod trials;

use std::{fs, time::Instant};

use overdraft_model::{scenario::Scenario, span::Span};
use overdraft_scenarios::reduce::{self, Size};

use self::{subject::Subject, trials::Trials};
use crate::{
    args::{Common, Format, ShrinkOptions},
    commands::session,
    config,
    exit::{Exit, Failure},
    interrupt, output,
};

/// Runs of the smallest scenario, to say how often it shows the violation.
const CONFIRMED: u32 = 5;
/// Where the search had to end.
const UNFINISHED: &str = "the time was up before every smaller one was tried: give a longer --budget";

pub(crate) fn execute(options: &ShrinkOptions) -> Result<Exit, Failure> {
    let budget: Span = options.budget.parse().map_err(|error| Failure::usage(format!("--budget: {error}")))?;
    // `runs/latest` is another run's when somebody makes one meanwhile.
    let folder = fs::canonicalize(&options.folder)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", options.folder.display())))?;
    let subject = Subject::read(&folder, options)?;
    let whole = reduce::focused(&subject.scenario, &subject.check);
    refuse_what_cannot_run(&whole, &subject, options)?;
    let out = options.out.clone().unwrap_or_else(|| folder.join("shrink"));
    fs::create_dir_all(&out).map_err(|error| session::unusable(&out, &error))?;
    session::require_empty(&out)?;
    output::note(&subject.introduction());

    let (began, stop) = (Instant::now(), interrupt::token());
    let (searched, ended) = (began + budget.duration() * 4 / 5, began + budget.duration());
    let mut trials = Trials::new(options, &subject, &out, searched, stop.clone())?;
    if trials.shows(&whole)? != Some(true) {
        return Err(not_again(&subject, &trials, stop.is_cancelled()));
    }
    let smallest = search::smallest(&whole, &subject, &mut trials)?;
    let (made, given_up, file, record) = (trials.made(), trials.given_up(), trials.regression(), trials.record());
    let regression = trials.confirm(&smallest, CONFIRMED, ended)?;
    output::say(&format!(
        "{}: {}\n  was     {}\n  is      {}\n  shown   {}, found by {made}, in {:.0} s\n          {}\nrun     {}\nreport  {}\n",
        subject.check,
        regression.story(),
        Size::of(&whole, subject.seed),
        Size::of(&smallest, subject.seed),
        regression.how_often(),
        began.elapsed().as_secs_f64(),
        if given_up { UNFINISHED } else { "leaving out any one part more did not show it" },
        regression.command(&file, &options.target),
        record.join("report.html").display()
    ));
    if stop.is_cancelled() {
        return Err(Failure { exit: Exit::Interrupted, message: "interrupted: this is the smallest so far".into() });
    }
    Ok(Exit::Valid)
}

/// Whatever `run` would refuse is refused before anything is started.
fn refuse_what_cannot_run(whole: &Scenario, subject: &Subject, options: &ShrinkOptions) -> Result<(), Failure> {
    let common = Common {
        target: options.target.clone(),
        out: None,
        format: Format::Console,
        server: options.server.clone(),
        allow_remote: options.allow_remote,
    };
    let plan = config::resolve(vec![whole.clone()], subject.seed, subject.defect.clone(), common, String::new())?;
    let (was, is) = (&subject.target, &plan.target.target.name);
    if was == is {
        return Ok(());
    }
    Err(Failure::usage(format!("the run was made on {was}, and --target is {is}: give the target file of the run")))
}

/// Why there is nothing to make smaller.
fn not_again(subject: &Subject, trials: &Trials<'_>, interrupted: bool) -> Failure {
    if interrupted {
        return Failure { exit: Exit::Interrupted, message: "interrupted before anything was known".into() };
    }
    Failure {
        exit: Exit::Unknown,
        message: format!(
            "{} was not violated again in {}: give more --tries, or a longer --budget{}",
            subject.check,
            trials.made(),
            trials.last_problem()
        ),
    }
}
