//! What tests say of a verdict.

use overdraft_model::verdict::{Validity, Verdict};

use crate::shop::{Shop, of};

/// The verdict of a shop once it is closed.
pub fn closed(mut shop: Shop) -> Verdict {
    shop.close();
    shop.judged()
}

/// A check came to this.
#[track_caller]
pub fn is(verdict: &Verdict, id: &str, validity: Validity) {
    let check = of(verdict, id).unwrap_or_else(|| panic!("{id} is not listed: {}", verdict.cause));
    assert_eq!(check.validity, validity, "{id}: {}; {:#?}", check.observed, check.findings);
}

/// A check is violated, in these words.
#[track_caller]
pub fn says(verdict: &Verdict, id: &str, words: &str) {
    is(verdict, id, Validity::Invalid);
    let check = of(verdict, id).unwrap();
    assert!(check.findings.iter().any(|finding| finding.summary.contains(words)), "{:#?}", check.findings);
}

/// Nothing is wrong in a shop once it is closed.
#[track_caller]
pub fn is_fine(shop: Shop) {
    let verdict = closed(shop);
    assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.cause);
}

/// A check is violated in a shop once it is closed.
#[track_caller]
pub fn is_broken(shop: Shop, id: &str, words: &str) {
    says(&closed(shop), id, words);
}
