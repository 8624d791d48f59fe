//! One request to send an email, read into what the provider and the evidence need.

use overdraft_model::target::EmailRule;
use serde_json::Value;

use crate::server::Request;

/// Resend's limit on recipients of one email.
const MOST_RECIPIENTS: usize = 50;

/// An email as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) event: String,
    pub(super) recipients: Vec<String>,
    pub(super) subject: String,
    /// The first link in its text.
    pub(super) link: Option<String>,
}

/// What is wrong with a request, with Resend's name for it.
#[derive(Debug, PartialEq)]
pub(super) struct Invalid {
    pub(super) status: u16,
    pub(super) name: &'static str,
    pub(super) message: String,
}

/// A link ends where prose or markup goes on.
fn first_link(text: &str) -> Option<String> {
    let from = ["https://", "http://"].iter().filter_map(|scheme| text.find(scheme)).min()?;
    let link = text[from..].split(|c: char| c.is_whitespace() || "\"'<>)".contains(c)).next()?;
    Some(link.trim_end_matches(['.', ',', ';']).to_owned())
}

impl Message {
    /// Reads whatever can be read, even of a request that will be refused.
    pub(super) fn of(request: &Request, body: &Value, rule: &EmailRule) -> Self {
        let recipients = match &body["to"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(several) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let subject = body["subject"].as_str().unwrap_or_default().to_owned();
        let pointed = rule.event_pointer.as_ref().and_then(|pointer| match body.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let header = || {
            let name = rule.event_header.as_ref()?;
            request.header(name).map(str::to_owned)
        };
        let event = pointed.or_else(header).unwrap_or_else(|| subject.clone());
        let text = ["text", "html"].iter().find_map(|field| body[field].as_str()).unwrap_or_default();
        Self { event, recipients, subject, link: first_link(text) }
    }

    /// Whether Resend would take it.
    pub(super) fn validate(&self, body: &Value) -> Result<(), Invalid> {
        let missing = |field: &str| Invalid {
            status: 422,
            name: "missing_required_field",
            message: format!("Missing `{field}` field."),
        };
        if body["from"].as_str().is_none_or(str::is_empty) {
            return Err(missing("from"));
        }
        if self.recipients.is_empty() || self.recipients.len() > MOST_RECIPIENTS {
            return Err(missing("to"));
        }
        if self.subject.is_empty() {
            return Err(missing("subject"));
        }
        if !["html", "text", "react", "template"].iter().any(|field| !body[field].is_null()) {
            return Err(missing("html` or `text"));
        }
        if let Some(wrong) = self.recipients.iter().find(|address| !address.contains('@')) {
            let message = format!("Invalid `to` field: `{wrong}` is not an email address.");
            return Err(Invalid { status: 422, name: "invalid_parameter", message });
        }
        Ok(())
    }
}
