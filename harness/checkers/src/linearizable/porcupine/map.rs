//! One flat map of EDN on one line: `:name value` pairs.

/// A value of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Between quotes.
    Text(String),
    /// Anything else, as it stands there.
    Bare(String),
}

impl Value {
    /// A word without quotes.
    pub(super) fn bare(&self) -> Option<&str> {
        match self {
            Self::Bare(word) => Some(word),
            Self::Text(_) => None,
        }
    }

    /// A text or a single word, in either spelling; none for `nil` and for what has parts.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bare(word) if word == "nil" || word.contains(['{', '[', '(', '"']) => None,
            Self::Bare(word) => Some(word),
        }
    }
}

/// The fields of a map, by name; none if it is not one, or says something twice.
pub(super) fn map(line: &str) -> Option<Vec<(&str, Value)>> {
    let mut rest = line.strip_prefix('{')?.strip_suffix('}')?.trim_start();
    let mut fields: Vec<(&str, Value)> = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.strip_prefix(':')?.split_once(char::is_whitespace)?;
        let behind = behind.trim_start();
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => text(quoted).map(|(text, behind)| (Value::Text(text), behind))?,
            None => bare(behind)?,
        };
        if fields.iter().any(|(known, _)| *known == name) {
            return None;
        }
        fields.push((name, value));
        rest = behind.trim_start_matches([',', ' ', '\t']);
    }
    Some(fields)
}

/// A quoted text up to its closing quote, and what follows.
fn text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

/// A value without quotes, with all its parts if it has some, and what follows.
fn bare(rest: &str) -> Option<(Value, &str)> {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(letter) = rest[at..].chars().next() {
        at += match letter {
            ',' | ' ' | '\t' if depth == 0 => break,
            '"' => 1 + rest[at + 1..].len() - text(&rest[at + 1..])?.1.len(),
            _ => letter.len_utf8(),
        };
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (depth == 0 && at > 0).then(|| (Value::Bare(rest[..at].to_owned()), &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_have_parts_and_quotes_are_kept_apart() {
        let read = map(r#"{:process :nemesis,	:value {:n1 #{"a, }" :b}, :n2 []} :key "nil", :other nil}"#).unwrap();
        let bare = |text: &str| Value::Bare(text.to_owned());
        let expected = [
            ("process", bare(":nemesis")),
            ("value", bare(r#"{:n1 #{"a, }" :b}, :n2 []}"#)),
            ("key", Value::Text("nil".into())),
            ("other", bare("nil")),
        ];
        assert_eq!(read, expected);
        assert_eq!(
            read.iter().map(|(_, value)| value.word()).collect::<Vec<_>>(),
            [Some(":nemesis"), None, Some("nil"), None]
        );
        for broken in ["{:a 1, :a 1}", "{:a [1}", "{:a 1]}", "{:a \"x}", "{:a }", "{a 1}", "{:a 1", "{:a}"] {
            assert_eq!(map(broken), None, "{broken}");
        }
    }
}
