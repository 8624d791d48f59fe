//! The report as the document to keep: what is shared, what is isolated, what was tried and what came of it.
//!
//! Nothing in it depends on the server, the database's name or the rows, so that a change of it is a change of the
//! schema.

use std::fmt::Write as _;

use overdraft_model::tenancy::{Operation, Outcome, Report, Severity, Standing};

/// Operations on tables, in the order of the columns.
const TABLE: [Operation; 7] = [
    Operation::Select,
    Operation::SelectOutside,
    Operation::Insert,
    Operation::Update,
    Operation::Move,
    Operation::Delete,
    Operation::Truncate,
];

/// Writes the document.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::from("# Tenants\n\n");
    let _ = writeln!(
        out,
        "Written by `overdraft tenancy --format markdown`: every line was tried, inside one tenant against another's \
         rows,\nin a db_tx that was rolled back. Tenant column: `{}`. Entered by: `{}`.\n",
        report.tenant_column, report.enter
    );
    roles(report, &mut out);
    objects(report, &mut out);
    matrix(report, &mut out);
    list(report, &mut out, "Keys", &[Operation::ForeignKey, Operation::Cascade, Operation::Unique]);
    list(report, &mut out, "Functions that run as their owner", &[Operation::Call, Operation::CallOutside]);
    list(report, &mut out, "Sequences and settings", &[Operation::Sequence, Operation::Setting]);
    findings(report, &mut out);
    out
}

fn roles(report: &Report, out: &mut String) {
    out.push_str("## Roles\n\n| role | probed | why |\n|---|---|---|\n");
    for role in &report.roles {
        let _ = writeln!(out, "| {} | {} | {} |", role.name, if role.probed { "yes" } else { "no" }, role.why);
    }
}

fn objects(report: &Report, out: &mut String) {
    let groups = [
        (Standing::Leaking, "Leaking", "A tenant reached another's rows."),
        (Standing::Shared, "Shared", "Every tenant reads it, on purpose."),
        (Standing::Isolated, "Isolated", "A tenant sees its own rows and no others."),
        (Standing::Internal, "Internal", "No role that requests run as sees a row."),
        (Standing::Unknown, "Unknown", "It could not be told."),
    ];
    for (standing, title, meaning) in groups {
        let objects: Vec<_> = report.objects.iter().filter(|object| object.standing == standing).collect();
        if objects.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {title}\n\n{meaning}\n");
        out.push_str("| name | kind | whose row | row-level security | policies |\n|---|---|---|---|---|\n");
        for object in objects {
            let owner = object.owner.as_deref().unwrap_or("nobody's");
            let policies = object.policies.iter().map(|policy| cell(policy)).collect::<Vec<_>>().join("<br>");
            let _ = writeln!(out, "| {} | {} | {owner} | {} | {policies} |", object.name, object.kind, object.security);
        }
    }
}

fn matrix(report: &Report, out: &mut String) {
    for role in report.roles.iter().filter(|role| role.probed) {
        let words: Vec<&str> = TABLE.iter().map(|operation| operation.word()).collect();
        let _ = writeln!(out, "\n## Tables, as {}\n\n| | {} |", role.name, words.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(TABLE.len()));
        for object in &report.objects {
            let word = |operation: &Operation| {
                let probe = report.probes.iter().find(|probe| {
                    probe.role == role.name && probe.object == object.name && probe.operation == *operation
                });
                probe.map_or("", |probe| short(probe.outcome, &probe.seen))
            };
            let words: Vec<&str> = TABLE.iter().map(word).collect();
            let _ = writeln!(out, "| {} | {} |", object.name, words.join(" | "));
        }
    }
}

fn list(report: &Report, out: &mut String, title: &str, operations: &[Operation]) {
    let probes: Vec<_> = report.probes.iter().filter(|probe| operations.contains(&probe.operation)).collect();
    if probes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## {title}\n\n| role | what | tried | came out |\n|---|---|---|---|");
    for probe in probes {
        let (object, tried) = (cell(&probe.object), probe.operation.word());
        let _ = writeln!(out, "| {} | {object} | {tried} | {} |", probe.role, short(probe.outcome, &probe.seen));
    }
}

fn findings(report: &Report, out: &mut String) {
    out.push_str("\n## Findings\n\n");
    if report.findings.is_empty() {
        out.push_str("None.\n");
    }
    for severity in [Severity::Leak, Severity::Weakness, Severity::Information] {
        for finding in report.of(severity) {
            let _ = writeln!(
                out,
                "- **{}** `{}`: {}. To do: {}.",
                severity.word(),
                finding.kind,
                finding.what,
                finding.remedy
            );
        }
    }
    if !report.declared.is_empty() {
        out.push_str("\n## On purpose\n\n");
        for (name, reason) in &report.declared {
            let _ = writeln!(out, "- {name}: {reason}");
        }
    }
    let untried: Vec<_> = report.not_exercised().collect();
    if !untried.is_empty() {
        out.push_str("\n## Not exercised\n\n");
        for probe in untried {
            let _ = writeln!(
                out,
                "- {} of {} as {}: {}",
                probe.operation.word(),
                probe.object,
                probe.role,
                cell(&probe.seen)
            );
        }
    }
    for limit in &report.limits {
        let _ = writeln!(out, "\nLimit: {limit}");
    }
}

/// One word for a cell.
fn short(outcome: Outcome, seen: &str) -> &'static str {
    match outcome {
        Outcome::Leaked => "**LEAK**",
        Outcome::NotExercised => "not exercised",
        Outcome::Declared => "on purpose",
        Outcome::Held if seen.contains("permission denied") => "no right",
        Outcome::Held if seen.starts_with("0 of") && !seen.contains(" 0 of its own") => "own rows only",
        Outcome::Held => "held",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
