//! What the evidence says there is: numbers and texts that an expectation can be held against.

use overdraft_model::{
    evidence::{Account, Email, Tenancy},
    flow::What,
    tenancy::Severity,
};

use crate::{case::Case, ledger::Entries};

/// What was counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Number(i128),
    Texts(Vec<String>),
}

/// Counts. Fails, in words, where the target file maps no table that would tell.
pub(crate) fn count(case: &Case<'_>, what: What, of: Option<&str>) -> Result<Counted, String> {
    let database = case.database();
    let is = |name: &str| of.is_none_or(|of| of == name);
    let number = |amount: i128| Ok(Counted::Number(amount));
    match what {
        What::Balance => {
            let entries = database.entries.as_deref().map(Entries::new);
            let rows = mapped("accounts", database.accounts.as_ref())?;
            let credits = of_kind(rows, "credits").filter(|row| row.workspace.as_deref().is_some_and(is));
            number(credits.map(|row| crate::ledger::held(row, entries.as_ref())).sum())
        }
        What::Debt => {
            let entries = database.entries.as_deref().map(Entries::new);
            let rows = mapped("accounts", database.accounts.as_ref())?;
            let debts = of_kind(rows, "debt").filter(|row| row.workspace.as_deref().is_some_and(is));
            number(debts.map(|row| crate::ledger::held(row, entries.as_ref()).abs()).sum())
        }
        What::Earned => {
            let rows = mapped("commissions", database.commissions.as_ref())?;
            number(rows.iter().filter(|row| is(&row.workspace)).map(|row| i128::from(row.amount)).sum())
        }
        What::Sold => {
            let rows = mapped("leads", database.leads.as_ref())?;
            number(rows.iter().filter(|row| is(&row.lead)).map(|row| i128::from(row.sold_count)).sum())
        }
        What::Purchases => {
            let rows = mapped("purchases", database.purchases.as_ref())?;
            number(length(rows.iter().filter(|row| is(&row.workspace) || is(&row.lead))))
        }
        What::Grants => {
            let rows = mapped("grants", database.grants.as_ref())?;
            number(length(rows.iter().filter(|row| row.session.is_some() && is(&row.workspace))))
        }
        What::Granted => {
            let rows = mapped("grants", database.grants.as_ref())?;
            let paid = rows.iter().filter(|row| row.session.is_some() && is(&row.workspace));
            number(paid.map(|row| i128::from(row.credits)).sum())
        }
        What::Reversed => {
            let rows = mapped("reversals", database.reversals.as_ref())?;
            number(rows.iter().filter(|row| is(&row.workspace)).map(|row| i128::from(row.credits)).sum())
        }
        What::Expired => {
            let rows = mapped("expiries", database.expiries.as_ref())?;
            number(rows.iter().filter(|row| is(&row.workspace)).map(|row| i128::from(row.credits)).sum())
        }
        What::Adjusted => {
            let rows = mapped("adjustments", database.adjustments.as_ref())?;
            number(rows.iter().filter(|row| is(&row.workspace)).map(|row| i128::from(row.credits)).sum())
        }
        What::Emails => number(length(accepted(case, of))),
        What::EmailAttempts => {
            let address = of.map(|of| address(case, of));
            let refused = case.evidence.email.refused.iter();
            let refused = refused.filter(|email| address.is_none_or(|address| email.recipient == address));
            number(length(accepted(case, of)) + length(refused))
        }
        What::Subjects => {
            let mut emails: Vec<&Email> = accepted(case, of).collect();
            emails.sort_by_key(|email| email.order);
            Ok(Counted::Texts(emails.into_iter().map(|email| email.subject.clone()).collect()))
        }
        What::DeadLetters => {
            let rows = mapped("dead_letters", database.dead_letters.as_ref())?;
            number(length(rows.iter().filter(|row| is(&row.kind))))
        }
        What::Alerts => number(case.evidence.email.alerts.len() as i128),
        What::Unacknowledged => number(length(case.provider().events.iter().filter(|event| !event.acknowledged))),
        What::Leaks => match &case.evidence.tenancy {
            Some(Tenancy::Probed(report)) => number(length(report.of(Severity::Leak))),
            Some(Tenancy::Failed(problem)) => Err(format!("tenancy could not be probed: {problem}")),
            None => Err("tenancy was not probed".to_owned()),
        },
    }
}

fn mapped<'a, T>(table: &str, rows: Option<&'a Vec<T>>) -> Result<&'a [T], String> {
    rows.map(Vec::as_slice).ok_or_else(|| format!("the target file maps no evidence.{table}"))
}

fn of_kind<'a>(rows: &'a [Account], kind: &'a str) -> impl Iterator<Item = &'a Account> {
    rows.iter().filter(move |row| row.kind == kind)
}

/// A workspace's address, or the address itself.
fn address<'a>(case: &Case<'a>, of: &'a str) -> &'a str {
    let workspace = case.workspace(of);
    workspace.and_then(|workspace| workspace.values.get("email")?.as_str()).unwrap_or(of)
}

fn accepted<'a>(case: &Case<'a>, of: Option<&'a str>) -> impl Iterator<Item = &'a Email> {
    let address = of.map(|of| address(case, of));
    case.evidence.email.accepted.iter().filter(move |email| address.is_none_or(|address| email.recipient == address))
}

fn length<T>(rows: impl Iterator<Item = T>) -> i128 {
    rows.count() as i128
}
