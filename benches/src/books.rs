//! What is true while a run on paper goes on: the target's rows, the provider's ledger, the mailbox.

use std::collections::BTreeMap;

use overdraft_model::{
    evidence::{
        Account, Commission, Database, Delivery, Email, EmailSink, Entry, Evidence, Grant, Lead, Provider,
        ProviderEvent, Purchase, Session, Settled,
    },
    manifest::{self, Workspace},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::plan::{ORDER, PARTNERS};

/// The partner's share of a sale, in percent, rounded down.
const SHARE: i64 = 20;
/// Where the issuance account stands, from which credits are granted.
const ISSUANCE: usize = 0;
/// Where the revenue account stands, which keeps what partners do not earn.
const REVENUE: usize = 1;
/// Accounts that belong to no workspace.
const OURS: usize = 2;

/// The books of a correct target.
#[derive(Debug)]
pub struct Books {
    workspaces: Vec<Workspace>,
    accounts: Vec<Account>,
    entries: Vec<Entry>,
    leads: Vec<Lead>,
    purchases: Vec<Purchase>,
    commissions: Vec<Commission>,
    grants: Vec<Grant>,
    provider: Provider,
    mailbox: Vec<Email>,
}

/// An id as a database draws it.
pub fn id(rng: &mut ChaCha8Rng) -> String {
    uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

impl Books {
    /// Books in which every workspace has its starting balance as a gift.
    #[must_use]
    pub fn open(workspaces: Vec<Workspace>, rng: &mut ChaCha8Rng) -> Self {
        let mut books = Self {
            workspaces: Vec::new(),
            accounts: Vec::new(),
            entries: Vec::new(),
            leads: Vec::new(),
            purchases: Vec::new(),
            commissions: Vec::new(),
            grants: Vec::new(),
            provider: Provider::default(),
            mailbox: Vec::new(),
        };
        for _ in 0..OURS {
            let id = Uuid::from_u128(rng.random()).to_string();
            books.accounts.push(Account { id, workspace: None, kind: "platform".into(), balance: None });
        }
        for workspace in &workspaces {
            let name = Some(workspace.name.clone());
            books.accounts.push(Account { id: id(rng), workspace: name, kind: "credits".into(), balance: Some(0) });
        }
        books.workspaces = workspaces;
        for at in 0..books.workspaces.len() {
            let credits = books.workspaces[at].credits;
            if credits > 0 {
                let grant = format!("starting_balance_{}", id(rng));
                books.grant(at, credits, grant, None, rng);
            }
        }
        books
    }

    /// Puts a lead on sale.
    pub fn offer(&mut self, lead: &manifest::Lead) {
        self.leads.push(Lead { lead: lead.name.clone(), sold_count: 0, max_sales: Some(lead.max_sales) });
    }

    /// How often a lead was sold.
    #[must_use]
    pub fn sold(&self, lead: usize) -> i64 {
        self.leads[lead].sold_count
    }

    /// A buyer's balance.
    #[must_use]
    pub fn balance(&self, buyer: usize) -> i64 {
        self.accounts[OURS + PARTNERS + buyer].balance.unwrap_or_default()
    }

    /// A purchase with all that belongs to it. Returns its id.
    pub fn sell(
        &mut self,
        buyer: usize,
        (number, lead): (usize, &manifest::Lead),
        key: &str,
        rng: &mut ChaCha8Rng,
    ) -> String {
        let purchase = id(rng);
        let (share, partner) = (lead.price * SHARE / 100, number % PARTNERS);
        let lines = [(OURS + PARTNERS + buyer, -lead.price), (OURS + partner, share), (REVENUE, lead.price - share)];
        self.transfer(&id(rng), &lines);
        self.leads[number].sold_count += 1;
        let (workspace, confirmation) = (crate::plan::buyer(buyer), format!("purchase_{purchase}"));
        self.mail(&workspace, &confirmation, rng);
        self.purchases.push(Purchase {
            purchase: purchase.clone(),
            workspace,
            lead: lead.name.clone(),
            price: lead.price,
            key: Some(key.to_owned()),
            confirmation: Some(confirmation),
        });
        self.commissions.push(Commission {
            purchase: purchase.clone(),
            lead: lead.name.clone(),
            workspace: lead.partner.clone(),
            amount: share,
            due: Some(share),
        });
        purchase
    }

    /// A checkout session, opened and not yet paid. Returns its number and id.
    pub fn order(&mut self, key: &str, rng: &mut ChaCha8Rng) -> (usize, String) {
        let session = format!("cs_test_{}", id(rng));
        self.provider.sessions.push(Session {
            session: session.clone(),
            payment_intent: None,
            reference: Some(id(rng)),
            amount: ORDER * 100,
            currency: "usd".into(),
            paid: 0,
            idempotency_key: Some(key.to_owned()),
        });
        (self.provider.sessions.len() - 1, session)
    }

    /// A session is paid: the provider has an event to tell. Returns the event's number and id.
    pub fn pay(&mut self, session: usize, rng: &mut ChaCha8Rng) -> (usize, String) {
        let session = &mut self.provider.sessions[session];
        session.paid = session.amount;
        session.payment_intent = Some(format!("pi_{}", id(rng)));
        let event = format!("evt_{}", id(rng));
        self.provider.events.push(ProviderEvent {
            event: event.clone(),
            event_type: "checkout.session.completed".into(),
            session: Some(session.session.clone()),
            object: None,
            acknowledged: false,
        });
        (self.provider.events.len() - 1, event)
    }

    /// A delivery, whose first authentic one grants the credits to the buyer.
    pub fn deliver(&mut self, delivery: Delivery, authentic: Option<(usize, usize)>, rng: &mut ChaCha8Rng) {
        self.provider.deliveries.push(delivery);
        let Some((event, buyer)) = authentic else { return };
        if !std::mem::replace(&mut self.provider.events[event].acknowledged, true) {
            let session = self.provider.events[event].session.clone();
            let grant = format!("payment_{}", id(rng));
            self.grant(PARTNERS + buyer, ORDER, grant, session, rng);
        }
    }

    fn grant(&mut self, to: usize, credits: i64, grant: String, session: Option<String>, rng: &mut ChaCha8Rng) {
        self.transfer(&id(rng), &[(OURS + to, credits), (ISSUANCE, -credits)]);
        let workspace = self.workspaces[to].name.clone();
        let receipt = session.as_ref().map(|_| format!("credit_purchase_{}", id(rng)));
        if let Some(receipt) = &receipt {
            self.mail(&workspace, receipt, rng);
        }
        self.grants.push(Grant { grant, workspace, credits, session, receipt });
    }

    fn transfer(&mut self, transfer: &str, lines: &[(usize, i64)]) {
        for (account, amount) in lines {
            let account = &mut self.accounts[*account];
            account.balance = account.balance.map(|balance| balance + amount);
            self.entries.push(Entry { transfer: transfer.into(), account: account.id.clone(), amount: *amount });
        }
    }

    fn mail(&mut self, workspace: &str, event: &str, rng: &mut ChaCha8Rng) {
        self.mailbox.push(Email {
            event: event.into(),
            recipient: format!("{workspace}@example.test"),
            subject: "Your purchase is confirmed".into(),
            key: Some(id(rng)),
            answer_lost: false,
            order: 0,
            link: None,
        });
    }

    /// What a harness would collect of it in the end.
    #[must_use]
    pub fn close(self, scenario: String) -> Evidence {
        let settled =
            Settled { quiescent: true, waited_ms: 640, limit_ms: 20_000, outstanding: [("jobs".into(), 0)].into() };
        Evidence {
            scenario,
            settled,
            tenancy: None,
            invariants: BTreeMap::new(),
            memory: None,
            database: Database {
                accounts: Some(self.accounts),
                entries: Some(self.entries),
                leads: Some(self.leads),
                purchases: Some(self.purchases),
                commissions: Some(self.commissions),
                grants: Some(self.grants),
                expiries: None,
                adjustments: None,
                statuses: None,
                reversals: Some(Vec::new()),
                dead_letters: Some(Vec::new()),
                jobs: Some(Vec::new()),
            },
            provider: Provider { requests: BTreeMap::new(), ..self.provider },
            email: EmailSink { accepted: self.mailbox, ..EmailSink::default() },
        }
    }
}

/// Breaks what is true: doubled emails and grants, lost purchases and commissions, oversold leads, balances
/// and forged webhooks.
pub fn spoil(evidence: &mut Evidence) {
    let database = &mut evidence.database;
    database.accounts.iter_mut().flatten().step_by(3).for_each(|row| row.balance = row.balance.map(|b| b + 7));
    database.leads.iter_mut().flatten().step_by(5).for_each(|row| row.sold_count += 9);
    every(&mut database.purchases, 10, |row| row.lead.push('x'));
    every(&mut database.commissions, 7, |row| row.amount = 0);
    every(&mut database.entries, 50, |row| row.amount += 1);
    if let Some(grants) = &mut database.grants {
        let again: Vec<Grant> = grants.iter().filter(|row| row.session.is_some()).step_by(2).cloned().collect();
        grants.extend(again.into_iter().map(|row| Grant { grant: format!("{}_again", row.grant), ..row }));
    }
    let mailbox = &mut evidence.email.accepted;
    mailbox.retain({
        let mut n = 0;
        move |_| {
            n += 1;
            n % 11 != 0
        }
    });
    let again: Vec<Email> = mailbox.iter().step_by(9).cloned().collect();
    mailbox.extend(again.into_iter().map(|email| Email { key: None, ..email }));
    let forged = evidence.provider.deliveries.iter_mut().filter(|delivery| delivery.forgery.is_some());
    forged.step_by(2).for_each(|delivery| delivery.status = Some(200));
}

fn every<T>(rows: &mut Option<Vec<T>>, step: usize, change: impl FnMut(&mut T)) {
    rows.iter_mut().flatten().step_by(step).for_each(change);
}
