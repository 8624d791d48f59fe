//! What keeps a fault in place, and counts what it did.
//!
//! A provider has one slot per kind of fault. Injecting fills the slot: the latest wins. Healing empties
//! it, unless a later injection has taken it meanwhile; an earlier one is never brought back.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Counts what a fault did. Clones count the same; it goes on counting after the fault is healed.
#[derive(Debug, Clone, Default)]
pub struct Effects(Vec<Arc<AtomicU64>>);

impl Effects {
    /// A counter at 0.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![Arc::default()])
    }

    /// Counts so many more.
    pub fn add(&self, more: u64) {
        if let Some(first) = self.0.first() {
            first.fetch_add(more, Ordering::SeqCst);
        }
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|one| one.load(Ordering::SeqCst)).sum()
    }
}

/// A fault in place. It heals when this drops.
#[must_use = "a guard that is dropped at once heals the fault at once"]
pub struct Guard {
    effects: Effects,
    remove: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Guard {
    /// A guard over an injection: `remove` takes it away.
    pub(crate) fn new<T>(active: &Active<T>, remove: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { effects: Effects(vec![Arc::clone(&active.effects)]), remove: Some(Box::new(remove)) }
    }

    /// One guard over several: the same fault in several places.
    pub fn together(guards: Vec<Self>) -> Self {
        let effects = Effects(guards.iter().flat_map(|guard| guard.effects.0.clone()).collect());
        Self { effects, remove: Some(Box::new(move || drop(guards))) }
    }

    /// How often the fault really changed something so far: answers spoilt, deliveries added or held back.
    #[must_use]
    pub fn effects(&self) -> u64 {
        self.effects.count()
    }

    /// What counts them.
    #[must_use]
    pub fn counter(&self) -> Effects {
        self.effects.clone()
    }

    /// Heals the fault and returns its effects.
    pub fn heal(mut self) -> u64 {
        if let Some(remove) = self.remove.take() {
            remove();
        }
        self.effects()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(remove) = self.remove.take() {
            remove();
        }
    }
}

/// A fault as the provider sees it: its settings and its counter.
pub(crate) struct Active<T> {
    value: Arc<T>,
    effects: Arc<AtomicU64>,
}

impl<T> Active<T> {
    /// A new injection that has had no effect yet.
    pub(crate) fn new(value: T) -> Self {
        Self { value: Arc::new(value), effects: Arc::default() }
    }

    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Counts one effect.
    pub(crate) fn hit(&self) {
        self.effects.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether both are the same injection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.effects, &other.effects)
    }
}

impl<T> Clone for Active<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), effects: Arc::clone(&self.effects) }
    }
}

/// The place of one kind of fault.
pub(crate) struct Slot<T>(Arc<Mutex<Option<Active<T>>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// Puts a fault in place until its guard drops.
    pub(crate) fn put(&self, value: T) -> Guard {
        let active = Active::new(value);
        *locked(&self.0) = Some(active.clone());
        let (place, leaving) = (Arc::clone(&self.0), active.clone());
        Guard::new(&active, move || {
            let mut place = locked(&place);
            if place.as_ref().is_some_and(|present| present.is(&leaving)) {
                *place = None;
            }
        })
    }

    /// The fault in place, if there is one.
    pub(crate) fn get(&self) -> Option<Active<T>> {
        locked(&self.0).clone()
    }
}

/// Locks even where another thread panicked meanwhile: ledgers are evidence, half a record is better than
/// none.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_wins_and_healing_brings_none_back() {
        let slot = Slot::default();
        let first = slot.put(1);
        let second = slot.put(2);
        assert_eq!(slot.get().map(|active| *active.value()), Some(2));
        drop(first);
        assert_eq!(slot.get().map(|active| *active.value()), Some(2), "healing the first must not heal the second");
        let _third = slot.put(3);
        assert_eq!(second.heal(), 0);
        assert_eq!(slot.get().map(|active| *active.value()), Some(3));
    }

    #[test]
    fn effects_are_counted_per_injection() {
        let slot = Slot::default();
        let guard = slot.put(());
        slot.get().unwrap().hit();
        slot.get().unwrap().hit();
        assert_eq!(guard.effects(), 2);
        assert_eq!(guard.heal(), 2);
        assert!(slot.get().is_none());
    }
}
