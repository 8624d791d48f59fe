//! The drive of a run on paper: who asks what, when, and what they are told.
//!
//! Everything takes effect at the moment it is asked, in order, so reads agree with what was bought before
//! them. Half of the operations are purchases (with races for exclusive leads, sold-out leads and lost
//! answers), a third are reads, the rest orders of credits with their payments and webhooks.

use std::collections::{BTreeMap, VecDeque};

use overdraft_model::{
    evidence::{Delivery, Evidence},
    history::{Call, History, Phase, Race},
    manifest::{Lead, Planned},
    operation::{Answer, Forgery, Operation, Outcome, PayBy},
    release::Release,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{
    USERS,
    books::{Books, id},
    plan::{self, ORDER, PARTNERS},
};

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
/// Between two questions: with answers after 2 to 4 ms, some 60 operations are in flight.
const STEP: u64 = 42 * US;
/// Leads on sale at one moment.
const WINDOW: usize = 40;
/// Requests in a race, and operations between two races.
const RACERS: usize = 20;
const BETWEEN_RACES: usize = 2_000;
/// Until a payment may follow its order, and a delivery its payment.
const LATER: u64 = 8 * MS;

/// A lead on sale, and who bought it.
struct Stall {
    lead: usize,
    owners: Vec<usize>,
}

/// An order on its way: to be paid, then to be delivered.
struct Order {
    ready: u64,
    buyer: usize,
    /// Number and id of the session.
    session: (usize, String),
    /// Number and id of the event, once paid.
    event: (usize, String),
}

struct Market {
    rng: ChaCha8Rng,
    now: u64,
    history: History,
    books: Books,
    leads: Vec<Lead>,
    on_sale: Vec<Stall>,
    sold_out: Vec<usize>,
    to_pay: VecDeque<Order>,
    to_deliver: VecDeque<Order>,
    /// Each user's process and when it is free.
    users: Vec<(u64, u64)>,
    turn: usize,
    next_process: u64,
}

/// Drives one scenario of so many operations, the final reads included.
#[must_use]
pub fn drive(seed: u64, number: u64, operations: usize) -> (Planned, History, Evidence) {
    let name = format!("paper-{number}");
    let mut market = Market::open(seed, number, &name);
    let driven = operations - USERS;
    let mut raced = 0;
    market.history.phases.push((Phase::Drive, market.now));
    while market.history.calls.len() < driven {
        let left = driven - market.history.calls.len();
        if market.history.calls.len() >= raced * BETWEEN_RACES && left > RACERS + market.to_deliver.len() {
            market.race(raced);
            raced += 1;
        } else {
            market.act(left);
        }
    }
    market.finish();
    let planned = plan::planned(&name, operations, market.leads);
    (planned, market.history, market.books.close(name))
}

impl Market {
    fn open(seed: u64, number: u64, name: &str) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let now = number * 3_600_000 * MS;
        let books = Books::open(plan::workspaces(), &mut rng);
        let first = number * 1_000_000_000;
        let users = USERS as u64;
        let mut market = Self {
            rng,
            now,
            history: History::empty(name.to_owned(), now),
            books,
            leads: Vec::new(),
            on_sale: Vec::new(),
            sold_out: Vec::new(),
            to_pay: VecDeque::new(),
            to_deliver: VecDeque::new(),
            users: (0..users).map(|user| (first + user, 0)).collect(),
            turn: 0,
            next_process: first + users,
        };
        for _ in 0..WINDOW {
            market.restock();
        }
        market
    }

    /// One operation, drawn from the seed; what was paid is delivered before the end.
    fn act(&mut self, left: usize) {
        let waiting = self.to_deliver.len();
        if left <= waiting {
            self.now = self.now.max(self.to_deliver[0].ready);
        }
        let ready = |queue: &VecDeque<Order>| queue.front().is_some_and(|order| order.ready <= self.now);
        let (can_pay, can_deliver) = (ready(&self.to_pay) && left > waiting + 2, ready(&self.to_deliver));
        if left <= waiting {
            return self.deliver();
        }
        match self.rng.random_range(0..100) {
            0..50 => self.buy(),
            80..85 => self.order(),
            85..90 if can_pay => self.pay(),
            90..99 if can_deliver => self.deliver(),
            99 => self.forge(),
            number if number % 3 == 0 => self.read_lead(),
            _ => self.read_balance(),
        }
    }

    /// Puts a new lead on sale.
    fn restock(&mut self) {
        let max_sales = self.rng.random_range(1..=5);
        let lead = self.offer(max_sales);
        self.on_sale.push(Stall { lead, owners: Vec::new() });
    }

    fn offer(&mut self, max_sales: i64) -> usize {
        let number = self.leads.len();
        let lead = Lead {
            name: format!("lead-{number}"),
            partner: format!("partner-{:02}", number % PARTNERS),
            price: self.rng.random_range(5..=50),
            max_sales,
            values: BTreeMap::new(),
        };
        self.books.offer(&lead);
        self.leads.push(lead);
        number
    }

    /// The next user, and when it can ask.
    fn user(&mut self) -> usize {
        self.turn = (self.turn + 1) % USERS;
        self.now = self.now.max(self.users[self.turn].1);
        self.turn
    }

    /// Records a call of a user; after a lost answer the user goes on as another process.
    fn ask(&mut self, user: usize, operation: Operation, outcome: Outcome, answer: Answer) {
        let process = self.users[user].0;
        let end = self.record(process, operation, outcome, answer);
        self.users[user].1 = end;
        if outcome == Outcome::Info {
            self.users[user].0 = self.next_process;
            self.next_process += 1;
        }
    }

    /// Records a call of somebody who asks only once: a browser, the provider, a stranger. Returns its number.
    fn ask_once(&mut self, operation: Operation, outcome: Outcome, answer: Answer) -> u64 {
        let process = self.next_process;
        self.next_process += 1;
        self.record(process, operation, outcome, answer);
        self.history.calls.last().map_or(0, |call| call.op)
    }

    fn record(&mut self, process: u64, operation: Operation, outcome: Outcome, mut answer: Answer) -> u64 {
        let op = self.next_op();
        let start = self.now;
        let intended = start.saturating_sub(self.rng.random_range(0..60 * US)).max(self.history.start);
        let end = match outcome {
            Outcome::Info => start + 50 * MS,
            Outcome::Ok | Outcome::Fail => start + self.rng.random_range(2 * MS..4 * MS),
        };
        let phase = self.history.phases.last().map_or(Phase::Drive, |(phase, _)| *phase);
        answer.instance = self.history.calls.len() % 2;
        let end_known = Some(end);
        self.history.end = self.history.end.max(end);
        self.history.calls.push(Call {
            op,
            process,
            operation,
            intended,
            start,
            end: end_known,
            outcome,
            answer,
            phase,
        });
        self.now += STEP;
        end
    }

    fn next_op(&self) -> u64 {
        self.history.start / MS + self.history.calls.len() as u64
    }

    /// A purchase: mostly of a lead that can be had, now and then of one that is gone.
    fn buy(&mut self) {
        let user = self.user();
        if !self.sold_out.is_empty() && self.rng.random_bool(0.05) {
            let at = self.rng.random_range(0..self.sold_out.len());
            return self.refused(user, self.sold_out[at]);
        }
        let from = self.rng.random_range(0..self.on_sale.len());
        let stalls = (0..self.on_sale.len()).map(|step| (from + step) % self.on_sale.len());
        let Some(at) = stalls.into_iter().find(|at| !self.on_sale[*at].owners.contains(&user)) else {
            self.restock();
            return self.buy_from(user, self.on_sale.len() - 1);
        };
        self.buy_from(user, at);
    }

    fn buy_from(&mut self, user: usize, at: usize) {
        let number = self.on_sale[at].lead;
        self.bought(user, number);
        let stall = &mut self.on_sale[at];
        stall.owners.push(user);
        if stall.owners.len() as i64 == self.leads[number].max_sales {
            self.on_sale.swap_remove(at);
            self.sold_out.push(number);
            self.restock();
        }
    }

    /// A purchase that happens; a few of the answers are lost.
    fn bought(&mut self, user: usize, number: usize) {
        let key = id(&mut self.rng);
        let purchase = self.books.sell(user, (number, &self.leads[number]), &key, &mut self.rng);
        let (total, balance) = (self.leads[number].price, self.books.balance(user));
        let operation = self.purchase(user, number, key);
        if self.rng.random_bool(0.005) {
            return self.ask(user, operation, Outcome::Info, lost());
        }
        let answer = told(201, json!({ "purchase": purchase, "total": total, "balance": balance }));
        self.ask(user, operation, Outcome::Ok, answer);
    }

    fn refused(&mut self, user: usize, number: usize) {
        let key = id(&mut self.rng);
        let operation = self.purchase(user, number, key);
        let answer = Answer { status: Some(409), code: Some("lead_sold_out".into()), ..Answer::default() };
        self.ask(user, operation, Outcome::Fail, answer);
    }

    fn purchase(&self, user: usize, number: usize, key: String) -> Operation {
        Operation::Purchase { workspace: plan::buyer(user), leads: vec![self.leads[number].name.clone()], key }
    }

    /// Many want the same lead at the same moment, and one gets it.
    fn race(&mut self, number: usize) {
        let lead = self.offer(1);
        let winner = self.rng.random_range(0..RACERS);
        let first = self.history.calls.len();
        let began = self.now + 4 * MS;
        self.now = began;
        for racer in 0..RACERS {
            let user = self.user();
            self.now = began + racer as u64 * US;
            if racer == winner { self.bought(user, lead) } else { self.refused(user, lead) }
        }
        self.sold_out.push(lead);
        self.history.races.push(Race {
            name: format!("race-{number}"),
            operations: self.history.calls[first..].iter().map(|call| call.op).collect(),
            planned: RACERS,
            spread: (RACERS - 1) as u64 * US,
            release: Release::LastByte,
            apart: None,
            time: self.now,
        });
    }

    fn read_balance(&mut self) {
        let user = self.user();
        let answer = told(200, json!({ "balance": self.books.balance(user) }));
        self.ask(user, Operation::ReadBalance { workspace: plan::buyer(user) }, Outcome::Ok, answer);
    }

    fn read_lead(&mut self) {
        let user = self.user();
        let number = self.on_sale[self.rng.random_range(0..self.on_sale.len())].lead;
        let lead = &self.leads[number];
        let fields = json!({ "sold_count": self.books.sold(number), "max_sales": lead.max_sales, "price": lead.price });
        let operation = Operation::ReadLead { workspace: plan::buyer(user), lead: lead.name.clone() };
        self.ask(user, operation, Outcome::Ok, told(200, fields));
    }

    fn order(&mut self) {
        let buyer = self.user();
        let key = id(&mut self.rng);
        let session = self.books.order(&key, &mut self.rng);
        let answer = told(201, json!({ "session": session.1 }));
        let operation = Operation::BuyCredits { workspace: plan::buyer(buyer), credits: ORDER, key };
        self.ask(buyer, operation, Outcome::Ok, answer);
        self.to_pay.push_back(Order { ready: self.now + LATER, buyer, session, event: Default::default() });
    }

    fn pay(&mut self) {
        let Some(mut order) = self.to_pay.pop_front() else { return };
        order.event = self.books.pay(order.session.0, &mut self.rng);
        let (workspace, session) = (plan::buyer(order.buyer), order.session.1.clone());
        let operation = Operation::Pay { workspace, session, by: PayBy::Card };
        self.ask_once(operation, Outcome::Ok, told(200, json!({})));
        order.ready = self.now + LATER;
        let again = Order { session: order.session.clone(), event: order.event.clone(), ..order };
        self.to_deliver.extend([again, order]);
    }

    fn deliver(&mut self) {
        let Some(order) = self.to_deliver.pop_front() else { return };
        let (event, session) = (order.event.1.clone(), order.session.1.clone());
        let op = self.post(event.clone(), session, None, Outcome::Ok, 200);
        let delivery = Delivery { event, attempt: 1, forgery: None, status: Some(200), op };
        self.books.deliver(delivery, Some((order.event.0, order.buyer)), &mut self.rng);
    }

    /// A stranger posts an event about a session that somebody is about to pay.
    fn forge(&mut self) {
        let Some(order) = self.to_pay.back() else { return self.read_balance() };
        let session = order.session.1.clone();
        let event = format!("evt_forged_{}", id(&mut self.rng));
        let forgery = Some(Forgery::ALL[self.rng.random_range(0..Forgery::ALL.len())]);
        let op = self.post(event.clone(), session, forgery, Outcome::Fail, 400);
        self.books.deliver(Delivery { event, attempt: 1, forgery, status: Some(400), op }, None, &mut self.rng);
    }

    fn post(&mut self, event: String, session: String, forgery: Option<Forgery>, outcome: Outcome, status: u16) -> u64 {
        let event_type = "checkout.session.completed".to_owned();
        let operation = Operation::DeliverWebhook { event, event_type, session: Some(session), attempt: 1, forgery };
        self.ask_once(operation, outcome, told(status, json!({})))
    }

    /// Settles and reads every balance once more.
    fn finish(&mut self) {
        for phase in [Phase::Settle, Phase::FinalReads] {
            self.now = self.history.end.max(self.now) + MS;
            self.history.phases.push((phase, self.now));
        }
        for _ in 0..USERS {
            self.read_balance();
        }
        self.history.end += MS;
        self.history.phases.push((Phase::Done, self.history.end));
    }
}

fn told(status: u16, fields: Value) -> Answer {
    let fields = match fields {
        Value::Object(fields) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    Answer { status: Some(status), fields, ..Answer::default() }
}

fn lost() -> Answer {
    Answer { error: Some("timed out after 50 ms".into()), ..Answer::default() }
}
