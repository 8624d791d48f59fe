//! Held webhooks, released in chosen orders: each answered before the next leaves.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use overdraft_engine::{stage::Stage, webhooks};

use super::steps::StepError;

/// Sessions whose events are on their way at once.
const SESSIONS_AT_ONCE: usize = 16;
/// More kinds of events are not permuted: 6! is 720 orders.
const MOST_EVENTS: usize = 6;

/// Delivers the held events of one session in the order of these types. An event that the session does not have
/// makes the case impossible, because the order it tries would not be tried.
pub(super) async fn in_order(
    stage: &Arc<Stage>,
    client: &reqwest::Client,
    session: &str,
    order: &[String],
) -> Result<Vec<u64>, StepError> {
    let mut asked = Vec::new();
    for event_type in order {
        let held = stage.stripe.held();
        let held = held.iter().find(|held| held.event_type == *event_type && held.session.as_deref() == Some(session));
        let now = stage.provider_time();
        let outgoing = held.and_then(|held| stage.stripe.take_held(held.id, now));
        let outgoing = outgoing
            .ok_or_else(|| StepError::Impossible(format!("the provider holds no {event_type} of {session}")))?;
        asked.extend(webhooks::deliver(stage, client, outgoing).await?);
    }
    Ok(asked)
}

/// Delivers the held events of many sessions, of the k-th in the k-th order. There must be a session for each order.
pub(super) async fn every_order(
    stage: &Arc<Stage>,
    client: &reqwest::Client,
    sessions: &[String],
    events: &[String],
) -> Result<Vec<u64>, StepError> {
    if events.len() > MOST_EVENTS {
        return Err(StepError::Impossible(format!("more than {MOST_EVENTS} events have too many orders")));
    }
    let orders = permutations(events);
    if sessions.len() < orders.len() {
        let why = format!("{} orders of {} events, and {} sessions", orders.len(), events.len(), sessions.len());
        return Err(StepError::Impossible(why));
    }
    let each: Vec<_> =
        sessions.iter().zip(&orders).map(|(session, order)| in_order(stage, client, session, order).boxed()).collect();
    let asked: Vec<Vec<u64>> = stream::iter(each).buffer_unordered(SESSIONS_AT_ONCE).try_collect().await?;
    let mut asked: Vec<u64> = asked.into_iter().flatten().collect();
    asked.sort_unstable();
    Ok(asked)
}

/// Every order of these, in lexicographic order of their places.
fn permutations(items: &[String]) -> Vec<Vec<String>> {
    match items {
        [] => vec![vec![]],
        items => (0..items.len())
            .flat_map(|first| {
                let rest: Vec<String> =
                    items.iter().enumerate().filter(|(at, _)| *at != first).map(|(_, item)| item.clone()).collect();
                permutations(&rest)
                    .into_iter()
                    .map(move |rest| std::iter::once(items[first].clone()).chain(rest).collect())
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_order_is_there_once() {
        let items: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        let orders = permutations(&items);
        assert_eq!(orders.len(), 24);
        assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), 24);
        assert_eq!((orders[0].as_slice(), orders[23].join("")), (items.as_slice(), "dcba".to_owned()));
    }
}
