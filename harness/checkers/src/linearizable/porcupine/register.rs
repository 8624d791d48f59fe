//! Jepsen's log of a register with compare-and-set.

use super::{Fate, FormatError, Reading, is_type, lines, says_nothing};
use crate::linearizable::{
    Operations,
    specifications::{Register, RegisterAnswer, RegisterCall},
};

/// Reads Jepsen's log of a register with compare-and-set.
///
/// # Errors
/// Fails on a line of the log that says something else, on answers without a question, and if there is none.
pub fn register(text: &str) -> Result<Operations<Register>, FormatError> {
    let mut reading = Reading::new();
    for line in lines(text) {
        reading.line += 1;
        let mut words = line.split_whitespace();
        if (words.next(), words.next(), words.next()) != (Some("INFO"), Some("jepsen.util"), Some("-")) {
            continue;
        }
        let (process, kind, f) = (words.next().unwrap_or_default(), words.next(), words.next());
        // Jepsen logs other things through the same logger, such as its nemesis.
        if process.starts_with(':') {
            continue;
        }
        let process = match process.parse() {
            Ok(process) => process,
            Err(_) if kind.is_some_and(is_type) => return Err(reading.wrong("a process number")),
            Err(_) => continue,
        };
        let (Some(kind), Some(f)) = (kind.filter(|kind| is_type(kind)), f) else {
            return Err(reading.wrong("a process, :invoke, :ok, :fail or :info, and :read, :write or :cas"));
        };
        let value: Vec<&str> = words.collect();
        operation(&mut reading, process, kind, f, &value.join(" "))?;
    }
    reading.end()
}

fn operation(
    reading: &mut Reading<RegisterCall, RegisterAnswer>,
    process: u64,
    kind: &str,
    f: &str,
    told: &str,
) -> Result<(), FormatError> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| reading.wrong("a whole number"));
    let (value, reason) = behind(told);
    if !reason.is_empty() && matches!(kind, ":invoke" | ":ok") {
        return Err(reading.wrong("nothing behind the value"));
    }
    // None where it is said why there is no answer, or nothing, instead of what was asked.
    let call = match f {
        ":read" => Some(RegisterCall::Read),
        ":write" | ":cas" if says_nothing(kind, value) => None,
        ":write" => Some(RegisterCall::Write(number(value)?)),
        ":cas" => {
            let pair = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let pair = pair.and_then(|pair| pair.trim().split_once([' ', ',']));
            let (from, to) = pair.ok_or_else(|| reading.wrong("two values in brackets, [from to]"))?;
            Some(RegisterCall::CompareAndSet(number(from)?, number(to.trim())?))
        }
        _ => return Err(reading.wrong(":read, :write or :cas")),
    };
    let fate = match (kind, call) {
        (":invoke", Some(call)) => return reading.invoke(process, call, call == RegisterCall::Read),
        (":ok", Some(RegisterCall::Read)) if value == "nil" => Fate::Answered(RegisterAnswer::Value(None)),
        (":ok", Some(RegisterCall::Read)) => Fate::Answered(RegisterAnswer::Value(Some(number(value)?))),
        (":ok", _) => Fate::Answered(RegisterAnswer::Done),
        // A failure with a reason instead of the values is no answer of the register: it may have happened.
        (":fail", None) => Fate::Unclear,
        (":fail", Some(RegisterCall::CompareAndSet(..))) if reason.is_empty() => {
            Fate::Answered(RegisterAnswer::Differs)
        }
        (":fail", Some(_)) => Fate::Never,
        _ => Fate::Unclear,
    };
    let fits = |asked: &RegisterCall| match call {
        Some(call) => *asked == call,
        None => matches!((asked, f), (RegisterCall::Write(_), ":write") | (RegisterCall::CompareAndSet(..), ":cas")),
    };
    reading.complete(process, fits, fate)
}

/// A value, which may be a pair in brackets, and what stands behind it: newer logs add the reason of a failure.
fn behind(told: &str) -> (&str, &str) {
    let end = match told.starts_with('[') {
        true => told.find(']').map(|at| at + 1),
        false => told.find(' '),
    };
    let (value, reason) = told.split_at(end.unwrap_or(told.len()));
    (value, reason.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These lines through Jepsen's logger.
    fn read(lines: &[&str]) -> Result<Operations<Register>, FormatError> {
        register(&lines.iter().map(|line| format!("INFO  jepsen.util - {line}\n")).collect::<String>())
    }

    #[test]
    fn a_process_that_is_no_number_is_refused_where_it_asks_and_others_are_passed_over() {
        for line in ["-1 :invoke :write 1", "worker :ok :read 2", "1.5 :info :cas nil"] {
            assert_eq!(read(&[line]), Err(FormatError::Line { line: 1, wanted: "a process number" }), "{line}");
        }
        let others =
            [":nemesis :info :start {:n1 #{:n2}}", "Run complete, writing", "1 :invoke :read nil", "1 :ok :read nil"];
        assert_eq!(read(&others).unwrap().len(), 1);
    }

    #[test]
    fn an_answer_that_repeats_something_else_is_none() {
        for (asked, answer) in [
            (":write 3", ":ok :write 4"),
            (":cas [1 2]", ":ok :cas [1 3]"),
            (":cas [1 2]", ":fail :cas [2 2]"),
            (":write 3", ":info :write 4"),
            (":write 3", ":info :cas :timed-out"),
            (":write 3", ":ok :read 3"),
        ] {
            let told = read(&[&format!("0 :invoke {asked}"), &format!("0 {answer}")]);
            assert_eq!(told, Err(FormatError::NotAsked { line: 2, process: 0 }), "{asked}, {answer}");
        }
        for answer in [
            ":ok :write 3",
            ":ok :write nil",
            ":fail :write :timed-out",
            ":info :write nil",
            ":info :write 3 :timed-out",
        ] {
            assert!(read(&["0 :invoke :write 3", &format!("0 {answer}")]).is_ok(), "{answer}");
        }
        for answer in [":ok :write :timed-out", ":ok :write 3 4", ":ok :write", ":done :write 3"] {
            let told = read(&["0 :invoke :write 3", &format!("0 {answer}")]);
            assert!(matches!(told, Err(FormatError::Line { line: 2, .. })), "{answer}");
        }
    }

    #[test]
    fn only_a_failure_without_a_reason_says_that_the_value_differed() {
        let outcome = |answer: &str| {
            let read = read(&["0 :invoke :cas [1 2]", &format!("0 {answer}")]).unwrap();
            read.into_iter().next().map(|operation| operation.output)
        };
        assert_eq!(outcome(":fail :cas [1 2]"), Some(Some(RegisterAnswer::Differs)));
        assert_eq!(outcome(":fail :cas [1 2] :not-sent"), None, "it did not happen, whatever the register held");
        assert_eq!(outcome(":fail :cas :timed-out"), Some(None));
        assert_eq!(outcome(":fail :cas nil"), Some(None));
    }
}
