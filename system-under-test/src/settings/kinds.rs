//! Kinds of settings: what is accepted, in which unit, and how a text becomes a value.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::secret::Secret;
use crate::network::Network;

/// A text's value; `None` if the text is not acceptable.
type Parse<T> = Box<dyn Fn(&str) -> Option<T>>;

/// How one setting is read.
pub(super) struct Kind<T> {
    /// What is accepted, with its unit, to end the sentence "expected …".
    pub(super) expected: String,
    /// Whether the value must not be repeated in a message.
    pub(super) secret: bool,
    /// What it is when it is not given, if it may be left out.
    pub(super) absent: Option<fn() -> T>,
    /// How a text becomes a value.
    pub(super) parse: Parse<T>,
}

impl<T: 'static> Kind<T> {
    fn new(expected: impl Into<String>, parse: impl Fn(&str) -> Option<T> + 'static) -> Self {
        Self { expected: expected.into(), secret: false, absent: None, parse: Box::new(parse) }
    }

    /// The same, hidden.
    fn hidden(self) -> Self {
        Self { secret: true, ..self }
    }
}

/// Any text.
pub(super) fn text() -> Kind<String> {
    Kind::new("a text", |text| Some(text.to_owned()))
}

/// A text without which nothing works and which nobody may see.
pub(super) fn secret(expected: &str) -> Kind<Secret> {
    Kind::new(expected, |text| Some(Secret::new(text))).hidden()
}

/// A secret that other secrets are derived from.
pub(super) fn long_secret() -> Kind<Secret> {
    Kind::new("a random secret of 16 characters or more", |text| (text.len() >= 16).then(|| Secret::new(text))).hidden()
}

/// Several secrets, all of which count.
pub(super) fn secrets(expected: &str) -> Kind<Vec<Secret>> {
    let parse = |text: &str| {
        let parts: Vec<Secret> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Secret::new).collect();
        (!parts.is_empty()).then_some(parts)
    };
    Kind::new(expected, parse).hidden()
}

/// What may be left out.
pub(super) fn optional<T: 'static>(kind: Kind<T>) -> Kind<Option<T>> {
    let Kind { expected, secret, parse, .. } = kind;
    Kind { expected, secret, absent: Some(|| None), parse: Box::new(move |text| parse(text).map(Some)) }
}

/// Where to listen.
pub(super) fn address() -> Kind<SocketAddr> {
    Kind::new("an address and port, such as 127.0.0.1:8080", |text| text.parse().ok())
}

/// A URL that paths are appended to.
pub(super) fn url() -> Kind<String> {
    let parse = |text: &str| {
        let known = text.starts_with("http://") || text.starts_with("https://");
        known.then(|| text.trim_end_matches('/').to_owned())
    };
    Kind::new("an http or https URL", parse)
}

/// A whole number between two, both included.
pub(super) fn whole<T>(unit: &'static str, min: T, max: T) -> Kind<T>
where
    T: FromStr + PartialOrd + Display + 'static,
{
    let expected = format!("a whole number of {unit} from {min} to {max}");
    Kind::new(expected, move |text| text.parse().ok().filter(|value| (&min..=&max).contains(&value)))
}

/// A duration, longer than nothing.
pub(super) fn milliseconds() -> Kind<Duration> {
    let Kind { expected, parse, .. } = whole("ms", 1, 3_600_000_u64);
    Kind::new(expected, move |text| parse(text).map(Duration::from_millis))
}

/// A duration up to a day.
pub(super) fn seconds() -> Kind<Duration> {
    let Kind { expected, parse, .. } = whole("s", 1, 86_400_u64);
    Kind::new(expected, move |text| parse(text).map(Duration::from_secs))
}

/// Ranges of addresses; none, if nothing is given.
pub(super) fn networks() -> Kind<Vec<Network>> {
    let parse = |text: &str| text.split(',').map(|part| part.trim().parse().ok()).collect();
    let kind = Kind::new("addresses or networks such as 10.0.0.0/8, separated by commas", parse);
    Kind { absent: Some(Vec::new), ..kind }
}

/// Yes or no.
pub(super) fn flag() -> Kind<bool> {
    Kind::new("true or false", |text| text.parse().ok())
}

/// A currency as Stripe writes it.
pub(super) fn currency() -> Kind<String> {
    let parse = |text: &str| {
        let good = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        good.then(|| text.to_owned())
    };
    Kind::new("three lowercase letters", parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_to_their_range_and_durations_to_their_unit() {
        let percent = whole("percent", 0, 100);
        let read: Vec<Option<i32>> = ["0", "100", "101", "-1", "x", "1.5"].map(&percent.parse).into();
        assert_eq!(read, [Some(0), Some(100), None, None, None, None]);
        assert_eq!((milliseconds().parse)("1500"), Some(Duration::from_millis(1_500)));
        assert_eq!((seconds().parse)("1500"), Some(Duration::from_secs(1_500)));
        assert_eq!((seconds().parse)("0"), None);
    }

    #[test]
    fn a_rolled_secret_is_a_list_and_lists_need_something_in_them() {
        let read = (secrets("x").parse)("whsec_a, whsec_b,").unwrap();
        assert_eq!(read, [Secret::new("whsec_a"), Secret::new("whsec_b")]);
        assert_eq!((secrets("x").parse)(" , "), None);
    }

    #[test]
    fn a_url_loses_its_last_slash_and_has_a_scheme() {
        assert_eq!((url().parse)("https://h/x/").as_deref(), Some("https://h/x"));
        assert_eq!((url().parse)("ftp://h"), None);
        assert_eq!((currency().parse)("USD"), None);
    }
}
