//! `limits.enforced`: nobody is let in more often than the limit says, and nobody is refused who had room.
//!
//! Only workspaces that are under the target's limits are judged, each with each kind of request by itself, and only
//! until staff changes the limit. A request counts at a moment that only the target knows: for what was let in, only
//! requests that lie wholly in a stretch count for it; for a refusal, every request that may have counted. What was
//! answered 5xx, or not at all, may have counted or not.
//!
//! Whoever was never refused proves something of a limit only if all that it asked together would break it.

use std::collections::BTreeMap;

use overdraft_model::{
    fill,
    history::Call,
    manifest::Workspace,
    operation::{Operation, Outcome},
    promises::RateLimit,
};

use crate::{
    case::Case,
    door,
    story::Tale,
    trial::Trial,
    windows::{self, Overrun},
    words::counted,
};

pub(crate) const ID: &str = "limits.enforced";

/// `Too Many Requests`.
const REFUSED: u16 = 429;
/// How the driver tells that clocks were moved: what came before is not counted with what comes after, because a limit
/// may go by the service's clock.
const CLOCK: &str = "clock was put";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let limits = &case.manifest.stated.limits;
    let limited: Vec<&Workspace> =
        case.world().workspaces.iter().filter(|workspace| door::limited(workspace)).collect();
    if limits.is_empty() || limited.is_empty() {
        return trial;
    }
    let asked = Asked::new(case);
    let (mut callers, mut admitted, mut refused) = (0, 0, 0);
    for workspace in limited {
        for (kind, limit) in limits {
            let budget = Budget { case, workspace, kind, limit, asked: &asked };
            let own = budget.own();
            let tried: Vec<(u64, u64)> =
                own.iter().filter(|call| answered(call).is_some()).map(|call| (call.start, end(call))).collect();
            if u64::try_from(tried.len()).unwrap_or(u64::MAX) <= limit.burst() {
                continue;
            }
            let turned_away = own.iter().filter(|call| answered(call) == Some(REFUSED)).count();
            if turned_away == 0 && windows::overrun(&tried, limit).is_none() {
                continue;
            }
            callers += 1;
            trial.saw(tried.len());
            refused += turned_away;
            admitted += own.iter().filter(|call| budget.let_in(call)).count();
            budget.overrun(&own, &mut trial);
            budget.refusals(&own, &mut trial);
        }
    }
    if callers > 0 {
        trial.fact(format!(
            "{} over a limit: {admitted} requests let in, {refused} refused",
            counted(callers, "caller")
        ));
    }
    trial
}

fn answered(call: &Call) -> Option<u16> {
    call.answer.status
}

fn end(call: &Call) -> u64 {
    call.end.unwrap_or(u64::MAX)
}

/// Requests to the target by the workspace that asked.
struct Asked<'a> {
    by_workspace: BTreeMap<&'a str, Vec<&'a Call>>,
    /// Those that name no workspace: they may come out of anybody's budget.
    by_nobody: Vec<&'a Call>,
}

impl<'a> Asked<'a> {
    fn new(case: &Case<'a>) -> Self {
        let mut asked = Self { by_workspace: BTreeMap::new(), by_nobody: Vec::new() };
        for call in case.history.calls.iter().filter(|call| call.operation.mapping().is_some()) {
            match call.operation.workspace() {
                Some(workspace) => asked.by_workspace.entry(workspace).or_default().push(call),
                None => asked.by_nobody.push(call),
            }
        }
        asked
    }
}

/// What one workspace may ask of one kind.
struct Budget<'c, 'a> {
    case: &'c Case<'a>,
    workspace: &'c Workspace,
    kind: &'c str,
    limit: &'c RateLimit,
    asked: &'c Asked<'a>,
}

impl<'a> Budget<'_, 'a> {
    fn calls(&self) -> impl Iterator<Item = &'a Call> {
        self.asked.by_workspace.get(self.workspace.name.as_str()).into_iter().flatten().copied()
    }

    /// Its requests of this kind, up to the moment when staff began to change the limit.
    fn own(&self) -> Vec<&'a Call> {
        let changed = self.changed().unwrap_or(u64::MAX);
        self.calls().filter(|call| self.is_listed(call) && call.start < changed && end(call) < changed).collect()
    }

    fn is_listed(&self, call: &Call) -> bool {
        call.operation.mapping().is_some_and(|name| self.limit.operations.iter().any(|listed| listed == name))
    }

    fn changed(&self) -> Option<u64> {
        let by = self.limit.changed_by.as_deref()?;
        let id = fill::plain(self.workspace.values.get("id")?);
        let changes = self.case.history.calls.iter().filter(|call| match &call.operation {
            Operation::Custom { name, with, .. } => {
                name == by && call.outcome != Outcome::Fail && with.values().any(|value| fill::plain(value) == id)
            }
            _ => false,
        });
        changes.map(|call| call.start).min()
    }

    /// Whether a request came out of the budget for certain.
    fn let_in(&self, call: &Call) -> bool {
        match answered(call) {
            _ if call.outcome == Outcome::Ok => true,
            Some(status) => self.limit.refusals_count && status < 500 && status != REFUSED,
            None => false,
        }
    }

    /// In any stretch no more is let in than the limit allows.
    fn overrun(&self, own: &[&'a Call], trial: &mut Trial) {
        let moved = self.case.history.acts.iter().filter(|(_, what)| what.contains(CLOCK)).map(|(time, _)| *time);
        let mut borders: Vec<u64> = moved.chain([0, u64::MAX]).collect();
        borders.sort_unstable();
        for border in borders.windows(2) {
            let within = |call: &&&Call| call.start >= border[0] && end(call) < border[1];
            let calls: Vec<&Call> = own.iter().filter(within).filter(|call| self.let_in(call)).copied().collect();
            let requests: Vec<(u64, u64)> = calls.iter().map(|call| (call.start, end(call))).collect();
            if let Some(found) = windows::overrun(&requests, self.limit) {
                trial.found(|| self.too_many(&calls, found).end());
            }
        }
    }

    fn too_many(&self, calls: &[&'a Call], found: Overrun) -> Tale<'a> {
        let Overrun { from, to, count, allowed } = found;
        let mut inside: Vec<&Call> = calls.iter().copied().filter(|c| c.start >= from && end(c) <= to).collect();
        inside.sort_by_key(|call| std::cmp::Reverse((end(call), call.op)));
        let summary = format!(
            "{} was let in {count} times within {:.1} s, {} more than the limit on {} allows: {}",
            self.workspace.name,
            (to - from) as f64 / 1e9,
            count - allowed,
            self.kind,
            self.words()
        );
        let instances = inside.iter().fold(BTreeMap::<usize, u64>::new(), |mut by, call| {
            *by.entry(call.answer.instance).or_default() += 1;
            by
        });
        let by_instance = instances.iter().map(|(instance, count)| format!("instance {instance} let in {count}"));
        Tale::new(self.case.history, summary).calls(inside).rows(by_instance)
    }

    fn words(&self) -> String {
        let RateLimit { requests, per, .. } = self.limit;
        format!("{requests} in {per}, {} at once", self.limit.burst())
    }

    /// Whoever is refused had used up the budget, and whoever waits as long as it was told is let in.
    fn refusals(&self, own: &[&'a Call], trial: &mut Trial) {
        let mut possible: Vec<&Call> = self.calls().filter(|call| self.may_count(call)).collect();
        possible.extend(&self.asked.by_nobody);
        let spent: Vec<&Call> = possible.iter().copied().filter(|call| answered(call) != Some(REFUSED)).collect();
        let per = self.limit.per.ns() + self.limit.per.ns() / 1_000;
        // Of an empty bucket so much was taken in the last `per`, whatever came before; so it is with a window.
        let least = self.limit.burst().min(self.limit.requests).saturating_sub(1);
        for call in own.iter().filter(|call| answered(call) == Some(REFUSED)) {
            let since = call.start.saturating_sub(per);
            let before = |other: &&&Call| other.start <= end(call) && end(other) >= since;
            let used: Vec<&Call> = spent.iter().filter(before).copied().collect();
            if u64::try_from(used.len()).unwrap_or(u64::MAX) < least {
                let summary = format!(
                    "{} was refused for asking too often ({}), and had asked {} in the last {}: the limit is {}",
                    self.workspace.name,
                    self.kind,
                    counted(used.len(), "time"),
                    self.limit.per,
                    self.words()
                );
                trial.found(|| Tale::new(self.case.history, summary).calls([*call]).calls(used).end());
                return;
            }
            if let Some((told, wait)) = self.waited(call, own, &possible) {
                let summary = format!(
                    "{} was told to wait {wait} s before it asks again ({}), waited, and was refused again",
                    self.workspace.name, self.kind
                );
                trial.found(|| Tale::new(self.case.history, summary).calls([told, *call]).end());
                return;
            }
        }
    }

    /// The refusal that a call waited out before it was refused again, with nothing asked meanwhile.
    fn waited(&self, call: &Call, own: &[&'a Call], possible: &[&'a Call]) -> Option<(&'a Call, i64)> {
        let earlier = own.iter().filter(|other| answered(other) == Some(REFUSED) && end(other) < call.start);
        let told = *earlier.max_by_key(|other| end(other))?;
        let wait = told.answer.integer("retry_after").filter(|wait| *wait > 0)?;
        let until = end(told).saturating_add(u64::try_from(wait).ok()?.saturating_mul(1_000_000_000));
        let between = |other: &&&Call| {
            other.op != told.op && other.op != call.op && other.start <= end(call) && end(other) >= told.start
        };
        (call.start >= until && !possible.iter().any(|other| between(&other))).then_some((told, wait))
    }

    /// Whether a request may come out of this budget: it is of no other kind.
    fn may_count(&self, call: &Call) -> bool {
        let others = self.case.manifest.stated.limits.iter().filter(|(kind, _)| *kind != self.kind);
        let name = call.operation.mapping().unwrap_or_default();
        self.is_listed(call) || !others.flat_map(|(_, limit)| &limit.operations).any(|listed| listed == name)
    }
}
