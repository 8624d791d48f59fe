//! `sessions.consistent`: a client sees its own purchases, and no balance that is older than one it has seen.
//!
//! Weaker than `history.linearizable` and asked of each client alone: others' purchases, and credits, it may see at
//! any time after they were asked for, or never. A service that reads balances from a copy that lags behind breaks
//! this the moment two requests of one customer reach two copies; the customer sees credits come back and go again.
//!
//! An account whose whole history has an order needs no search: then each client's part has one. A balance that
//! nothing explains, not even by itself, is for `history.linearizable` and `credits.conserved` to tell.

use overdraft_model::history::Call;

use crate::{
    balances::{Balances, Story},
    case::Case,
    checks::history_linearizable::told,
    effects,
    linearizable::{Answer, Counterexample, check as search, specifications::Account},
    story::Tale,
    study::{BUDGET, Study},
    trial::Trial,
    words::counted,
};

pub(crate) const ID: &str = "sessions.consistent";

/// Judges one scenario.
pub(crate) fn check(study: &Study<'_, '_>) -> Trial {
    let case = study.case;
    let mut trial = Trial::new(ID);
    if !case.history.calls.iter().any(|call| call.answer.integer("balance").is_some()) {
        return trial;
    }
    if !effects::told(case, &mut trial) {
        return trial;
    }
    let balances = Balances::new(case, study.effects());
    let mut sessions = 0;
    for (who, account) in balances.judged() {
        let clients = balances.clients(who);
        sessions += clients.len();
        trial.saw(clients.len());
        if study.orders().get(who) == Some(&Answer::Linearizable) {
            continue;
        }
        // The floor is not what is asked here.
        let account = Account { floor: None, ..account };
        for client in clients {
            session(case, &balances, (who, account), client, &mut trial);
        }
    }
    trial.fact(format!("{} of a client on an account", counted(sessions, "session")));
    trial
}

fn session<'a>(
    case: &Case<'a>,
    balances: &Balances<'_, 'a>,
    (who, account): (&str, Account),
    client: u64,
    trial: &mut Trial,
) {
    let story = balances.session(who, client, |_| true);
    let found = match search(&account, &story.history, BUDGET) {
        Answer::Linearizable => return,
        Answer::Unknown(limit) => return trial.doubt(format!("process {client} of {who}: {limit}")),
        Answer::Violation(_) => {
            let explained = |call: &Call| {
                let mut calls = story.calls.iter().flatten();
                calls.find(|known| known.op == call.op).is_some_and(|call| {
                    let alone = balances.alone(who, call);
                    !matches!(search(&account, &alone.history, BUDGET), Answer::Violation(_))
                })
            };
            let rest = balances.session(who, client, explained);
            match search(&account, &rest.history, BUDGET) {
                Answer::Violation(found) => (rest, found),
                Answer::Linearizable | Answer::Unknown(_) => return,
            }
        }
    };
    let (story, found) = found;
    trial.found(|| tale(case, who, client, &story, &found).end());
}

fn tale<'a>(case: &Case<'a>, who: &str, client: u64, story: &Story<'a>, found: &Counterexample<i64>) -> Tale<'a> {
    let stuck = story.history[found.stuck].output;
    let summary = match stuck {
        Some(balance) => format!(
            "{who} was told a balance of {balance} that is older than what the same client had bought or been told \
             before (process {client})"
        ),
        None => format!("{who}: what one client was told does not fit its own purchases (process {client})"),
    };
    let holds = format!("then {who} holds {}", found.state);
    told(Tale::new(case.history, summary), found, &story.calls, |at| story.line(at), holds)
}
