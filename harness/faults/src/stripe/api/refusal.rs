//! Errors in Stripe's words.

use serde_json::{Value, json};

/// An error, as its status and its error object.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) param: Option<String>,
    pub(super) message: String,
    /// Further members of the error object.
    pub(super) more: Vec<(&'static str, Value)>,
}

impl Refusal {
    /// With nothing but a type and a message.
    pub(super) fn plain(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into(), more: Vec::new() }
    }

    /// 400 for one parameter.
    pub(super) fn invalid(param: &str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { code, param: Some(param.to_owned()), ..Self::plain(400, "invalid_request_error", message) }
    }

    /// 400 for a parameter that is not there.
    pub(super) fn required(param: &str) -> Self {
        Self::invalid(param, Some("parameter_missing"), format!("Missing required param: {param}."))
    }

    /// 404 for an object that is not there.
    pub(super) fn missing(object: &str, id: &str, param: &str) -> Self {
        let refusal = Self::invalid(param, Some("resource_missing"), format!("No such {object}: '{id}'"));
        Self { status: 404, ..refusal }
    }
}

impl From<Refusal> for Value {
    fn from(refusal: Refusal) -> Self {
        let mut error = json!({ "message": refusal.message, "type": refusal.kind });
        if let Some(code) = refusal.code {
            error["code"] = code.into();
            error["doc_url"] = format!("https://docs.stripe.com/error-codes/{}", code.replace('_', "-")).into();
        }
        if let Some(param) = refusal.param {
            error["param"] = param.into();
        }
        for (name, value) in refusal.more {
            error[name] = value;
        }
        json!({ "error": error })
    }
}
