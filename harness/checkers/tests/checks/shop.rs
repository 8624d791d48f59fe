//! A small shop on paper: it writes the history of a run and what a correct target would hold afterwards, so
//! that a test needs to say only what went wrong.

use std::collections::BTreeMap;

use overdraft_model::{
    codec,
    evidence::*,
    fault::{Fault, Window},
    history::{Body, Event, History, Phase},
    manifest::{self, Manifest, Planned, Provenance, World},
    operation::{Answer, Forgery, Operation, Outcome, PayBy},
    promises::{Promises, Stated},
    release::Release,
    scenario::{Load, Scenario, Workload},
    span::Span,
    verdict::{CheckVerdict, Verdict},
};
use serde_json::{Value, json};

/// The shop's only scenario.
pub const SCENARIO: &str = "shop";
/// What every lead costs.
pub const PRICE: i64 = 100;
/// What a partner earns of it.
pub const SHARE: i64 = 20;

const MS: u64 = 1_000_000;

/// A run in the making. All fields may be bent by a test.
pub struct Shop {
    pub manifest: Manifest,
    pub events: Vec<Event>,
    pub evidence: Evidence,
    time: u64,
    next: u64,
}

impl Shop {
    /// Three buyers of 500 credits, one partner, `flash-1` (exclusive), `lead-2` and `lead-3` (twice each),
    /// after a race of all three for `flash-1` that `buyer-1` won.
    pub fn open(proves: &[&str]) -> Self {
        let mut shop = Self::closed(proves);
        let racers: Vec<u64> =
            (1..=3).map(|n| shop.ask(n, buy(&format!("buyer-{n}"), &["flash-1"], &format!("race-{n}")))).collect();
        shop.event(Body::Race {
            name: "flash-1".into(),
            operations: racers.clone(),
            planned: 3,
            spread: 900_000,
            release: Release::LastByte,
            apart: None,
        });
        shop.sell("buyer-1", "flash-1", "race-1");
        shop.ok(racers[0], "buyer-1", "p-race-1");
        shop.fail(racers[1], 409, "lead_sold_out");
        shop.fail(racers[2], 409, "lead_sold_out");
        shop
    }

    /// The same before anybody asked for anything.
    pub fn closed(proves: &[&str]) -> Self {
        let mut shop = Self {
            manifest: manifest(proves),
            events: Vec::new(),
            evidence: Evidence { scenario: SCENARIO.into(), ..Evidence::default() },
            time: 0,
            next: 0,
        };
        shop.evidence.settled = Settled { quiescent: true, waited_ms: 40, limit_ms: 20_000, ..Settled::default() };
        let world = shop.manifest.scenarios[0].world.clone();
        shop.evidence.database = stocked(&world);
        shop.event(Body::Scenario { name: SCENARIO.into() });
        shop.event(Body::Phase { phase: Phase::Drive });
        shop
    }

    /// An order of statuses, as the target file states it.
    pub fn states(&mut self, kind: &str, order: &str) {
        self.manifest.stated.statuses.insert(kind.into(), codec::read_toml(order).unwrap());
    }

    /// A rate limit, as the target file states it, and who is under it.
    pub fn limits(&mut self, kind: &str, limit: &str, workspace: &str) {
        self.manifest.stated.limits.insert(kind.into(), codec::read_toml(limit).unwrap());
        let workspaces = &mut self.manifest.scenarios[0].world.workspaces;
        let limited = workspaces.iter_mut().find(|known| known.name == workspace).unwrap();
        limited.values = [("limited".to_owned(), json!("true")), ("id".to_owned(), json!("uuid-1"))].into();
    }

    /// A read of a status by an operation of the target file's own.
    pub fn reads(&mut self, name: &str, workspace: &str, id: &str, status: &str) -> u64 {
        let op = self.asks_for(name, workspace, json!({ "id": id }));
        self.answer(op, Outcome::Ok, told(200, json!({ "status": status })));
        op
    }

    /// An operation of the target file's own.
    pub fn asks_for(&mut self, name: &str, workspace: &str, with: Value) -> u64 {
        let with = serde_json::from_value(with).unwrap();
        self.ask(process(workspace), Operation::Custom { name: name.into(), workspace: Some(workspace.into()), with })
    }

    pub fn scenario(&mut self) -> &mut Scenario {
        &mut self.manifest.scenarios[0].scenario
    }

    pub fn event(&mut self, body: Body) {
        self.time += MS;
        self.events.push(Event { index: self.events.len() as u64, time: self.time, body });
    }

    pub fn wait(&mut self, ms: u64) {
        self.time += ms * MS;
    }

    pub fn ask(&mut self, process: u64, operation: Operation) -> u64 {
        self.next += 1;
        let (op, intended) = (self.next, self.time + MS);
        self.event(Body::Invoke { op, process, intended, operation });
        op
    }

    /// Says that these were released together.
    pub fn race(&mut self, name: &str, operations: &[u64]) {
        let (operations, planned) = (operations.to_vec(), operations.len());
        self.event(Body::Race {
            name: name.into(),
            operations,
            planned,
            spread: 0,
            release: Release::LastByte,
            apart: None,
        });
    }

    pub fn answer(&mut self, op: u64, outcome: Outcome, answer: Answer) {
        self.event(Body::Return { op, outcome, answer });
    }

    /// The answer to a purchase that was made.
    pub fn ok(&mut self, op: u64, workspace: &str, purchase: &str) {
        let balance = self.balance(workspace);
        self.answer(op, Outcome::Ok, told(201, json!({ "purchase": purchase, "balance": balance })));
    }

    pub fn fail(&mut self, op: u64, status: u16, code: &str) {
        let answer = Answer { status: Some(status), code: Some(code.into()), ..Answer::default() };
        self.answer(op, Outcome::Fail, answer);
    }

    pub fn lost(&mut self, op: u64) {
        self.answer(op, Outcome::Info, Answer { error: Some("timed out".into()), ..Answer::default() });
    }

    /// A whole purchase: asked, made, answered. Its id is `p-` and the key.
    pub fn buys(&mut self, workspace: &str, lead: &str, key: &str) -> u64 {
        let op = self.ask(process(workspace), buy(workspace, &[lead], key));
        self.sell(workspace, lead, key);
        self.ok(op, workspace, &format!("p-{key}"));
        op
    }

    /// What a purchase changes, without its call: rows, balances, transfer, confirmation.
    pub fn sell(&mut self, workspace: &str, lead: &str, key: &str) {
        let (purchase, confirmation) = (format!("p-{key}"), format!("confirm-{key}"));
        self.transfer(&purchase, &[(workspace, -PRICE), ("partner-1", SHARE), ("platform", PRICE - SHARE)]);
        let database = &mut self.evidence.database;
        let rows = database.leads.iter_mut().flatten().find(|row| row.lead == lead);
        rows.unwrap().sold_count += 1;
        database.purchases.get_or_insert_default().push(Purchase {
            purchase: purchase.clone(),
            workspace: workspace.into(),
            lead: lead.into(),
            price: PRICE,
            key: Some(key.into()),
            confirmation: Some(confirmation.clone()),
        });
        database.commissions.get_or_insert_default().push(Commission {
            purchase,
            lead: lead.into(),
            workspace: "partner-1".into(),
            amount: SHARE,
            due: Some(SHARE),
        });
        self.email(workspace, &confirmation, "1", false);
    }

    /// An email that the provider accepted.
    pub fn email(&mut self, workspace: &str, event: &str, key: &str, answer_lost: bool) {
        self.evidence.email.accepted.push(Email {
            event: event.into(),
            recipient: format!("{workspace}@example.test"),
            subject: "Your order".into(),
            key: Some(format!("{event}/{key}")),
            answer_lost,
            order: 0,
            link: None,
        });
    }

    /// Moves credits between accounts, balances included.
    pub fn transfer(&mut self, transfer: &str, lines: &[(&str, i64)]) {
        for (owner, amount) in lines {
            let (transfer, account) = (transfer.to_owned(), format!("a-{owner}"));
            let database = &mut self.evidence.database;
            database.entries.get_or_insert_default().push(Entry {
                transfer,
                account: account.clone(),
                amount: *amount,
            });
            self.credit(&account, *amount);
        }
    }

    fn credit(&mut self, account: &str, amount: i64) {
        let accounts = self.evidence.database.accounts.iter_mut().flatten();
        for row in accounts.filter(|row| row.id == account) {
            row.balance = row.balance.map(|balance| balance + amount);
        }
    }

    pub fn balance(&self, workspace: &str) -> i64 {
        let mut accounts = self.evidence.database.accounts.iter().flatten();
        accounts.find(|row| row.workspace.as_deref() == Some(workspace)).and_then(|row| row.balance).unwrap_or(0)
    }

    /// An order of credits with its session at the provider, `cs_` and the key; not yet paid.
    pub fn orders(&mut self, workspace: &str, credits: i64, key: &str) -> String {
        let session = format!("cs_{key}");
        let operation = Operation::BuyCredits { workspace: workspace.into(), credits, key: key.into() };
        let op = self.ask(process(workspace), operation);
        self.answer(op, Outcome::Ok, told(201, json!({ "session": session })));
        self.evidence.provider.sessions.push(Session {
            session: session.clone(),
            payment_intent: None,
            reference: None,
            amount: credits * 10,
            currency: "eur".into(),
            paid: 0,
            idempotency_key: None,
        });
        session
    }

    /// The customer pays; the provider has an event to tell, `evt_` and the session.
    pub fn pays(&mut self, workspace: &str, session: &str) -> String {
        let op = self.ask(
            process(workspace),
            Operation::Pay { workspace: workspace.into(), session: session.into(), by: PayBy::Card },
        );
        self.answer(op, Outcome::Ok, told(200, json!({})));
        let known = self.evidence.provider.sessions.iter_mut().find(|known| known.session == session).unwrap();
        known.paid = known.amount;
        self.tells(session, "checkout.session.completed")
    }

    /// The provider has one more event to tell of a session.
    pub fn tells(&mut self, session: &str, event_type: &str) -> String {
        let known = self.evidence.provider.events.iter().filter(|event| event.session.as_deref() == Some(session));
        let event = match known.count() {
            0 => format!("evt_{session}"),
            more => format!("evt_{session}_{more}"),
        };
        self.evidence.provider.events.push(ProviderEvent {
            event: event.clone(),
            event_type: event_type.into(),
            session: Some(session.into()),
            object: None,
            acknowledged: false,
        });
        event
    }

    /// A delivery and its answer, forged or not.
    pub fn delivers(&mut self, event: &str, session: &str, forgery: Option<Forgery>, status: u16) {
        let known = self.evidence.provider.events.iter().find(|known| known.event == event);
        let operation = Operation::DeliverWebhook {
            event: event.into(),
            event_type: known.map_or("checkout.session.completed", |known| &known.event_type).into(),
            session: Some(session.into()),
            attempt: 1,
            forgery,
        };
        let op = self.ask(90, operation);
        let outcome = if status < 300 { Outcome::Ok } else { Outcome::Fail };
        self.answer(op, outcome, told(status, json!({})));
        let provider = &mut self.evidence.provider;
        provider.deliveries.push(Delivery { event: event.into(), attempt: 1, forgery, status: Some(status), op });
        let authentic = provider.events.iter_mut().filter(|known| known.event == event && forgery.is_none());
        authentic.for_each(|known| known.acknowledged |= status < 300);
    }

    /// Credits for a session, with their receipt.
    pub fn grants(&mut self, workspace: &str, session: &str, credits: i64, grant: &str) {
        self.transfer(grant, &[(workspace, credits), ("platform", -credits)]);
        let receipt = format!("receipt-{grant}");
        self.evidence.database.grants.get_or_insert_default().push(Grant {
            grant: grant.into(),
            workspace: workspace.into(),
            credits,
            session: Some(session.into()),
            receipt: Some(receipt.clone()),
        });
        self.email(workspace, &receipt, "1", false);
    }

    /// Order, payment, delivery and grant, all in order.
    pub fn tops_up(&mut self, workspace: &str, credits: i64, key: &str) -> String {
        let session = self.orders(workspace, credits, key);
        let event = self.pays(workspace, &session);
        self.grants(workspace, &session, credits, &format!("g-{key}"));
        self.delivers(&event, &session, None, 200);
        session
    }

    /// A fault window as planned; what is injected must be said with [`Shop::event`].
    pub fn plans(&mut self, fault: Fault) {
        self.scenario().faults.push(Window { at: Span::default(), length: None, every: None, alone: false, fault });
    }

    /// Settles, reads every balance once more and ends.
    pub fn close(&mut self) {
        self.event(Body::Phase { phase: Phase::Settle });
        self.event(Body::Phase { phase: Phase::FinalReads });
        for workspace in ["buyer-1", "buyer-2", "buyer-3"] {
            let op = self.ask(80, Operation::ReadBalance { workspace: workspace.into() });
            let balance = self.balance(workspace);
            self.answer(op, Outcome::Ok, told(200, json!({ "balance": balance })));
        }
        self.event(Body::Phase { phase: Phase::Done });
    }

    pub fn histories(&self) -> Vec<History> {
        History::from_events(self.events.clone()).unwrap()
    }

    pub fn judged(&self) -> Verdict {
        let evidence = RunEvidence { scenarios: vec![self.evidence.clone()] };
        overdraft_checkers::judge(&self.manifest, &self.histories(), &evidence)
    }
}

/// The verdict of one check.
pub fn of<'v>(verdict: &'v Verdict, id: &str) -> Option<&'v CheckVerdict> {
    verdict.scenarios[0].checks.iter().find(|check| check.id == id)
}

pub fn buy(workspace: &str, leads: &[&str], key: &str) -> Operation {
    let leads = leads.iter().map(|lead| (*lead).to_owned()).collect();
    Operation::Purchase { workspace: workspace.into(), leads, key: key.into() }
}

pub fn told(status: u16, fields: Value) -> Answer {
    let fields = fields.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Answer { status: Some(status), fields, ..Answer::default() }
}

fn process(workspace: &str) -> u64 {
    workspace.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(70)
}

fn manifest(proves: &[&str]) -> Manifest {
    let workspace = |name: &str, role: &str, credits| manifest::Workspace {
        name: name.into(),
        role: role.into(),
        credits,
        values: BTreeMap::new(),
    };
    let lead = |name: &str, max_sales| manifest::Lead {
        name: name.into(),
        partner: "partner-1".into(),
        price: PRICE,
        max_sales,
        values: BTreeMap::new(),
    };
    let buyers = (1..=3).map(|number| workspace(&format!("buyer-{number}"), "buyer", 500));
    let world = World {
        workspaces: [workspace("partner-1", "partner", 0)].into_iter().chain(buyers).collect(),
        leads: vec![lead("flash-1", 1), lead("lead-2", 2), lead("lead-3", 2)],
        ..World::default()
    };
    let scenario = Scenario {
        id: SCENARIO.into(),
        title: "A small shop".into(),
        breaks: "nothing by itself".into(),
        proves: proves.iter().map(|id| (*id).to_owned()).collect(),
        workload: Workload::FlashSale { price: PRICE, balance: 500, max_sales: vec![1] },
        load: Load { users: 3, rounds: 1, at_most: Span::from_ms(60_000), keep: vec![] },
        faults: Vec::new(),
        random: None,
        thresholds: BTreeMap::new(),
        settle_within: Span::from_ms(20_000),
        seed: None,
    };
    let tables =
        ["accounts", "entries", "leads", "purchases", "commissions", "grants", "reversals", "dead_letters", "jobs"];
    Manifest {
        format: manifest::FORMAT,
        provenance: provenance(),
        scenarios: vec![Planned { scenario, world, script: "0".into() }],
        skip: BTreeMap::new(),
        promises: Promises::default(),
        stated: Stated::default(),
        mapped: tables.iter().map(|table| (*table).to_owned()).collect(),
    }
}

fn provenance() -> Provenance {
    Provenance {
        run: "golden".into(),
        seed: 1,
        target: "paper".into(),
        configuration: "0".into(),
        defect: None,
        started: "2026-01-01T00:00:00Z".into(),
        overdraft: "0.1.0".into(),
        postgresql: "none".into(),
        instances: 2,
        host: "paper".into(),
        replay: "overdraft run shop --seed 1".into(),
    }
}

/// What the setup leaves behind: accounts with their starting balances, given as gifts, and unsold leads.
fn stocked(world: &World) -> Database {
    let mut database = Database {
        accounts: Some(vec![account("platform", None, "revenue")]),
        leads: Some(Vec::new()),
        entries: Some(Vec::new()),
        purchases: Some(Vec::new()),
        commissions: Some(Vec::new()),
        grants: Some(Vec::new()),
        reversals: Some(Vec::new()),
        expiries: None,
        adjustments: None,
        statuses: None,
        dead_letters: Some(Vec::new()),
        jobs: Some(Vec::new()),
    };
    for workspace in &world.workspaces {
        let row = account(&workspace.name, Some(&workspace.name), "credits");
        database.accounts.get_or_insert_default().push(row);
    }
    for lead in &world.leads {
        let row = Lead { lead: lead.name.clone(), sold_count: 0, max_sales: Some(lead.max_sales) };
        database.leads.get_or_insert_default().push(row);
    }
    for workspace in world.workspaces.iter().filter(|workspace| workspace.credits > 0) {
        open_with(&mut database, &workspace.name, workspace.credits);
    }
    database
}

fn open_with(database: &mut Database, workspace: &str, credits: i64) {
    let grant = format!("start-{workspace}");
    for (owner, amount) in [(workspace, credits), ("platform", -credits)] {
        let account = format!("a-{owner}");
        let row = database.accounts.iter_mut().flatten().find(|row| row.id == account).unwrap();
        row.balance = row.balance.map(|balance| balance + amount);
        database.entries.get_or_insert_default().push(Entry { transfer: grant.clone(), account, amount });
    }
    let row = Grant { grant, workspace: workspace.into(), credits, session: None, receipt: None };
    database.grants.get_or_insert_default().push(row);
}

fn account(owner: &str, workspace: Option<&str>, kind: &str) -> Account {
    Account { id: format!("a-{owner}"), workspace: workspace.map(Into::into), kind: kind.into(), balance: Some(0) }
}
