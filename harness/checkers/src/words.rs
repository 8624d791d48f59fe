//! Small grammar: numbers with their nouns, lists that stay short.

/// `1 lead`, `2 leads`, `0 deliveries`.
pub(crate) fn counted(number: impl TryInto<i128>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(i128::MAX);
    if number == 1 { format!("1 {noun}") } else { format!("{number} {}", plural(noun)) }
}

fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with('s') => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// `a, b and 3 more`.
pub(crate) fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let items: Vec<T> = items.into_iter().collect();
    let shown = items.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Whether a text names an id as a whole word: `evt_1` is not in `evt_10`.
pub(crate) fn mentions(text: &str, id: &str) -> bool {
    let inside = char::is_alphanumeric;
    !id.is_empty()
        && text.match_indices(id).any(|(at, _)| {
            !text[..at].chars().next_back().is_some_and(inside)
                && !text[at + id.len()..].chars().next().is_some_and(inside)
        })
}

/// An amount in its currency's smallest unit, as people write it: `5.00 eur`.
///
/// Currencies without a smaller unit: Stripe's documentation, "Zero-decimal currencies".
pub(crate) fn money(amount: i64, currency: &str) -> String {
    const WHOLE: [&str; 16] = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
    ];
    if WHOLE.contains(&currency) {
        return format!("{amount} {currency}");
    }
    let sign = if amount < 0 { "-" } else { "" };
    let cents = amount.unsigned_abs();
    format!("{sign}{}.{:02} {currency}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_agree_with_their_number() {
        assert_eq!(counted(1_u64, "lead"), "1 lead");
        assert_eq!(counted(0_usize, "delivery"), "0 deliveries");
        assert_eq!(counted(2, "day"), "2 days");
    }

    #[test]
    fn lists_stay_short() {
        assert_eq!(listed(["a", "b"], 2), "a, b");
        assert_eq!(listed(["a", "b", "c"], 1), "a and 2 more");
    }

    #[test]
    fn an_id_is_a_whole_word() {
        assert!(mentions("email for purchase-1: gave up", "purchase-1"));
        assert!(!mentions("email for purchase-10", "purchase-1"));
        assert!(mentions("email_evt_1 failed", "evt_1") && !mentions("evt_10 failed", "evt_1"));
        assert!(!mentions("anything", ""));
    }
}
