//! One pass over one operation, with a buyer of its own: asked, struck or not, asked again, waited for until quiet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use overdraft_engine::{
    faults::tcp::TcpProxy,
    http::Told,
    run::DriveError,
    settle::{Lookout, SettleError},
    stage::{Process, Stage, StageError},
    webhooks,
};
use overdraft_model::{
    boundary::{Bounded, Persistence},
    operation::{Operation, Outcome, PayBy},
};

use super::{
    blows::{Aim, Felling},
    trace::{Background, Provider, Trace},
};

/// How often it is looked whether the target is quiet.
const TICK: Duration = Duration::from_millis(10);
/// Nothing more was seen for so long, and nothing is outstanding: quiet.
const SILENCE: Duration = Duration::from_millis(40);
/// The same where the target file does not say how to ask what is outstanding.
const LONG_SILENCE: Duration = Duration::from_millis(700);
/// Requests of one client in one pass at most, and its pauses between them.
const MOST_TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Why a pass was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    /// The harness cannot go on.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// It cannot be asked what is outstanding.
    #[error(transparent)]
    Lookout(#[from] SettleError),
    /// It cannot be made, in words.
    #[error("{0}")]
    Impossible(String),
}

impl From<PassError> for DriveError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Stage(error) => error.into(),
            other => Self::Generator(other.to_string()),
        }
    }
}

/// What came of a pass.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) trace: Trace,
    /// Whether the blow fell.
    pub(super) struck: bool,
    pub(super) quiet: bool,
    pub(super) told: Option<Outcome>,
    pub(super) operations: Vec<u64>,
    pub(super) workspace: String,
    /// Whether the client had a reason to ask again.
    pub(super) unclear: bool,
    pub(super) took: Duration,
}

/// What is asked in the passes, a buyer for each.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) purchases: Vec<Operation>,
    pub(super) orders: Vec<Operation>,
    pub(super) paid_event: String,
    pub(super) refund_event: String,
    /// How many buyers were used up.
    pub(super) used: usize,
}

/// Who makes the passes.
pub(super) struct Performer {
    pub(super) stage: Arc<Stage>,
    pub(super) client: reqwest::Client,
    /// One in front of each instance: that is where clients come in.
    pub(super) doors: Vec<TcpProxy>,
    pub(super) material: Material,
    pub(super) background: Background,
    pub(super) lookout: Lookout,
    /// A target that is not quiet by then is left as it is.
    pub(super) patience: Duration,
}

/// What the client of a pass was told.
#[derive(Default)]
struct Dialogue {
    operations: Vec<u64>,
    last: Option<Told>,
    /// Status and moment of the first answer.
    answered: Option<(u16, Instant)>,
    unclear: bool,
}

impl Dialogue {
    fn note(&mut self, op: u64, told: Told) {
        self.operations.push(op);
        if let (None, Some(status)) = (self.answered, told.answer.status) {
            self.answered = Some((status, Instant::now()));
        }
        self.last = Some(told);
    }
}

impl Performer {
    /// Makes a pass over an operation. A purchase and its confirmation are one pass.
    pub(super) async fn pass(
        &mut self,
        operation: Bounded,
        aims: &[&Aim],
        client: Persistence,
    ) -> Result<Pass, PassError> {
        let number = self.material.used;
        if number >= self.material.purchases.len() {
            return Err(PassError::Impossible(format!("all {number} buyers are used up: raise workload.most")));
        }
        self.material.used += 1;
        match operation {
            Bounded::Purchase | Bounded::Email => {
                self.bounded(self.material.purchases[number].clone(), number, aims, client, false).await
            }
            Bounded::CreditPurchase => {
                self.bounded(self.material.orders[number].clone(), number, aims, client, true).await
            }
            Bounded::Webhook => {
                let session = self.paid(number).await?;
                let event = self.material.paid_event.clone();
                self.delivered(number, &session, &event, aims).await
            }
            Bounded::Refund => {
                let session = self.paid(number).await?;
                self.deliver_all(&session).await?;
                self.quiet().await?;
                let workspace = self.workspace(number);
                let refund = Operation::Refund { workspace, session: session.clone(), amount: None };
                self.process().call(refund).await?;
                let event = self.material.refund_event.clone();
                self.delivered(number, &session, &event, aims).await
            }
        }
    }

    /// Waits until the target has nothing left to do. False if it did not come to that.
    pub(super) async fn quiet(&mut self) -> Result<bool, PassError> {
        let began = Instant::now();
        while began.elapsed() < self.patience && !self.stage.stop.is_cancelled() {
            let outstanding = self.lookout.outstanding(&self.stage).await?;
            let silence = if outstanding.is_some() { SILENCE } else { LONG_SILENCE };
            if outstanding.unwrap_or(0) == 0 && self.last_seen(began).elapsed() >= silence {
                return Ok(true);
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(false)
    }

    /// When something that is not of the background was last seen.
    fn last_seen(&self, began: Instant) -> Instant {
        let statements = self.stage.wires.statements.as_ref().map(|proxy| proxy.boundaries()).unwrap_or_default();
        let statements = statements.iter().rev().find(|seen| self.background.foreground(seen).is_some());
        let calls = self.stage.stripe.calls().since_mark().into_iter().chain(self.stage.email.calls().since_mark());
        statements
            .map(|seen| seen.at)
            .into_iter()
            .chain(calls.map(|call| call.at))
            .chain([began])
            .max()
            .unwrap_or(began)
    }

    fn process(&self) -> Process {
        self.stage.process(self.client.clone())
    }

    fn workspace(&self, number: usize) -> String {
        self.material.purchases[number].workspace().unwrap_or_default().to_owned()
    }

    fn door(&self, turn: usize) -> (usize, String) {
        let instance = turn % self.doors.len();
        (instance, format!("http://{}", self.doors[instance].address()))
    }

    fn begin(&self, number: usize, aims: &[&Aim]) -> Result<Vec<Felling>, PassError> {
        if let Some(proxy) = &self.stage.wires.statements {
            proxy.mark();
        }
        self.stage.stripe.calls().mark();
        self.stage.email.calls().mark();
        let door = number % self.doors.len();
        let aimed = aims.iter().map(|aim| Felling::aim(&self.stage, aim, &self.doors, door));
        aimed.collect::<Result<_, _>>().map_err(PassError::Impossible)
    }

    async fn end(
        &mut self,
        number: usize,
        dialogue: Dialogue,
        fellings: Vec<Felling>,
        began: Instant,
    ) -> Result<Pass, PassError> {
        let quiet = self.quiet().await?;
        // Where two were aimed, the last one counts.
        let mut struck = false;
        for felling in fellings {
            struck = felling.end().await.map_err(PassError::Impossible)?;
        }
        let statements = self.stage.wires.statements.as_ref().map(|proxy| proxy.take_boundaries()).unwrap_or_default();
        let calls = [
            (Provider::Stripe, self.stage.stripe.calls().since_mark()),
            (Provider::Email, self.stage.email.calls().since_mark()),
        ];
        Ok(Pass {
            trace: Trace::of(&self.background, &statements, &calls, dialogue.answered),
            struck,
            quiet,
            told: dialogue.last.map(|told| told.outcome),
            operations: dialogue.operations,
            workspace: self.workspace(number),
            unclear: dialogue.unclear,
            took: began.elapsed(),
        })
    }

    /// A client asks; if it is not clearly answered it asks again, of the next instance, or goes away.
    async fn bounded(
        &mut self,
        operation: Operation,
        number: usize,
        aims: &[&Aim],
        client: Persistence,
        pays: bool,
    ) -> Result<Pass, PassError> {
        let mut fellings = self.begin(number, aims)?;
        let began = Instant::now();
        let mut process = self.process();
        let mut dialogue = Dialogue::default();
        for turn in 0..MOST_TRIES {
            let (instance, url) = self.door(number + turn);
            let (op, told) = process.ask_at(operation.clone(), instance, &url).await?;
            let again = unclear(&told, turn);
            dialogue.note(op, told.clone());
            for felling in &mut fellings {
                felling.answered(&told).await.map_err(PassError::Impossible)?;
            }
            if !again {
                break;
            }
            dialogue.unclear = true;
            if client == Persistence::GivesUp {
                break;
            }
            self.before_another(&fellings, turn).await;
        }
        for felling in &fellings {
            felling.mended().await;
        }
        let session = dialogue.last.as_ref().and_then(|told| told.answer.text("session")).map(str::to_owned);
        let pass = self.end(number, dialogue, fellings, began).await?;
        if let (true, Some(session)) = (pays, session) {
            // Whoever was sent to pay pays: what it gets for it is seen in the end.
            process.call(Operation::Pay { workspace: pass.workspace.clone(), session, by: PayBy::Card }).await?;
        }
        Ok(pass)
    }

    async fn before_another(&self, fellings: &[Felling], turn: usize) {
        for felling in fellings {
            felling.mended().await;
        }
        if turn > 0 {
            self.stage.stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }

    /// A session that was ordered and paid; its events are held.
    async fn paid(&mut self, number: usize) -> Result<String, PassError> {
        let mut process = self.process();
        let told = process.call(self.material.orders[number].clone()).await?;
        let session = told.answer.text("session").map(str::to_owned);
        let session = session.ok_or_else(|| PassError::Impossible(format!("no session was made: {}", told.answer)))?;
        let workspace = self.workspace(number);
        process.call(Operation::Pay { workspace, session: session.clone(), by: PayBy::Card }).await?;
        self.quiet().await?;
        Ok(session)
    }

    /// Delivers all that is held of a session, one after the other.
    async fn deliver_all(&self, session: &str) -> Result<(), PassError> {
        let held = self.stage.stripe.held();
        for held in held.iter().filter(|held| held.session.as_deref() == Some(session)) {
            let outgoing = self.stage.stripe.take_held(held.id, self.stage.provider_time());
            if let Some(outgoing) = outgoing {
                let delivered = webhooks::deliver(&self.stage, &self.client, outgoing).await;
                delivered.map_err(StageError::from)?;
            }
        }
        Ok(())
    }

    /// The provider delivers an event of a session, and again as long as it is not acknowledged.
    async fn delivered(
        &mut self,
        number: usize,
        session: &str,
        event_type: &str,
        aims: &[&Aim],
    ) -> Result<Pass, PassError> {
        let mut fellings = self.begin(number, aims)?;
        let began = Instant::now();
        let mut dialogue = Dialogue::default();
        for turn in 0..MOST_TRIES {
            let held = self.stage.stripe.held();
            let held =
                held.iter().find(|held| held.event_type == event_type && held.session.as_deref() == Some(session));
            let now = self.stage.provider_time();
            let Some(outgoing) = held.and_then(|held| self.stage.stripe.take_held(held.id, now)) else {
                if turn == 0 {
                    return Err(PassError::Impossible(format!("the provider has no {event_type} of {session}")));
                }
                break;
            };
            let (instance, url) = self.door(number + turn);
            let delivered = webhooks::deliver_at(&self.stage, &self.client, outgoing, instance, &url).await;
            let Some((op, told)) = delivered.map_err(StageError::from)? else { break };
            let acknowledged = told.outcome == Outcome::Ok;
            dialogue.note(op, told.clone());
            for felling in &mut fellings {
                felling.answered(&told).await.map_err(PassError::Impossible)?;
            }
            if acknowledged {
                break;
            }
            dialogue.unclear = true;
            self.before_another(&fellings, turn).await;
        }
        self.end(number, dialogue, fellings, began).await
    }
}

/// Whether a client has a reason to ask again: no answer, an answer that leaves it open, or, once it has asked
/// before, one that says to come back later.
fn unclear(told: &Told, turn: usize) -> bool {
    match told.outcome {
        Outcome::Ok => false,
        Outcome::Info => true,
        Outcome::Fail => told.answer.status.is_none_or(|status| turn > 0 && matches!(status, 409 | 425 | 429)),
    }
}
