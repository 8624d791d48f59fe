//! `flow.expected`: a case went as it says: each step was answered as it must be, and in the end there is what
//! it says there is. It speaks only for scenarios that are cases.
//!
//! A step that was never done, and an answer that was lost on the way, accuse nobody: they leave it unknown.
//! What is read from tables needs a target that is quiet.

use std::collections::BTreeMap;

use overdraft_model::{
    fill::{self, Values},
    flow::{Action, Answered, EXPECTED, Flow, Group, Then, What, numbered},
    history::Call,
    operation::Outcome,
    scenario::Workload,
};
use serde_json::Value;

use crate::{
    case::Case,
    counted::{self, Counted},
    story::Tale,
    trial::Trial,
    words,
};

pub(crate) const ID: &str = EXPECTED;

/// Judges one scenario. A case of which only a part is left does not prove this, and nothing is expected of it.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    if !case.planned.scenario.proves.iter().any(|id| id == ID) {
        return trial;
    }
    let Workload::Flow(flow) = &case.planned.scenario.workload else { return trial };
    let steps: BTreeMap<usize, &[u64]> = case.history.steps.iter().map(|(step, ops)| (*step, ops.as_slice())).collect();
    let known = known(case, flow, &steps);
    let mut done = 0;
    for (number, when) in flow.when.iter().enumerate() {
        let Some(ops) = steps.get(&number) else {
            let why = case.history.acts.iter().find(|(_, act)| act.starts_with(&format!("step {} cannot", number + 1)));
            let why = why.map_or(String::new(), |(_, act)| format!(" ({act})"));
            trial.doubt(format!("step {} was never done: {}{why}", number + 1, when.say));
            continue;
        };
        done += 1;
        let calls: Vec<&Call> = ops.iter().filter_map(|op| case.call(*op)).collect();
        Step { case, say: &when.say, number: number + 1, known: &known }.judge(&when.action, &calls, &mut trial);
    }
    trial.saw(done);
    trial.fact(format!("{done} of {}", words::counted(flow.when.len(), "step")));
    for then in &flow.then {
        expectation(case, then, &known, &mut trial);
    }
    trial
}

/// What placeholders stand for: values of the world, and answers by label.
fn known(case: &Case<'_>, flow: &Flow, steps: &BTreeMap<usize, &[u64]>) -> Values {
    let mut known = Values::new();
    let workspaces = case.world().workspaces.iter().map(|workspace| (&workspace.name, &workspace.values));
    let leads = case.world().leads.iter().map(|lead| (&lead.name, &lead.values));
    for (name, values) in workspaces.chain(leads) {
        known.extend(values.iter().map(|(field, value)| (format!("{name}.{field}"), value.clone())));
    }
    for (number, when) in flow.when.iter().enumerate() {
        let (Some(label), Some(ops)) = (when.action.label(), steps.get(&number)) else { continue };
        for (n, call) in ops.iter().filter_map(|op| case.call(*op)).enumerate() {
            let label = numbered(label, n + 1);
            known.extend(call.answer.fields.iter().map(|(field, value)| (format!("{label}.{field}"), value.clone())));
        }
    }
    known
}

/// One step that was done.
struct Step<'s, 'a> {
    case: &'s Case<'a>,
    say: &'s str,
    number: usize,
    known: &'s Values,
}

impl<'a> Step<'_, 'a> {
    fn judge(&self, action: &Action, calls: &[&'a Call], trial: &mut Trial) {
        match action {
            Action::Ask { answer: Some(answer), .. } | Action::End { answer: Some(answer), .. } => {
                for (n, call) in calls.iter().enumerate() {
                    self.one(call, answer, n + 1, trial);
                }
            }
            Action::Redeliver { answer: Some(answer), .. } => {
                for call in calls {
                    self.one(call, answer, 1, trial);
                }
            }
            Action::Race { answers, .. } if !answers.is_empty() => self.groups(calls, answers, trial),
            Action::CutEveryStatement { .. } => self.cuts(calls, trial),
            _ => {}
        }
    }

    fn one(&self, call: &'a Call, wanted: &Answered, n: usize, trial: &mut Trial) {
        trial.saw(1);
        if lost(call) && wanted.outcome != Some(Outcome::Info) {
            trial.doubt(format!("step {} got no answer: {}", self.number, call.answer));
            return;
        }
        let wrong = differences(call, wanted, n, self.known);
        if !wrong.is_empty() {
            let summary = format!("step {}, {}: {}", self.number, self.say, wrong.join(", "));
            trial.found(|| Tale::new(self.case.history, summary).calls([call]).end());
        }
    }

    /// Each round asks, is cut, and asks again under the same key, which must then succeed; the last round is not
    /// cut, and must succeed at once.
    fn cuts(&self, calls: &[&'a Call], trial: &mut Trial) {
        let repeated = calls.iter().enumerate().filter(|(at, _)| at % 2 == 1 || at + 1 == calls.len());
        let ok = Answered { outcome: Some(Outcome::Ok), ..Answered::default() };
        for (at, call) in repeated {
            self.one(call, &ok, at / 2 + 1, trial);
        }
        match calls.len() / 2 {
            0 => trial.doubt(format!("step {}: not one statement was cut", self.number)),
            cuts => trial.fact(format!("{} cut in step {}", words::counted(cuts, "statement"), self.number)),
        }
    }

    /// Each answer belongs to the first group that it fits.
    fn groups(&self, calls: &[&'a Call], groups: &[Group], trial: &mut Trial) {
        let mut members: Vec<Vec<&Call>> = vec![Vec::new(); groups.len()];
        let (mut strays, mut unanswered) = (Vec::new(), 0);
        for call in calls {
            trial.saw(1);
            let fits = |group: &&Group| differences(call, &group.answer, 1, self.known).is_empty();
            match groups.iter().position(|group| fits(&group)) {
                Some(at) => members[at].push(call),
                None if lost(call) => unanswered += 1,
                None => strays.push(*call),
            }
        }
        if !strays.is_empty() {
            let answers = words::listed(strays.iter().map(|call| call.answer.to_string()), 3);
            let summary = format!(
                "step {}, {}: {} of {} answers are none of those expected: {answers}",
                self.number,
                self.say,
                strays.len(),
                calls.len()
            );
            trial.found(|| Tale::new(self.case.history, summary).calls(strays.iter().copied()).end());
        }
        for (group, members) in groups.iter().zip(members) {
            let got = members.len();
            // An answer that was lost may have been one of these.
            let most = got + unanswered;
            let too_few = group.is.is_some_and(|is| most < is) || group.at_least.is_some_and(|least| most < least);
            let too_many = group.is.is_some_and(|is| got > is) || group.at_most.is_some_and(|most| got > most);
            if too_few || too_many {
                let summary = format!(
                    "step {}, {}: {got} were answered {}, expected {}",
                    self.number,
                    self.say,
                    describe(&group.answer),
                    range(
                        group.is.map(|n| n as i128),
                        group.at_least.map(|n| n as i128),
                        group.at_most.map(|n| n as i128)
                    )
                );
                let calls = if too_many { members } else { calls.to_vec() };
                trial.found(|| Tale::new(self.case.history, summary).calls(calls).end());
            }
        }
        if unanswered > 0 {
            trial.doubt(format!("step {}: {unanswered} of {} got no answer", self.number, calls.len()));
        }
    }
}

/// No answer came that says what happened.
fn lost(call: &Call) -> bool {
    call.answer.status.is_none()
}

/// In which ways an answer is not what it must be.
fn differences(call: &Call, wanted: &Answered, n: usize, known: &Values) -> Vec<String> {
    let answer = &call.answer;
    let mut wrong = Vec::new();
    if let Some(outcome) = wanted.outcome.filter(|outcome| *outcome != call.outcome) {
        wrong.push(format!("it ended {} instead of {outcome}", call.outcome));
    }
    if !wanted.status.is_empty() && answer.status.is_none_or(|status| !wanted.status.contains(&status)) {
        let wanted = words::listed(wanted.status.iter().map(ToString::to_string), 5);
        wrong.push(format!(
            "it was answered {} instead of {wanted}",
            answer.status.map_or("nothing".into(), |s| s.to_string())
        ));
    }
    if wanted.code.is_some() && wanted.code != answer.code {
        let spell = |code: &Option<String>| code.clone().unwrap_or_else(|| "none".into());
        wrong.push(format!("its code was {} instead of {}", spell(&answer.code), spell(&wanted.code)));
    }
    for (field, expected) in &wanted.fields {
        if let Some(difference) = field_differs(answer.fields.get(field), expected, n, known) {
            wrong.push(format!("its {field} {difference}"));
        }
    }
    wrong
}

fn field_differs(got: Option<&Value>, expected: &Value, n: usize, known: &Values) -> Option<String> {
    let absent = expected.as_str() == Some("-");
    let Some(got) = got else { return (!absent).then(|| "is missing".to_owned()) };
    if absent {
        return Some(format!("was {} and should not be there", fill::plain(got)));
    }
    let expected = match expected {
        Value::String(template) => match fill::text(&numbered(template, n), known) {
            Ok(filled) => filled,
            Err(unknown) => return Some(format!("cannot be compared: {unknown}")),
        },
        other => fill::plain(other),
    };
    let shown = fill::plain(got);
    let number = shown.trim().parse::<i128>().ok();
    let bound = |sign: &str| expected.strip_prefix(sign).and_then(|bound| bound.trim().parse::<i128>().ok());
    let right = match (expected.as_str(), bound(">="), bound("<=")) {
        ("*", _, _) => true,
        (_, Some(least), _) => number.is_some_and(|number| number >= least),
        (_, _, Some(most)) => number.is_some_and(|number| number <= most),
        _ => shown == expected,
    };
    (!right).then(|| format!("was {shown} instead of {expected}"))
}

/// What must be there in the end.
fn expectation(case: &Case<'_>, then: &Then, known: &Values, trial: &mut Trial) {
    let of = match then.of.as_deref().map(|of| fill::text(of, known)).transpose() {
        Ok(of) => of,
        Err(unknown) => return trial.doubt(format!("{}: {unknown}", then.say)),
    };
    let counted = match counted::count(case, then.that, of.as_deref()) {
        Ok(counted) => counted,
        Err(why) => return trial.doubt(format!("{}: {why}", then.say)),
    };
    trial.saw(1);
    let what = match &of {
        Some(of) => format!("{} of {of}", then.that.name()),
        None => then.that.name().to_owned(),
    };
    let (right, got, wanted) = match (&counted, &then.are) {
        (Counted::Texts(texts), Some(are)) => (texts == are, words::listed(texts, 12), words::listed(are, 12)),
        (Counted::Texts(texts), None) => number(texts.len() as i128, then),
        (Counted::Number(amount), _) => number(*amount, then),
    };
    if !right {
        let summary = format!("{}: {what} is {got}, expected {wanted}", then.say);
        trial.disagree(case.quiet() || then.that == What::Leaks, || {
            Tale::new(case.history, summary)
                .calls(case.history.calls.iter().filter(|call| concerns(call, of.as_deref())))
                .end()
        });
    }
}

fn number(amount: i128, then: &Then) -> (bool, String, String) {
    let (is, least, most) = (then.is.map(i128::from), then.at_least.map(i128::from), then.at_most.map(i128::from));
    let right = is.is_none_or(|is| amount == is)
        && least.is_none_or(|least| amount >= least)
        && most.is_none_or(|most| amount <= most);
    (right, amount.to_string(), range(is, least, most))
}

fn concerns(call: &Call, of: Option<&str>) -> bool {
    of.is_none_or(|of| call.operation.workspace() == Some(of) || call.operation.to_string().contains(of))
}

fn range(is: Option<i128>, least: Option<i128>, most: Option<i128>) -> String {
    match (is, least, most) {
        (Some(is), _, _) => is.to_string(),
        (None, Some(least), Some(most)) => format!("{least} to {most}"),
        (None, Some(least), None) => format!("at least {least}"),
        (None, None, Some(most)) => format!("at most {most}"),
        (None, None, None) => "any number".to_owned(),
    }
}

fn describe(answer: &Answered) -> String {
    let status = answer.status.iter().map(ToString::to_string);
    let outcome = answer.outcome.map(|outcome| outcome.to_string());
    let parts: Vec<String> = status.chain(answer.code.clone()).chain(outcome).collect();
    if parts.is_empty() { "anything".to_owned() } else { parts.join(" ") }
}
