//! Requests to the API: who asks, whether it was asked before, and the faults that spoil the answer.
//!
//! A key that repeats with the same parameters is answered from memory, with other parameters it is an
//! error, and refused parameters are not remembered. Keys are kept for good: a run is shorter than the 24
//! hours that Stripe promises. Injected errors are not remembered either, for they strike before execution
//! begins: nothing was done, and a retry with the same key may succeed. Requests are worked on one after the
//! other, but an answer may be slow: until it was given its key is in use, and the same key is answered 409.
//! How long that is only the computer's clock can tell, for it is the server that waits.
//!
//! | file | holds |
//! |---|---|
//! | `routes` | endpoints |
//! | `form`, `params` | bodies nested by brackets, and what is read from them |
//! | `sessions`, `intents`, `returns` | what each endpoint does |
//! | `refusal` | errors in Stripe's words |

mod form;
mod intents;
mod params;
mod refusal;
mod returns;
mod routes;
mod sessions;

use std::time::{Duration, Instant};

use overdraft_model::fault::Fault;
use serde_json::Value;

use self::{
    form::{Form, FormError},
    refusal::Refusal,
    routes::{Caller, Route},
};
use super::{
    Room,
    book::{Book, Remembered},
    events::Origin,
    packed::Packed,
};
use crate::{
    calls::Calls,
    draw::Draw,
    guard::{Active, locked},
    server::{Reply, Request, Response, Service},
};

/// Stripe's limit on keys, in characters.
const LONGEST_KEY: usize = 255;

/// An answer and how it came about.
struct Answer {
    status: u16,
    body: Value,
    /// The request that was first answered so, where this one repeats it.
    repeats: Option<String>,
}

/// What a request says of itself.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    request: String,
    key: Option<String>,
}

impl Service for Room {
    fn calls(&self) -> &Calls {
        &self.calls
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut book = locked(&self.book);
        let number = book.uses_of("request").to_string();
        let text = |name: &str| request.header(name).map(str::to_owned);
        let asked = Asked {
            method: request.method.as_str(),
            path: request.uri.path(),
            request: format!("req_{}", Draw::of(self.settings.seed, &["request", &number]).word(14)),
            key: text("idempotency-key").filter(|key| !key.is_empty() && request.method.as_str() == "POST"),
        };
        if let Some(down) = self.faults.down.get() {
            down.hit();
            if *down.value() {
                count(&mut book, &asked, "refused");
                return Reply::Lost;
            }
        }
        let answer = self.answer(&mut book, &asked, text("authorization").as_deref(), request);
        let lost = answer.status < 300 && asked.method == "POST" && self.loses(&mut book, &asked, request);
        count(&mut book, &asked, &if lost { "lost".to_owned() } else { answer.status.to_string() });
        if lost {
            return Reply::Lost;
        }
        let delay = self.slows(&mut book, &asked, request);
        let version = text("stripe-version").unwrap_or_else(|| self.settings.api_version.clone());
        let mut response = Response::new(answer.status)
            .body(format!("{:#}\n", answer.body), "application/json")
            .header("request-id", &asked.request)
            .header("stripe-version", &version)
            .header("cache-control", "no-cache, no-store");
        if answer.status == 429 {
            response = response.header("stripe-rate-limited-reason", "global-rate");
        }
        if let Some(delay) = delay {
            response = response.after(delay);
        }
        if let Some(key) = asked.key {
            let known = book.memory.get_mut(&key).filter(|known| known.request == asked.request);
            if let (Some(known), Some(delay)) = (known, delay) {
                known.answered_at = Instant::now().checked_add(delay);
            }
            response = response
                .header("idempotency-key", &key)
                .header("original-request", answer.repeats.as_deref().unwrap_or(&asked.request));
        }
        if answer.repeats.is_some() {
            response = response.header("idempotent-replayed", "true");
        }
        Reply::Answer(response)
    }
}

impl Room {
    fn answer(&self, book: &mut Book, asked: &Asked<'_>, authorization: Option<&str>, request: &Request) -> Answer {
        match self.try_answer(book, asked, authorization, request) {
            Ok(answer) => answer,
            Err(refusal) => Answer { status: refusal.status, body: refusal.into(), repeats: None },
        }
    }

    fn try_answer(
        &self,
        book: &mut Book,
        asked: &Asked<'_>,
        authorization: Option<&str>,
        request: &Request,
    ) -> Result<Answer, Refusal> {
        authenticate(authorization)?;
        let route = Route::of(asked.method, asked.path).ok_or_else(|| unrecognized(asked))?;
        self.spoil(book, asked, request)?;
        let text = if asked.method == "POST" { &request.body } else { request.uri.query().unwrap_or("").as_bytes() };
        let form = Form::parse(text).map_err(|FormError(param)| Refusal::invalid(&param, None, "Invalid object"))?;
        let fingerprint = format!("{} {} {}", asked.method, asked.path, form.canonical());
        if let Some(key) = &asked.key {
            if key.chars().count() > LONGEST_KEY {
                let message = format!("Idempotency keys have up to {LONGEST_KEY} characters.");
                return Err(Refusal::plain(400, "invalid_request_error", message));
            }
            if let Some(known) = book.memory.get(key) {
                return repeat(known, &fingerprint, key, Instant::now());
            }
        }
        let label = match &asked.key {
            Some(key) => format!("key {key}"),
            None => format!("request {}", book.uses_of("keyless")),
        };
        let origin = Origin { request: Some(asked.request.clone()), idempotency_key: asked.key.clone() };
        let moment = self.moment(book.latest);
        let done = route.run(book, &form, &Caller { label: &label, origin }, &moment);
        let (status, body) = match done {
            Ok(body) => (200, body),
            // A declined card is an answer of its execution, hence remembered.
            Err(refusal) if refusal.status == 402 => (402, refusal.into()),
            Err(refusal) => return Err(refusal),
        };
        if let Some(key) = &asked.key {
            let request = asked.request.clone();
            let remembered = Remembered { fingerprint, request, status, body: Packed::of(&body), answered_at: None };
            book.memory.insert(key.clone(), remembered);
        }
        Ok(Answer { status, body, repeats: None })
    }

    /// Errors that strike before anything is done.
    fn spoil(&self, book: &mut Book, asked: &Asked<'_>, request: &Request) -> Result<(), Refusal> {
        let faults = &self.faults;
        if faults.down.get().is_some() {
            return Err(Refusal::plain(503, "api_error", "Stripe is temporarily unavailable (by the harness)."));
        }
        if let Some(limited) = faults.rate_limited.get()
            && self.strikes(book, &limited, *limited.value(), "rate-limited", asked, request)
        {
            let message = "Request rate limit exceeded. Please reduce the rate of your requests and try again.";
            let refusal = Refusal::plain(429, "invalid_request_error", message);
            return Err(Refusal { code: Some("rate_limit"), ..refusal });
        }
        if let (Some(in_use), Some(key)) = (faults.key_in_use.get(), &asked.key)
            && self.strikes(book, &in_use, *in_use.value(), "key-in-use", asked, request)
        {
            return Err(key_in_use(key));
        }
        if let Some(errors) = faults.errors.get()
            && self.strikes(book, &errors, *errors.value(), "errors", asked, request)
        {
            return Err(injected());
        }
        Ok(())
    }

    /// How much later this answer comes.
    fn slows(&self, book: &mut Book, asked: &Asked<'_>, request: &Request) -> Option<Duration> {
        let slow = self.faults.slow.get()?;
        let (by, share) = *slow.value();
        (!by.is_zero() && self.strikes(book, &slow, share, "slow", asked, request)).then_some(by)
    }

    fn loses(&self, book: &mut Book, asked: &Asked<'_>, request: &Request) -> bool {
        let Some(loses) = self.faults.loses_answers.get() else { return false };
        self.strikes(book, &loses, *loses.value(), "loses-answers", asked, request)
    }

    /// Whether a fault hits this request, drawn from what is asked and how often it was asked under this
    /// fault; counted if so.
    fn strikes<T>(
        &self,
        book: &mut Book,
        fault: &Active<T>,
        share: f64,
        name: &str,
        asked: &Asked<'_>,
        request: &Request,
    ) -> bool {
        let what = match &asked.key {
            Some(key) => format!("{name} {} {} key {key}", asked.method, asked.path),
            None => {
                let body = String::from_utf8_lossy(&request.body);
                format!("{name} {} {} {body}", asked.method, asked.path)
            }
        };
        let time = book.uses_of(&what).to_string();
        let hit = Draw::of(self.settings.seed, &[&what, &time]).chance(share);
        if hit {
            fault.hit();
        }
        hit
    }
}

/// Counts a request by its endpoint and how it ended.
fn count(book: &mut Book, asked: &Asked<'_>, ending: &str) {
    let name = Route::of(asked.method, asked.path).map_or("unrecognized", Route::name);
    *book.requests.entry(format!("{name} {ending}")).or_default() += 1;
}

fn repeat(known: &Remembered, fingerprint: &str, key: &str, now: Instant) -> Result<Answer, Refusal> {
    if known.answered_at.is_some_and(|answered_at| now < answered_at) {
        return Err(key_in_use(key));
    }
    if known.fingerprint != fingerprint {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
             using a key other than '{key}' if you meant to execute a different request."
        );
        return Err(Refusal::plain(400, "idempotency_error", message));
    }
    Ok(Answer { status: known.status, body: known.body.document(), repeats: Some(known.request.clone()) })
}

fn key_in_use(key: &str) -> Refusal {
    let message = format!(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted \
         twice, and the other request is still going through): {key}. Please try again later."
    );
    let refusal = Refusal::plain(409, "invalid_request_error", message);
    Refusal { code: Some("idempotency_key_in_use"), ..refusal }
}

fn authenticate(authorization: Option<&str>) -> Result<(), Refusal> {
    let refuse = |message: String| Refusal::plain(401, "invalid_request_error", message);
    let Some(authorization) = authorization else {
        return Err(refuse("You did not provide an API key.".into()));
    };
    let key = match authorization.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, basic)) if scheme.eq_ignore_ascii_case("basic") => user_of(basic.trim()),
        _ => String::new(),
    };
    if key.starts_with("sk_") || key.starts_with("rk_") {
        return Ok(());
    }
    Err(refuse(format!("Invalid API Key provided: {}***", key.chars().take(6).collect::<String>())))
}

/// The user name of basic authentication, which is where curl's `-u sk_…:` puts the key.
fn user_of(basic: &str) -> String {
    let (mut bits, mut held, mut text) = (0_u32, 0_u32, Vec::new());
    for letter in basic.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            text.push(u8::try_from(bits >> held & 0xff).unwrap_or_default());
        }
    }
    String::from_utf8_lossy(&text).split(':').next().unwrap_or_default().to_owned()
}

fn unrecognized(asked: &Asked<'_>) -> Refusal {
    let message = format!(
        "Unrecognized request URL ({}: {}). Please see https://docs.stripe.com/api for a list of those that exist.",
        asked.method, asked.path
    );
    Refusal::plain(404, "invalid_request_error", message)
}

fn injected() -> Refusal {
    let fault = Fault::StripeErrors { share: 1.0 };
    let message = format!("An unknown error occurred ({} of the harness).", fault.name());
    Refusal::plain(500, "api_error", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_secret_key_as_bearer_or_as_user_name() {
        assert!(authenticate(Some("Bearer sk_test_abc")).is_ok());
        assert!(authenticate(Some("Basic c2tfdGVzdF9hYmM6")).is_ok(), "sk_test_abc:");
        assert_eq!(user_of("c2tfdGVzdF9hYmM6"), "sk_test_abc");
        for wrong in [None, Some("Bearer pk_test_abc"), Some("Bearer "), Some("sk_test_abc"), Some("Basic !")] {
            assert_eq!(authenticate(wrong).unwrap_err().status, 401, "{wrong:?}");
        }
    }
}
