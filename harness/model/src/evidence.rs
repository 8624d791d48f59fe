//! What can be known after a scenario without asking the service: its database, the payment provider's
//! ledger, the email sink. Three ledgers, each kept by somebody else; the checks hold them together.
//!
//! A table that the target file does not map is `None`: not seen, which is not the same as empty.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{operation::Forgery, tenancy::Report};

/// All evidence of one run, by scenario id, in the order in which the scenarios ran.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunEvidence {
    /// One entry per scenario whose collection was completed.
    pub scenarios: Vec<Evidence>,
}

/// The evidence of one scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The scenario's id.
    pub scenario: String,
    /// How settling ended.
    pub settled: Settled,
    /// Rows read from the target's database.
    pub database: Database,
    /// The payment provider's own ledger.
    pub provider: Provider,
    /// What the email sink and the alert hook received.
    pub email: EmailSink,
    /// What the target file's invariants returned, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub invariants: BTreeMap<String, Violations>,
    /// What the prober of tenant isolation found, where a case asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenancy: Option<Tenancy>,
    /// Peak memory of harness and service; none where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

/// Peak resident memory in KiB (`VmHWM` of Linux).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// Of the harness, since the run began.
    pub harness_kib: u64,
    /// Of the instance that took most, while driving; 0 where no instance is ours.
    pub service_kib: u64,
}

/// What came of probing the database for leaks between tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tenancy {
    /// It was probed.
    Probed(Box<Report>),
    /// It could not be, in words.
    Failed(String),
}

/// How waiting for quiescence ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settled {
    /// Whether nothing was outstanding in the end.
    pub quiescent: bool,
    /// How long it was waited for, in milliseconds.
    pub waited_ms: u64,
    /// The limit that applied, in milliseconds.
    pub limit_ms: u64,
    /// What was still outstanding when waiting ended, by name.
    pub outstanding: BTreeMap<String, u64>,
}

/// Rows of the target's database, in the run's own names where they name workspaces and leads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Accounts of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<Account>>,
    /// Entries of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<Entry>>,
    /// Leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<Vec<Lead>>,
    /// Purchases, one row per lead bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchases: Option<Vec<Purchase>>,
    /// Commissions accrued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commissions: Option<Vec<Commission>>,
    /// Credits that were granted, one row per effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<Grant>>,
    /// Credits that were taken back, one row per effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversals: Option<Vec<Reversal>>,
    /// Credits that expired, one row per effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiries: Option<Vec<Expiry>>,
    /// Credits that staff gave or took, one row per effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustments: Option<Vec<Adjustment>>,
    /// Statuses that things had, in order, the present one last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<StatusRow>>,
    /// Work that failed for good and waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<Vec<DeadLetter>>,
    /// Jobs that are not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<Job>>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The target's id for it.
    pub id: String,
    /// Whose it is; none for the platform's own.
    #[serde(default)]
    pub workspace: Option<String>,
    /// `credits` for what a workspace may spend; any other word for other accounts.
    pub kind: String,
    /// Credits on it as the target keeps them; none where it keeps no running balance.
    #[serde(default)]
    pub balance: Option<i64>,
}

/// One signed line of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The transfer it belongs to.
    pub transfer: String,
    /// The account it moves.
    pub account: String,
    /// Credits, positive onto the account.
    pub amount: i64,
}

/// One lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lead {
    /// Its name in this run.
    pub lead: String,
    /// How often it was sold, as the target counts.
    pub sold_count: i64,
    /// How often it may be sold; none for without limit.
    #[serde(default)]
    pub max_sales: Option<i64>,
}

/// One lead bought by one workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// The target's id of the purchase; several leads bought at once share it.
    pub purchase: String,
    /// The buyer.
    pub workspace: String,
    /// The lead.
    pub lead: String,
    /// Credits paid for this lead.
    pub price: i64,
    /// The idempotency key, where the target keeps it.
    #[serde(default)]
    pub key: Option<String>,
    /// The event id that the confirmation email carries, where one is promised.
    #[serde(default)]
    pub confirmation: Option<String>,
}

/// A partner's share of one sale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commission {
    /// The purchase's id.
    pub purchase: String,
    /// The lead sold.
    pub lead: String,
    /// The partner who earned it.
    pub workspace: String,
    /// Credits earned.
    pub amount: i64,
    /// Credits due by the target's own stated rule, where its file states one.
    #[serde(default)]
    pub due: Option<i64>,
}

/// Credits that came from outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The target's id of the effect.
    pub grant: String,
    /// Who received them.
    pub workspace: String,
    /// How many.
    pub credits: i64,
    /// The provider's checkout session that paid for them; none for a gift, such as a starting balance.
    #[serde(default)]
    pub session: Option<String>,
    /// The event id that the receipt email carries, where one is promised.
    #[serde(default)]
    pub receipt: Option<String>,
}

/// Credits that expired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// The target's id of the effect.
    pub expiry: String,
    /// Whose they were.
    pub workspace: String,
    /// How many.
    pub credits: i64,
}

/// Credits that a member of staff gave or took.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// The target's id of the effect.
    pub adjustment: String,
    /// Whose balance.
    pub workspace: String,
    /// How many, negative for taken.
    pub credits: i64,
    /// Why, in the words of who did it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A status that a thing had, or has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRow {
    /// What kind of thing: the name of an entry of the target file's `[statuses]`.
    pub kind: String,
    /// The target's id of the thing.
    pub subject: String,
    /// Its place among the statuses that the thing had; the highest is what it has.
    pub place: i64,
    /// The status.
    pub status: String,
}

/// What an invariant's query returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Violations {
    /// So many rows, and the first of them as JSON.
    Found {
        /// How many there are.
        total: u64,
        /// Some of them.
        rows: Vec<serde_json::Value>,
    },
    /// The query could not be run, in words.
    Failed(String),
}

/// Credits that were taken back after a refund or a dispute, or given again after it was undone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reversal {
    /// The target's id of the effect.
    pub reversal: String,
    /// From whom.
    pub workspace: String,
    /// How many; negative for given again.
    pub credits: i64,
    /// The provider's refund or dispute.
    #[serde(default)]
    pub refund: Option<String>,
}

/// Work that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// `email`, `webhook` or the target's own word.
    pub kind: String,
    /// What it was about: an email's event id, a provider's event id.
    pub subject: String,
    /// Why it failed, in the target's words.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Work that is not done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The target's id.
    pub job: String,
    /// What it does.
    pub kind: String,
    /// `waiting`, `running`, `failed` or the target's own word.
    pub state: String,
    /// Attempts made.
    #[serde(default)]
    pub attempts: i64,
}

/// The payment provider's ledger.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Provider {
    /// Every checkout session that was opened.
    pub sessions: Vec<Session>,
    /// Every event that it created.
    pub events: Vec<ProviderEvent>,
    /// Every delivery attempt, forged ones included.
    pub deliveries: Vec<Delivery>,
    /// API requests answered, by `METHOD path status`.
    pub requests: BTreeMap<String, u64>,
    /// Every refund.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// Every dispute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disputes: Vec<Dispute>,
}

/// One refund as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`.
    pub refund: String,
    /// The checkout session whose payment it gives back; none where there was no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `pi_…`.
    pub payment_intent: String,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// `succeeded`, or `failed`: the money came back to the merchant.
    pub status: String,
}

/// One dispute as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dispute {
    /// `du_…`.
    pub dispute: String,
    /// The checkout session whose payment it disputes; none where there was no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// `needs_response`, `under_review`, `won` or `lost`.
    pub status: String,
    /// Whether the funds are withdrawn from the merchant now: they were, and were not reinstated.
    pub withdrawn: bool,
}

/// One checkout session and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Session {
    /// `cs_…`.
    pub session: String,
    /// `pi_…`, once the customer began to pay.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// The target's own reference (`client_reference_id`).
    #[serde(default)]
    pub reference: Option<String>,
    /// What is to be paid, in the currency's smallest unit.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// What the customer has paid.
    pub paid: i64,
    /// The idempotency key under which it was opened.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// One event of the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProviderEvent {
    /// `evt_…`.
    pub event: String,
    /// Such as `charge.succeeded`.
    pub event_type: String,
    /// The checkout session behind it.
    #[serde(default)]
    pub session: Option<String>,
    /// The id of the object that it tells of, such as `re_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Whether some delivery of it was answered 2xx.
    pub acknowledged: bool,
}

/// One delivery attempt of one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delivery {
    /// `evt_…`; forged deliveries have an id that the provider never issued.
    pub event: String,
    /// 1 for the first attempt of this copy.
    pub attempt: u32,
    /// What was wrong with it on purpose.
    #[serde(default)]
    pub forgery: Option<Forgery>,
    /// The HTTP status; none where no answer came.
    #[serde(default)]
    pub status: Option<u16>,
    /// The operation in the history.
    pub op: u64,
}

/// The email provider's ledger, and the alert hook's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EmailSink {
    /// Emails that were accepted, in order. A repeated idempotency key is answered from memory and is
    /// not accepted a second time.
    pub accepted: Vec<Email>,
    /// Attempts that were answered with an error, in order.
    pub refused: Vec<RefusedEmail>,
    /// Alerts received at the hook, in order.
    pub alerts: Vec<String>,
}

/// One accepted email.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Email {
    /// What it is about, by the target file's rule.
    pub event: String,
    /// To whom.
    pub recipient: String,
    /// Its subject line.
    pub subject: String,
    /// The idempotency key it came with.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether the provider's answer was lost on purpose.
    pub answer_lost: bool,
    /// Its place among all that were accepted, from 0.
    #[serde(default)]
    pub order: u64,
    /// The first link in its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// One refused attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RefusedEmail {
    /// What it is about, by the target file's rule.
    pub event: String,
    /// To whom.
    pub recipient: String,
    /// The HTTP status that it was answered with.
    pub status: u16,
}
