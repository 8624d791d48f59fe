//! `overdraft check --format porcupine-…`: a history of somebody else's, judged against a register or strings by key.

use std::{fmt::Debug, fs, path::Path};

use overdraft_checkers::linearizable::{
    Answer, Budget, Fewest, Parts, Specification, check_each, contradiction,
    porcupine::{self, FormatError},
    specifications::{KeyValue, KeyValueCall, Register},
    tell,
};
use overdraft_model::verdict::Validity;

use crate::{
    exit::{Exit, Failure},
    output,
};

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    KeyValue,
}

/// For each search of those that find the fewest operations which contradict each other.
const FEWEST: Budget = Budget { steps: 100_000, bytes: 64 << 20 };
/// How many such searches are made for all keys together, and of how many violated keys: a history in which all are
/// violated is not to take an hour.
const SEARCHES: (usize, usize) = (200, 3);
/// So many operations are named even if there may be fewer that are enough.
const FEW: usize = 10;

pub(crate) fn execute(file: &Path, kind: Kind, steps: Option<u64>) -> Result<Exit, Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    let wrong = |error: FormatError| Failure::usage(format!("{name}: {error}"));
    let budget = Budget { steps: steps.unwrap_or(Budget::default().steps), ..Budget::default() };
    let (validity, told) = match kind {
        Kind::Register => {
            let history = porcupine::register(&text).map_err(wrong)?;
            let parts = check_each(&Register::default(), history, |_| "the register", budget, &mut || false);
            judged(&Register::default(), &parts)
        }
        Kind::KeyValue => {
            let history = porcupine::key_value(&text).map_err(wrong)?;
            let key = |call: &KeyValueCall| format!("key {:?}", call.key());
            judged(&KeyValue, &check_each(&KeyValue, history, key, budget, &mut || false))
        }
    };
    output::say(&format!("{name}: {told}"));
    Ok(Exit::of(validity))
}

/// The worst of the parts, and what there is to say of those that are not valid.
fn judged<S: Specification, K: AsRef<str> + Ord>(specification: &S, parts: &Parts<K, S>) -> (Validity, String)
where
    S::Operation: Debug + Clone,
    S::Output: Debug + Clone,
    S::State: Debug,
{
    let mut worst = Validity::Valid;
    let mut details = String::new();
    let (mut tries, mut keys) = SEARCHES;
    // Whatever was asked, no answer is no evidence.
    if parts.values().all(|part| part.history.iter().all(|operation| operation.output.is_none())) {
        worst = Validity::Unknown;
        details.push_str("nothing was answered\n");
    }
    for (key, part) in parts {
        let key = key.as_ref();
        let (validity, detail) = match &part.answer {
            Answer::Linearizable => continue,
            Answer::Unknown(limit) => (Validity::Unknown, format!("{key}: {limit}\n")),
            Answer::Violation(found) => {
                let describe = |at: usize| {
                    let operation = &part.history[at];
                    let answer =
                        operation.output.as_ref().map_or("no answer".to_owned(), |output| format!("{output:?}"));
                    format!("{:?} at line {}: {answer}", operation.operation, operation.call)
                };
                let state = |state: &S::State| format!("holds {state:?}");
                let enough = match keys.checked_sub(1) {
                    None => "  (what of it is enough was searched in the first violations only)\n".to_owned(),
                    Some(left) => {
                        keys = left;
                        enough(&contradiction(specification, &part.history, FEWEST, &mut tries), describe)
                    }
                };
                (Validity::Invalid, format!("{key}: {}{enough}", tell(found, describe, state)))
            }
        };
        worst = worst.worst(validity);
        details.push_str(&detail);
    }
    let operations: usize = parts.values().map(|part| part.history.len()).sum();
    let word = match worst {
        Validity::Valid => "linearizable",
        Validity::Invalid => "not linearizable",
        Validity::Unknown => "not known to be linearizable",
    };
    (worst, format!("{word} ({operations} operations, {} judged apart)\n{details}", parts.len()))
}

/// The operations that are enough for a violation, one per line, or that no few were found.
fn enough(found: &Fewest, describe: impl Fn(usize) -> String) -> String {
    if !found.sure && found.operations.len() > FEW {
        return format!("  no smaller set than {} was found within the limits\n", found.operations.len());
    }
    let few: Vec<String> = found.operations.iter().map(|at| describe(*at)).collect();
    format!("  whatever the others did, no order holds:\n    {}\n", few.join("\n    "))
}
