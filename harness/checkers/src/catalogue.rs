//! What each check means, in plain words: the source of `overdraft explain` and of every report's table.

/// One check, explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckInfo {
    /// Its stable id; `latency.*` and `errors.*` stand for families.
    pub id: &'static str,
    /// A few words for a heading.
    pub title: &'static str,
    /// What must hold.
    pub promise: &'static str,
    /// How it is checked, and on which evidence.
    pub how: &'static str,
    /// Which real incident it would have caught.
    pub incident: &'static str,
    /// Where to begin looking when it is broken.
    pub remedy: &'static str,
}

/// Every check, in the order of the reports.
pub static CHECKS: &[CheckInfo] = &[
    CheckInfo {
        id: "credits.conserved",
        title: "No credit from nothing, none into nothing",
        promise: "each balance = granted + earned - spent - reversed; every transfer sums to zero; every grant was paid for",
        how: "Per workspace, the accounts of kind `credits` (with `commissions`, and less `debt`, where the target \
              keeps those apart) against its starting balance, grants, commissions, purchases and reversals. Each \
              grant against the payment provider's own session and the order in the history. Each transfer, and \
              each balance against its entries, where entries are mapped. The last reads of the API against the \
              database. Judged once the target is quiet.",
        incident: "Starbucks 2015: parallel gift-card transfers turned $15 into $20. AutoGPT PR 10672: $160 + $50 became $260.",
        remedy: "Write balance and reason in one database transaction, change balances with one UPDATE instead of \
                 read-then-write, and give each payment a unique row that a second grant cannot pass.",
    },
    CheckInfo {
        id: "credits.never-negative",
        title: "No balance below zero",
        promise: "no balance is below zero, at any read, in any answer and in the end",
        how: "Every balance that the API ever answered, and every account of kind `credits` in the final state. \
              Debts after a clawback belong on an account of their own.",
        incident: "Flexcoin 2014: 896 BTC by parallel transfers. Poloniex 2014: 12.3 % of its BTC, while the audit still passed.",
        remedy: "Let the UPDATE itself demand the funds (`WHERE balance >= price`), keep a CHECK constraint as the \
                 second line, and lock the account before reading it.",
    },
    CheckInfo {
        id: "leads.capacity",
        title: "No lead sold beyond its limit",
        promise: "each lead's sold_count = its purchases <= max_sales; an exclusive lead has one owner",
        how: "Per lead, purchase rows, distinct buyers that were told ok, sold_count in the database and in every \
              answer, against the limit with which the harness created it.",
        incident: "ACIDRain (SIGMOD 2017): 9 of 22 attacks on shops sold more than the inventory held.",
        remedy: "Take the copy with one conditional UPDATE (`WHERE sold_count < max_sales`) in the transaction of the \
                 purchase; a count before an insert does not hold under READ COMMITTED.",
    },
    CheckInfo {
        id: "purchase.atomic",
        title: "Debit and purchase, both or neither",
        promise: "no debit without a purchase, no purchase without its debit, its price and its commission",
        how: "Per workspace, what left its account (from the entries where they are mapped, else from its balance) \
              against the prices of its purchases; each purchase against the lead's price and its one commission; \
              a purchase of several leads, whole or not at all.",
        incident: "Twilio 2013: cards were charged before the balance was written; 1.4 % of customers paid for nothing.",
        remedy: "Put debit, purchase, sold_count and commission into one database transaction; do nothing that can \
                 fail, such as a call to a provider, between them.",
    },
    CheckInfo {
        id: "effects.at-most-once",
        title: "Nothing happens twice",
        promise: "at most one effect per idempotency key, lead and buyer, payment, commission, and email to a recipient",
        how: "Purchases by key and by buyer and lead, answers under one key, grants by session against the order, \
              commissions by purchase and lead, and accepted emails by event and recipient. The email provider \
              absorbs repeats under one key, so a double is one that a real provider would have sent.",
        incident: "HackerOne 429026: a retest paid out twice. opencode 28402: a retried webhook credited again. \
                   LaunchNotes: a retry sent the whole batch of emails again.",
        remedy: "Give every effect a unique key in the database and insert it in the transaction of the effect; send \
                 emails under a key that stays the same on every retry.",
    },
    CheckInfo {
        id: "acknowledged.durable",
        title: "What was answered is so",
        promise: "what was answered ok is there in the end, what was refused is not, nothing is there that nobody asked for",
        how: "Each purchase that was answered ok against the purchase rows; each key and each buyer's lead that only \
              ever failed must have none; each unclear answer is resolved one way or the other from the rows.",
        incident: "Twilio 2013 again: what customers were told and what the books held had parted.",
        remedy: "Answer after the commit, never before; never roll back or retry under a new identity what was \
                 already answered.",
    },
    CheckInfo {
        id: "paid.delivered",
        title: "What was paid is delivered",
        promise: "within the settle limit every paid session is credited, every email sent or handed to a person, nothing stuck or lost",
        how: "Once all faults are healed: the provider's paid sessions against the grants, promised confirmations and \
              receipts against the email provider's ledger, events that were never answered 2xx, jobs left over. A \
              dead letter counts as handed over only if an alert names its subject.",
        incident: "A shop whose invoice.paid webhooks failed for 5 days through 4xx answers: 21 payments, nothing delivered.",
        remedy: "Store the webhook before answering 2xx, work it off with durable retries, and write the email to an \
                 outbox in the transaction of its cause; alert on every dead letter, by its subject.",
    },
    CheckInfo {
        id: "status.never-regresses",
        title: "A status never goes back",
        promise: "once something is told to be further on, as a payment that is paid, nobody is told later that it is further back",
        how: "For each thing of the target file's `[statuses]`: reads of its status, of which none may tell less than one \
              that had ended before it was asked, whoever asked; its rows in their own order; and the last row against \
              every read, once the target is quiet.",
        incident: "Handlers that write each event's status as it comes: Stripe promises no order, so a late \
                   `payment_intent.processing` overwrites `paid`, and the customer is asked to pay again.",
        remedy: "Give statuses a rank and let the UPDATE itself demand that it rises; never write what an event says \
                 without looking at what is known already.",
    },
    CheckInfo {
        id: "webhooks.order-free",
        title: "Every order of events ends alike",
        promise: "payments of which the provider tells the same end in the same credits and status, in whatever order it was told",
        how: "Paid orders by the facts in the provider's ledger: credits, amount, paid, refunds, disputes, and the types of \
              events, all answered 2xx. Those of equal facts that were told in at least two orders are held against each \
              other and against what the facts imply: the order's credits if it is paid, and as large a share taken back \
              as money is away. Judged once the target is quiet.",
        incident: "A refund's event that came before its payment's was dropped as unknown: the customer had the money and \
                   the credits.",
        remedy: "Take from an event what it says of its object, look up the rest, and settle the whole payment each time; \
                 what refers to something unknown is kept and tried again, never dropped.",
    },
    CheckInfo {
        id: "webhooks.authentic",
        title: "Forged webhooks change nothing",
        promise: "unsigned, wrongly signed, altered, stale and foreign webhooks are refused or ignored, and change nothing",
        how: "Every forged delivery that was answered: 2xx is a violation for a body that cannot be verified (an event \
              from the other mode may be acknowledged and ignored); grants for their sessions must be paid and no \
              larger than ordered.",
        incident: "A grant on an unpaid session: the handler trusted the body of whoever posted it.",
        remedy: "Verify the signature over the raw body before parsing it, compare in constant time, refuse what is \
                 older than the tolerance, check `livemode` and `payment_status`.",
    },
    CheckInfo {
        id: "history.linearizable",
        title: "The answers fit into one order",
        promise: "for each account and each lead, all answers fit one order in which nothing precedes what had ended before it was asked",
        how: "Wing, Gong and Lowe's search. Leads are counters with a limit: a purchase takes one, `lead_sold_out` is \
              said only when all are taken. Accounts are debited by purchases and credited by grants, refuse only what \
              they do not hold, and hold every balance that was told. What took effect is taken from the rows, when it \
              can have from the calls. A sold_count may be old unless the target promises otherwise. Partners, and \
              workspaces whose credits moved for reasons that no call tells, are left out.",
        incident: "Jepsen's report on etcd 3.4.3 and its peers: locks, reads and counters that were right in the end and \
                   wrong on the way.",
        remedy: "Read and change a balance in one statement or under one lock, answer from the row that was written, \
                 and never read money from a copy that lags behind.",
    },
    CheckInfo {
        id: "races.serial",
        title: "A race ends as if one had come after the other",
        promise: "what two to five racing purchases and reads were answered, and what they left, is what some order of them gives",
        how: "For each small race every order is tried on a model of balances, sales, owners and keys, from the state \
              before the race; ids and times are masked. A purchase takes from an account and a lead under a key, all at \
              once, which no check of one account or one lead sees. Refusals for other reasons fit anywhere.",
        incident: "ACIDRain again: each request was right by itself, and no order of the two gives what both left behind.",
        remedy: "Make key, balance, limit and owner one decision in one database transaction, with locks taken in one order.",
    },
    CheckInfo {
        id: "sessions.consistent",
        title: "A client sees what it has done and seen",
        promise: "each client sees its own purchases, and no balance that is older than one it has seen",
        how: "Each client alone: its purchases and the balances it was told, in its own order; others' purchases, and \
              credits, it may see at any time after they were asked for, or never. An account whose whole history fits \
              one order needs no second look. A balance that nothing explains is for other checks to tell.",
        incident: "Read replicas behind a load balancer: a customer pays, sees the old balance, and pays again.",
        remedy: "Read balances where they are written, or pin a client to a copy that has its last write.",
    },
    CheckInfo {
        id: "target.recovers",
        title: "What was healed works again",
        promise: "once every fault is healed, every instance is ready again within the settle limit",
        how: "After the last fault is healed, each instance is asked at the target file's `ready` path until all answer \
              2xx or the settle limit has passed. What happens while a fault is in place is not judged here.",
        incident: "Pools that kept dead connections after a failover: the database was back in a minute, the service \
                   only after somebody restarted it.",
        remedy: "Test connections before use or drop them on error, retry with backoff, and never exit for good \
                 because a dependency is away for a while.",
    },
    CheckInfo {
        id: "tenants.isolated",
        title: "No tenant reaches another's rows",
        promise: "no role that requests run as reads, writes, refers to, counts or infers another tenant's rows",
        how: "For cases that ask for it: every table, view, function and sequence is tried as every such role, with two \
              tenants, in a transaction that is rolled back: select, insert, update, move, delete, truncate, foreign \
              key, cascade, unique value, call, setting. What could not be tried is not green.",
        incident: "CVE-2024-10976 and its like: policies that were there and did not apply, because the view, the \
                   function or the plan ran as somebody else.",
        remedy: "`overdraft tenancy --database-url URL` shows each statement that reached another tenant, and what to \
                 do about it.",
    },
    CheckInfo {
        id: "limits.enforced",
        title: "Nobody asks more often than the limit says",
        promise: "in any stretch of time w, at most burst + requests * w / per of a workspace's requests of a kind are let in; \
                  nobody is refused who had room",
        how: "For workspaces under the limits of the target file's `[limits]` that were refused or asked more than one allows: every \
              stretch, counting only requests that lie wholly in it, because a request counts at a moment that only the \
              target knows. A 429 is right only if the workspace itself may have used up its budget in the last `per`, \
              and a workspace that waits as long as Retry-After says is let in. 0.1 % is left to two clocks.",
        incident: "Limits kept per process, so that each new instance was one more budget; counters per address behind one \
                   proxy, so that one customer's loop locked out everybody.",
        remedy: "Keep one counter per caller and kind where all instances see it, and move it on in one statement; key it \
                 by who asks, not by the address of the proxy.",
    },
    CheckInfo {
        id: "flow.expected",
        title: "The case went as it says",
        promise: "each step of the case is answered as it must be, and in the end there is what it says there is",
        how: "For scenarios that are cases: the answers that the history recorded for each step, against the status, \
              code and values that the case states; then balances, sales, purchases, grants, reversals, emails, \
              dead letters and alerts in the evidence, against the numbers that it states.",
        incident: "Every one of them: each critical flow is the scripted form of an incident that somebody had.",
        remedy: "The finding names the step and what differed; `overdraft run <case> --seed N` runs that case alone.",
    },
    CheckInfo {
        id: "invariant.*",
        title: "The target's own invariants hold",
        promise: "the target file's query returns no row",
        how: "`invariant.<name>`: the query of the target file's `[[invariants]]`, run once the target is quiet in a \
              read-only snapshot of its own. A query that fails leaves the check unknown.",
        incident: "Poloniex 2014 again: the audit passed, because the invariant that was broken was one that nobody had written down.",
        remedy: "The rows that it returned stand beside the finding, and in evidence.json.",
    },
    CheckInfo {
        id: "errors.*",
        title: "Unexpected answers stay within the limit",
        promise: "unexpected answers (5xx, or none that says what happened) stay within the limit",
        how: "Operations asked while driving that ended without a clear answer or with 5xx, as a share (`rate`) or a \
              number (`count`); `errors` over all that clients ask, `errors.<operation>` over one kind.",
        incident: "An outage that nobody saw, because a run without a single success had no violation either.",
        remedy: "Look at the error groups of the report: each names operation, status and code.",
    },
    CheckInfo {
        id: "latency.*",
        title: "Latency stays within the limit",
        promise: "latency, counted from the moment the client meant to ask, stays within the limit",
        how: "`latency.<operation>` in milliseconds, over operations asked while driving, from the intended start: time \
              spent waiting for a slow target counts (no coordinated omission).",
        incident: "8 of ACIDRain's 22 attacks needed 200 ms between application and database: slowness opens races.",
        remedy: "Look at the timeline of the report beside the fault windows; then at locks held across round trips.",
    },
    CheckInfo {
        id: "run.exercised",
        title: "It was really tried",
        promise: "enough was asked at once, races overlapped, each planned fault took effect and was healed, the run was completed",
        how: "From the history: an ok of each operation kind of the workload, operations in flight, the overlap of \
              every race, of which nearly all got into the shop (no 401, 403, 404, 405, 429), each fault's injection, \
              healing and effects, and that every check the scenario proves had \
              something to judge. It never accuses: what was not tried is unknown.",
        incident: "k6's checks never fail a run, and users trip over it: a green result that tested nothing.",
        remedy: "Run again on a quieter machine, with more users or a longer drive, and look at the reasons listed.",
    },
];

/// The check of an id; for `latency.purchase` and its like, the family.
#[must_use]
pub fn find(id: &str) -> Option<&'static CheckInfo> {
    let family = match id.split_once('.') {
        Some(("latency", _)) => "latency.*",
        Some(("errors", _)) => "errors.*",
        Some(("invariant", _)) => "invariant.*",
        None if id == "errors" => "errors.*",
        _ => id,
    };
    CHECKS.iter().find(|check| check.id == family)
}

/// What an id promises, for the column `expected`.
pub(crate) fn promise(id: &str) -> &'static str {
    find(id).map_or("a check that exists", |check| check.promise)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_families_are_found() {
        let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        assert_eq!(find("latency.purchase").map(|check| check.id), Some("latency.*"));
        assert_eq!(find("errors").map(|check| check.id), Some("errors.*"));
        assert_eq!(find("credits"), None);
    }

    #[test]
    fn nothing_is_left_unexplained() {
        for check in CHECKS {
            for text in [check.title, check.promise, check.how, check.incident, check.remedy] {
                assert!(text.len() > 10 && !text.contains("  "), "{}: {text}", check.id);
            }
        }
    }
}
