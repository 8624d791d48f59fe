//! Numbers and texts as people read them: `12,345`, `1.23 ms`, `1.2 s`.
//!
//! Must not know any format: what comes from here is plain text, still to be escaped.

use overdraft_model::verdict::{MoneySum, Reconciliation};

/// A whole number with thousands separated.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A whole number that may be below zero, with thousands separated.
pub fn signed(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", count(number.unsigned_abs()))
}

/// A number and its noun: `1 operation`, `2 operations`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// Whether the books close, in one line.
pub fn reconciled(sum: &Reconciliation) -> String {
    let money = |sum: &MoneySum| {
        let whole = matches!(sum.currency.as_str(), "jpy" | "krw" | "vnd" | "clp");
        let amount = |cents: i64| match whole {
            true => count(cents.unsigned_abs()),
            false => format!("{}.{:02}", count(cents.unsigned_abs() / 100), cents.unsigned_abs() % 100),
        };
        (amount(sum.unexplained), amount(sum.of), sum.currency.to_uppercase())
    };
    let (mut unexplained, mut of) = (format!("{} credits", signed(sum.credits)), signed(sum.credits_of));
    for (apart, whole, currency) in sum.money.iter().map(money) {
        unexplained.push_str(&format!(" and {apart} {currency}"));
        of.push_str(&format!(" and {whole}"));
    }
    let answers = match sum.resolved + sum.unresolved {
        0 => String::new(),
        _ => format!("; {} resolved, {} not", counted(sum.resolved, "unclear answer"), count(sum.unresolved)),
    };
    format!("{unexplained} unexplained of {of}{answers}")
}

/// A length of time given in microseconds.
pub fn micros(us: u64) -> String {
    let ms = us as f64 / 1_000.0;
    match us {
        0 => "0 ms".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..9_995 => format!("{ms:.2} ms"),
        9_995..999_500 => format!("{ms:.0} ms"),
        999_500..59_950_000 => format!("{:.1} s", ms / 1_000.0),
        _ => {
            let seconds = us.div_ceil(1_000_000);
            format!("{} min {} s", count(seconds / 60), seconds % 60)
        }
    }
}

/// A length of time given in milliseconds.
pub fn millis(ms: u64) -> String {
    micros(ms.saturating_mul(1_000))
}

/// A decimal number without needless digits: `12`, `0.5`, `99.9`.
pub fn decimal(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A rate per second.
pub fn per_second(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}/s") } else { format!("{}/s", count(rate.round() as u64)) }
}

/// A text cut to at most `limit` characters, with a mark where it was cut.
pub fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A text broken into lines of at most `width` characters, at spaces where there are any.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            lines.push(rest.into_iter().collect());
            rest = tail;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        length += rest.len();
        line.extend(rest);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Kibibytes as a person reads them.
pub fn kib(kib: u64) -> String {
    match kib {
        0..1_024 => format!("{kib} KiB"),
        1_024..1_048_576 => format!("{} MiB", kib / 1_024),
        _ => format!("{:.1} GiB", kib as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
        assert_eq!(signed(-12_345), "-12,345");
        assert_eq!(signed(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!((counted(1, "check"), counted(0, "check")), ("1 check".into(), "0 checks".into()));
    }

    #[test]
    fn times_change_unit_without_a_jump() {
        let cases = [
            (0, "0 ms"),
            (850, "850 µs"),
            (1_234, "1.23 ms"),
            (9_994, "9.99 ms"),
            (9_995, "10 ms"),
            (45_000, "45 ms"),
            (999_499, "999 ms"),
            (999_500, "1.0 s"),
            (1_234_000, "1.2 s"),
            (59_949_999, "59.9 s"),
            (60_000_000, "1 min 0 s"),
            (125_000_000, "2 min 5 s"),
        ];
        for (us, text) in cases {
            assert_eq!(micros(us), text, "{us}");
        }
    }

    #[test]
    fn lines_never_exceed_their_width() {
        let text = "a purchase 0123456789012345678901234567890123456789 of everything";
        for width in [8, 12, 40] {
            assert!(wrap(text, width).iter().all(|line| line.chars().count() <= width));
        }
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn a_cut_is_marked() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abcde…");
    }
}
