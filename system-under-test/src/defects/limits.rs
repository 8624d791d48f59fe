//! Rate limits that limit the wrong ones, or nobody.

use std::collections::HashMap;
use std::sync::Mutex;

use axum::extract::Request;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

use super::planted::Change::In;
use super::planted::{Family, Part, Planted};
use crate::http::Limits;
use crate::network::Network;
use crate::seams::{Admission, Call, Counting};

pub(super) const FAMILY: Family = Family { title: "Rate limits", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "limit-shared-by-all",
        wrong: "All workspaces share one budget of each kind: one that is busy locks out all others.",
        incident: "Audit finding: limits keyed by route, behind a load balancer that all requests seem to come from.",
        caught_by: "flow.expected",
        scenario: "CF-20",
        overlay: &[In {
            function: "admit",
            replace: "v_caller := 'workspace:' || v_workspace;",
            with: "v_caller := 'workspace';",
        }],
        parts: &[],
    },
    Planted {
        name: "limit-per-process",
        wrong: "Each instance counts for itself, in memory: with n instances n times the limit passes.",
        incident: "Audit finding: the limiter of the framework's documentation, scaled out.",
        caught_by: "limits.enforced",
        scenario: "CF-20",
        overlay: &[],
        parts: &[Part::Counting(|limits| Box::new(PerProcess { limits, counted: Mutex::default() }))],
    },
    Planted {
        name: "limit-by-calendar-minute",
        wrong: "Requests are counted by the minute of the clock: a whole budget at the end of one and a whole budget \
                at the beginning of the next pass within a moment.",
        incident: "Audit finding: fixed windows, and twice the limit across their boundary.",
        caught_by: "limits.enforced",
        scenario: "limit-boundary",
        overlay: &[
            In {
                function: "admit",
                replace: "v_before + v_step <= clock_timestamp() + c_minute",
                with: "v_before + v_step <= date_trunc('minute', clock_timestamp()) + c_minute",
            },
            In {
                function: "admit",
                replace: "VALUES (v_caller, p_kind, clock_timestamp() + v_step)",
                with: "VALUES (v_caller, p_kind, date_trunc('minute', clock_timestamp()) + v_step)",
            },
            In {
                function: "admit",
                replace: "greatest(budget.arrival, clock_timestamp())",
                with: "greatest(budget.arrival, date_trunc('minute', clock_timestamp()))",
            },
            In {
                function: "admit",
                replace: "budget.arrival + v_step <= clock_timestamp() + c_minute",
                with: "budget.arrival + v_step <= date_trunc('minute', clock_timestamp()) + c_minute",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "forwarded-address-believed",
        wrong: "The first address in X-Forwarded-For is taken for the caller's, whoever wrote it: who guesses keys \
                claims another address each time, and is never limited.",
        incident: "Audit finding: 'real ip' taken from a header that clients can send.",
        caught_by: "flow.expected",
        scenario: "CF-20",
        overlay: &[],
        parts: &[Part::Counting(|limits| Box::new(Believing(limits)))],
    },
];

/// When it began, and how many have asked since.
type Window = (DateTime<Utc>, i32);

/// Windows of a minute, each beginning with its first request.
struct PerProcess {
    limits: Limits,
    counted: Mutex<HashMap<(Vec<u8>, &'static str), Window>>,
}

impl Counting for PerProcess {
    fn address(&self, request: &Request, trusted: &[Network]) -> String {
        self.limits.address(request, trusted)
    }

    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Admission, sqlx::Error>> {
        let caller = call.key_hash.clone().unwrap_or_else(|| call.address.clone().into_bytes());
        let mut remaining = -1;
        if let Ok(mut counted) = self.counted.lock() {
            let (since, count) = counted.entry((caller, call.kind)).or_insert((call.now, 0));
            if call.now - *since >= TimeDelta::minutes(1) {
                (*since, *count) = (call.now, 0);
            }
            remaining = call.per_minute - *count - 1;
            *count += 1;
        }
        let admission = Admission {
            workspace_id: None,
            per_minute: Some(call.per_minute),
            admitted: remaining >= 0,
            remaining: Some(remaining.max(0)),
            more_in: Some(60),
        };
        Box::pin(std::future::ready(Ok(admission)))
    }
}

/// Trusts everybody to say who they are.
struct Believing(Limits);

impl Counting for Believing {
    fn address(&self, request: &Request, trusted: &[Network]) -> String {
        let header = request.headers().get("x-forwarded-for").and_then(|header| header.to_str().ok());
        let first = header.and_then(|header| header.split(',').next()).map(|first| first.trim().to_owned());
        first.unwrap_or_else(|| self.0.address(request, trusted))
    }

    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Admission, sqlx::Error>> {
        self.0.admit(call)
    }
}
