//! Faults of one kind that may be in place at the same time, in the order of their injection.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::guard::{Active, Guard, locked};

/// The faults in place. Whoever waits for one to heal, or for another to come, sleeps on [`Row::changes`].
pub(crate) struct Row<T> {
    places: Arc<Mutex<Vec<Active<T>>>>,
    version: Arc<watch::Sender<u64>>,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self { places: Arc::default(), version: Arc::new(watch::Sender::new(0)) }
    }
}

impl<T: Send + Sync + 'static> Row<T> {
    /// Puts a fault behind those in place, until its guard drops.
    pub(crate) fn put(&self, value: T) -> Guard {
        let active = Active::new(value);
        locked(&self.places).push(active.clone());
        self.version.send_modify(|version| *version += 1);
        let (places, version, leaving) = (Arc::clone(&self.places), Arc::clone(&self.version), active.clone());
        Guard::new(&active, move || {
            locked(&places).retain(|present| !present.is(&leaving));
            version.send_modify(|version| *version += 1);
        })
    }

    /// Those in place now.
    pub(crate) fn all(&self) -> Vec<Active<T>> {
        locked(&self.places).clone()
    }

    /// Changes whenever a fault comes or goes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Waits until this one is healed.
    pub(crate) async fn gone(&self, active: &Active<T>) {
        let mut changes = self.changes();
        while locked(&self.places).iter().any(|present| present.is(active)) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_stand_in_their_order_and_each_heals_alone() {
        let row = Row::default();
        let values = |row: &Row<i32>| row.all().iter().map(|active| *active.value()).collect::<Vec<_>>();
        let first = row.put(1);
        let second = row.put(2);
        let third = row.put(3);
        assert_eq!(values(&row), [1, 2, 3]);
        let actives = row.all();
        actives[1].hit();
        assert_eq!(second.heal(), 1);
        row.gone(&actives[1]).await;
        assert_eq!(values(&row), [1, 3]);
        assert_eq!((first.heal(), third.heal()), (0, 0));
        assert!(row.all().is_empty());
    }
}
