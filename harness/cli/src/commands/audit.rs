//! `overdraft audit`: the consistency checks of the bundled reference service, on a database of its own.

use std::fmt::Write;

use overdraft_reference::{self as reference, CheckOutcome, Error};

use super::serve::runtime;
use crate::{
    args::{AuditFormat, AuditOptions},
    exit::{Exit, Failure},
    output, target,
};

pub(crate) fn execute(options: &AuditOptions) -> Result<Exit, Failure> {
    if !options.allow_remote {
        target::require_loopback(&options.database_url)?;
    }
    let audited = runtime()?.block_on(reference::audit(&options.database_url));
    let outcomes = audited.map_err(|error| match error {
        Error::Unreadable(_) => Failure { exit: Exit::Unknown, message: error.to_string() },
        other => Failure::harness(other),
    })?;
    output::say(&match options.format {
        AuditFormat::Console => console(&outcomes),
        AuditFormat::Json => format!("{}\n", serde_json::to_string_pretty(&outcomes).map_err(Failure::harness)?),
    });
    Ok(if outcomes.iter().all(|outcome| outcome.total == 0) { Exit::Valid } else { Exit::Invalid })
}

/// One line per check, and below a violated one its promise and its rows.
fn console(outcomes: &[CheckOutcome]) -> String {
    let mut text = String::new();
    for CheckOutcome { name, promise, total, violations } in outcomes {
        if *total == 0 {
            let _ = writeln!(text, "holds     {name}");
            continue;
        }
        let _ = writeln!(text, "VIOLATED  {name}: {total} row(s)\n          {promise}");
        for row in violations {
            let _ = writeln!(text, "          {row}");
        }
        let hidden = usize::try_from(*total).unwrap_or(usize::MAX).saturating_sub(violations.len());
        if hidden > 0 {
            let _ = writeln!(text, "          and {hidden} more");
        }
    }
    let violated = outcomes.iter().filter(|outcome| outcome.total > 0).count();
    let _ = writeln!(text, "{} checks, {violated} violated", outcomes.len());
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_violated_check_is_shown_with_its_promise_and_how_much_is_not_shown() {
        let outcome = |name, total, violations| CheckOutcome { name, promise: "It holds.".into(), total, violations };
        let text = console(&[outcome("debts", 0, vec![]), outcome("lots", 21, vec![json!({"lot": 1}); 20])]);
        assert!(text.starts_with("holds     debts\nVIOLATED  lots: 21 row(s)\n          It holds.\n"), "{text}");
        assert_eq!(text.matches("{\"lot\":1}").count(), 20);
        assert!(text.ends_with("and 1 more\n2 checks, 1 violated\n"), "{text}");
    }
}
