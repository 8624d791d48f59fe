//! Requests to the email provider and to the alert hook.
//!
//! Order of judgement: an outage answers everything; then the API key, the body, the idempotency key; then
//! the message's fate. A key that is repeated with the same body is answered from memory and meets no fate
//! again. Keys are kept for good: a run is shorter than Resend's 24 hours. Requests are worked on one after
//! the other, so Resend's `concurrent_idempotent_requests` does not occur.

use overdraft_model::evidence::{Email, RefusedEmail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    ALERTS, Room, Sink,
    message::{Invalid, Message},
};
use crate::{
    calls::Calls,
    draw::Draw,
    guard::{Active, locked},
    server::{Reply, Request, Response, Service},
};

/// Resend's limit on keys, in characters.
const LONGEST_KEY: usize = 256;

impl Service for Room {
    fn calls(&self) -> &Calls {
        &self.calls
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut sink = locked(&self.sink);
        match (request.method.as_str(), request.uri.path()) {
            ("POST", ALERTS) => Reply::Answer(alert(&mut sink, &request.body)),
            ("POST", "/emails") => self.email(&mut sink, request),
            _ => Reply::Answer(error(404, "not_found", "The requested endpoint does not exist.")),
        }
    }
}

impl Room {
    fn email(&self, sink: &mut Sink, request: &Request) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let message = Message::of(request, &body, &self.rule);
        match self.judge(sink, &message, &body, request.header("authorization"), request.header("idempotency-key")) {
            Ok(reply) => reply,
            Err(Invalid { status, name, message: reason }) => {
                for recipient in &message.recipients {
                    let (event, recipient) = (message.event.clone(), recipient.clone());
                    sink.ledger.refused.push(RefusedEmail { event, recipient, status });
                }
                let answer = error(status, name, &reason);
                Reply::Answer(if status == 429 { answer.header("retry-after", "1") } else { answer })
            }
        }
    }

    fn judge(
        &self,
        sink: &mut Sink,
        message: &Message,
        body: &Value,
        authorization: Option<&str>,
        key: Option<&str>,
    ) -> Result<Reply, Invalid> {
        if let Some(down) = self.down.get() {
            down.hit();
            return Err(invalid(503, "service_unavailable", "The service is temporarily unavailable."));
        }
        match authorization.and_then(|text| text.strip_prefix("Bearer ")).map(str::trim) {
            Some(key) if !key.is_empty() => {}
            _ => return Err(invalid(401, "missing_api_key", "Missing API key in the authorization header.")),
        }
        if body.is_null() {
            return Err(invalid(400, "validation_error", "The request body is not JSON."));
        }
        message.validate(body)?;
        if let Some(key) = key {
            if key.is_empty() || key.chars().count() > LONGEST_KEY {
                let text = "The idempotency key must be between 1 and 256 characters.";
                return Err(invalid(400, "invalid_idempotency_key", text));
            }
            match sink.memory.get(key) {
                Some((known, id)) if *known == digest(body) => return Ok(Reply::Answer(sent(id))),
                Some(_) => {
                    let text = "This idempotency key was already used with another request body.";
                    return Err(invalid(409, "invalid_idempotent_request", text));
                }
                None => {}
            }
        }
        self.meet_fate(sink, message, body, key)
    }

    /// A message that is in order and new meets its fate.
    fn meet_fate(&self, sink: &mut Sink, message: &Message, body: &Value, key: Option<&str>) -> Result<Reply, Invalid> {
        let refused = || invalid(422, "invalid_parameter", "Invalid `to` field: this address does not exist.");
        let numbers: Vec<usize> =
            message.recipients.iter().map(|recipient| sink.number(recipient, &message.event)).collect();
        if let Some(status) = sink.demanded(&message.recipients) {
            let name = match status {
                429 => "rate_limit_exceeded",
                500.. => "application_error",
                _ => "invalid_parameter",
            };
            return Err(invalid(status, name, "This attempt was to fail."));
        }
        let pairs = || message.recipients.iter().map(|recipient| (recipient.clone(), message.event.clone()));
        if pairs().any(|pair| sink.refused_for_good.contains(&pair)) {
            if let Some(flaky) = self.flaky.get() {
                flaky.hit();
            }
            return Err(refused());
        }
        let flaky = self.flaky.get();
        let fate = flaky.as_ref().map(|flaky| {
            let fates = message.recipients.iter().zip(&numbers);
            fates
                .map(|(recipient, number)| flaky.value().fate(self.seed, recipient, *number))
                .fold(super::fates::Fate::default(), super::fates::Fate::and)
        });
        let fate = fate.unwrap_or_default();
        let hit = || flaky.iter().for_each(Active::hit);
        if fate.for_good {
            hit();
            sink.refused_for_good.extend(pairs());
            return Err(refused());
        }
        // Only attempts under the fault count: it is the fault that fails the first of them.
        let attempt = match (&flaky, message.recipients.first()) {
            (Some(_), Some(recipient)) => sink.attempt(recipient, &message.event),
            _ => u32::MAX,
        };
        if fate.rate_limited && attempt == 1 {
            hit();
            return Err(invalid(429, "rate_limit_exceeded", "Too many requests. Please wait and try again."));
        }
        if attempt <= fate.fails {
            hit();
            return Err(invalid(500, "application_error", "An unexpected error occurred."));
        }
        let lost = fate.lose_answer && sink.lost.insert((message.recipients.clone(), message.event.clone()));
        let id = self.accept(sink, message, body, key, lost);
        if lost {
            hit();
            return Ok(Reply::Lost);
        }
        let answer = sent(&id);
        let slow_by = flaky.as_ref().filter(|_| fate.slow).map(|flaky| flaky.value().slow_by);
        Ok(Reply::Answer(match slow_by.filter(|slow_by| !slow_by.is_zero()) {
            Some(slow_by) => {
                hit();
                answer.after(slow_by)
            }
            None => answer,
        }))
    }

    fn accept(&self, sink: &mut Sink, message: &Message, body: &Value, key: Option<&str>, lost: bool) -> String {
        let number = sink.ids.to_string();
        sink.ids += 1;
        let bytes = Draw::of(self.seed, &["email id", &number]).bytes();
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        for recipient in &message.recipients {
            sink.ledger.accepted.push(Email {
                event: message.event.clone(),
                recipient: recipient.clone(),
                subject: message.subject.clone(),
                key: key.map(str::to_owned),
                answer_lost: lost,
                order: sink.ledger.accepted.len() as u64,
                link: message.link.clone(),
            });
        }
        if let Some(key) = key {
            sink.memory.insert(key.to_owned(), (digest(body), id.clone()));
        }
        id
    }
}

/// Slack's incoming webhook: a text is answered with a bare "ok".
fn alert(sink: &mut Sink, body: &[u8]) -> Response {
    let text = |status, text: &str| Response::new(status).body(text.to_owned(), "text/plain");
    match serde_json::from_slice::<Value>(body) {
        Err(_) => text(400, "invalid_payload"),
        Ok(body) => match body["text"].as_str() {
            None => text(400, "no_text"),
            Some(alert) => {
                sink.ledger.alerts.push(alert.to_owned());
                text(200, "ok")
            }
        },
    }
}

/// Tells two bodies apart, whatever the order of their fields.
fn digest(body: &Value) -> [u8; 32] {
    Sha256::digest(body.to_string()).into()
}

fn sent(id: &str) -> Response {
    Response::new(200).json(&json!({ "id": id }))
}

fn error(status: u16, name: &str, message: &str) -> Response {
    Response::new(status).json(&json!({ "statusCode": status, "name": name, "message": message }))
}

fn invalid(status: u16, name: &'static str, message: &str) -> Invalid {
    Invalid { status, name, message: message.to_owned() }
}
