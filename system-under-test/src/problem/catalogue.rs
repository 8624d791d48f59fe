//! Every kind of error that the service answers with: the one list from which docs/errors.md and the OpenAPI
//! document are made, and against which a test holds every code that SQL or Rust can produce.

/// One kind of error. Two errors with the same code have the same title and status.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What a program decides by; never reworded.
    pub(crate) code: &'static str,
    /// HTTP status.
    pub(crate) status: u16,
    /// The kind in a few words, for people.
    pub(crate) title: &'static str,
    /// When it is answered, and what has happened by then.
    pub(crate) meaning: &'static str,
    /// What the client does about it.
    pub(crate) action: &'static str,
    /// Members of the body besides those that every error has.
    pub(crate) members: &'static [&'static str],
}

impl Kind {
    /// True if the same request may succeed later without anybody changing anything.
    pub(crate) fn retryable(&self) -> bool {
        self.status >= 500 || RETRYABLE.contains(&self.code)
    }

    /// The URI of the kind.
    pub(crate) fn uri(&self) -> String {
        format!("https://overdraft.dev/problems/{}", self.code.replace('_', "-"))
    }
}

/// Client errors that pass by themselves.
const RETRYABLE: &[&str] = &["rate_limited", "idempotency_key_in_use"];

/// The kind of a code.
pub(crate) fn kind(code: &str) -> Option<&'static Kind> {
    CATALOGUE.iter().find(|kind| kind.code == code)
}

const fn entry(
    code: &'static str,
    status: u16,
    title: &'static str,
    meaning: &'static str,
    action: &'static str,
    members: &'static [&'static str],
) -> Kind {
    Kind { code, status, title, meaning, action, members }
}

/// Our own fault.
pub(crate) const INTERNAL: Kind = entry(
    "internal_error",
    500,
    "Internal error",
    "A fault of ours. A write may or may not have been carried out.",
    "Repeat it with the same key; quote `request_id` when you ask about it.",
    &[],
);

/// All kinds, by status and code.
pub(crate) const CATALOGUE: &[Kind] = &[
    entry(
        "idempotency_key_missing",
        400,
        "Idempotency key missing",
        "A write came without the Idempotency-Key header, or with one that is empty or longer than 255 characters. \
         Nothing was done.",
        "Send a new key with each new request, and the same key when you repeat one.",
        &[],
    ),
    entry(
        "invalid_request",
        400,
        "Invalid request",
        "The path, query or body is not as the documentation says. Nothing was done.",
        "Correct the request; `detail` says what is wrong with it.",
        &[],
    ),
    entry(
        "invalid_signature",
        400,
        "Invalid webhook signature",
        "The event was not signed with our secret, or too long ago. Nothing was stored.",
        "Check the endpoint's signing secret and the clock. Stripe delivers again by itself.",
        &[],
    ),
    entry(
        "unauthorized",
        401,
        "Unauthorized",
        "There is no API key, or it is nobody's. Nothing was done.",
        "Send a valid key as `Authorization: Bearer <key>`.",
        &[],
    ),
    entry(
        "debt_outstanding",
        402,
        "Debt outstanding",
        "A payment was refunded or disputed after its credits had been spent, and the workspace owes `debt` credits. \
         Nothing was bought.",
        "Buy at least `debt` credits (`actions` says where); they settle it. Then send the purchase with a new key.",
        &["debt", "currency", "actions"],
    ),
    entry(
        "insufficient_credits",
        402,
        "Not enough credits",
        "The leads cost more than the workspace can spend. Nothing was bought. `shortfall` is `required` minus \
         `available`, both read under the lock that refused the purchase.",
        "Buy at least `shortfall` credits (`actions` says where), then send the purchase with a new key.",
        &["required", "available", "shortfall", "currency", "actions"],
    ),
    entry(
        "forbidden",
        403,
        "Forbidden",
        "The key is valid, but its role may not do this. Nothing was done.",
        "Use a key of the role that the documentation names.",
        &[],
    ),
    entry(
        "campaign_not_found",
        404,
        "No such campaign",
        "No campaign of this workspace has this id. Nothing was done.",
        "Check the id.",
        &[],
    ),
    entry(
        "credit_purchase_not_found",
        404,
        "No such credit purchase",
        "No credit purchase of this workspace has this id.",
        "Check the id.",
        &[],
    ),
    entry(
        "dead_letter_not_found",
        404,
        "No such dead letter",
        "No open dead letter has this id; it may have been retried a moment ago.",
        "List the dead letters again.",
        &[],
    ),
    entry(
        "enrichment_not_found",
        404,
        "No such enrichment",
        "The lead is not one of this workspace's, sold or bought, or nothing more is known about it yet.",
        "Check the id, or ask again later.",
        &[],
    ),
    entry(
        "lead_not_found",
        404,
        "No such lead",
        "No lead has this id. A purchase that names it buys nothing at all; `lead_id` says which.",
        "Check the ids.",
        &["lead_id"],
    ),
    entry(
        "override_not_found",
        404,
        "No such override",
        "The workspace has the limit of the settings for this kind of request.",
        "There is nothing to end.",
        &[],
    ),
    entry(
        "route_not_found",
        404,
        "No such endpoint",
        "No endpoint has this method and path.",
        "See the OpenAPI document at `/v1/openapi.json`.",
        &[],
    ),
    entry(
        "unsubscribe_link_unknown",
        404,
        "No such unsubscribe link",
        "The token is not one that this service made. Nothing was changed.",
        "Use the link as it stands in the email.",
        &[],
    ),
    entry("workspace_not_found", 404, "No such workspace", "No workspace has this id.", "Check the id.", &[]),
    entry(
        "adjustment_too_large",
        409,
        "More than can be taken",
        "Staff wanted to take more credits than the workspace can spend. Nothing was taken.",
        "Take at most `available`, with a new key.",
        &["available", "shortfall"],
    ),
    entry(
        "already_purchased",
        409,
        "Already purchased",
        "The workspace owns this lead. Nothing was bought by this request.",
        "Use what `purchase_id` bought.",
        &["lead_id", "purchase_id"],
    ),
    entry(
        "campaign_state",
        409,
        "Not in this state",
        "A campaign starts once, is paused while it runs and resumed while it is paused. Nothing was done.",
        "Look at the campaign again, and decide by its status.",
        &["status"],
    ),
    entry(
        "email_taken",
        409,
        "Email address taken",
        "The address already owns a workspace. Nothing was created.",
        "Use the API key of that workspace, or sign up with another address.",
        &[],
    ),
    entry(
        "idempotency_key_in_use",
        409,
        "Idempotency key in use",
        "A request with this key is waiting for Stripe. Nothing was done by this one.",
        "Send the same request with the same key after `Retry-After`; it gets the answer of the first.",
        &[],
    ),
    entry(
        "lead_sold_out",
        409,
        "Lead sold out",
        "The lead was sold as often as it may be. Nothing was bought, of several leads none.",
        "Leave out the lead that `lead_id` names, and use a new key.",
        &["lead_id"],
    ),
    entry(
        "body_too_large",
        413,
        "Body too large",
        "The body is larger than this service reads. Nothing was done.",
        "Send less at once.",
        &[],
    ),
    entry(
        "idempotency_key_reused",
        422,
        "Idempotency key reused",
        "The key was used for another endpoint or another body. Nothing was done.",
        "Use a new key for a new request.",
        &[],
    ),
    entry(
        "rate_limited",
        429,
        "Too many requests",
        "The caller has used up its budget for this kind of request, which flows back evenly over a minute. Nothing \
         was done.",
        "Wait `retry_after` seconds, as the header `Retry-After` says; `RateLimit` on every answer tells what is left.",
        &["kind", "limit", "retry_after"],
    ),
    INTERNAL,
    entry(
        "payment_provider_unavailable",
        502,
        "Payment provider unavailable",
        "Stripe did not start the payment. Nothing was charged.",
        "Repeat it with the same key.",
        &[],
    ),
    entry(
        "database_unavailable",
        503,
        "Temporarily unavailable",
        "The database is away. A write may or may not have been carried out.",
        "Repeat it with the same key after `Retry-After`.",
        &[],
    ),
    entry(
        "request_timeout",
        504,
        "Request timed out",
        "The request took longer than it may. A write may or may not have been carried out.",
        "Repeat it with the same key.",
        &[],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_order_and_says_something_about_each_kind() {
        for pair in CATALOGUE.windows(2) {
            assert!((pair[0].status, pair[0].code) < (pair[1].status, pair[1].code), "{} comes before", pair[1].code);
        }
        for kind in CATALOGUE {
            assert!((400..600).contains(&kind.status), "{}", kind.code);
            for text in [kind.title, kind.meaning, kind.action] {
                assert!(!text.is_empty(), "{}", kind.code);
            }
        }
        for code in RETRYABLE {
            assert!(kind(code).is_none_or(|kind| kind.status < 500), "{code} needs no exception");
        }
    }
}
