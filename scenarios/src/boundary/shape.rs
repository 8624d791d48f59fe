//! Statements without their values, so that two that differ in nothing else are the same, and no value is recorded.

/// What stands for a value.
const HOLE: char = '?';

/// A statement with every literal and comment left out and white space evened.
pub(super) fn of(statement: &str) -> String {
    let mut shape = String::with_capacity(statement.len());
    let mut rest = statement.trim();
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let named = before.is_alphanumeric() || before == '_' || before == '$';
        let taken = match first {
            '\'' => quoted(rest, before == 'E' || before == 'e'),
            '$' if !named => dollar_quoted(rest),
            '0'..='9' if !named => rest.find(|c: char| !(c.is_alphanumeric() || c == '.')).or(Some(rest.len())),
            '-' if rest.starts_with("--") => rest.find('\n').or(Some(rest.len())),
            '/' if rest.starts_with("/*") => Some(rest.find("*/").map_or(rest.len(), |at| at + 2)),
            _ => None,
        };
        match taken {
            Some(length) => {
                if before != HOLE {
                    shape.push(HOLE);
                }
                before = HOLE;
                rest = &rest[length..];
            }
            None => {
                if first.is_whitespace() {
                    if !shape.ends_with(' ') {
                        shape.push(' ');
                    }
                    before = ' ';
                } else {
                    shape.push(first);
                    before = first;
                }
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    shape.trim_end().to_owned()
}

/// The length of a quoted text at the beginning; quotes are doubled inside, or with `escapes` follow a backslash.
fn quoted(text: &str, escapes: bool) -> Option<usize> {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if escapes => drop(letters.next()),
            '\'' if letters.peek().is_some_and(|(_, next)| *next == '\'') => drop(letters.next()),
            '\'' => return Some(at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// The length of a text in dollar quotes at the beginning; a parameter such as `$1` is none.
fn dollar_quoted(text: &str) -> Option<usize> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    let word = &tag[1..tag.len() - 1];
    let is_tag = word.chars().all(|c| c.is_alphanumeric() || c == '_') && !word.starts_with(|c: char| c.is_numeric());
    if !is_tag {
        return None;
    }
    Some(text[end..].find(tag).map_or(text.len(), |at| end + at + tag.len()))
}

/// A regular expression for every statement of this shape.
pub(super) fn pattern(shape: &str) -> String {
    let parts: Vec<String> = shape.split(HOLE).map(|part| regex::escape(part).replace(' ', r"\s+")).collect();
    format!(r"\A\s*(?s:{})\s*\z", parts.join(".*?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_comments_are_left_out() {
        for (statement, shape) in [
            ("SELECT * FROM purchase($1, $2)", "SELECT * FROM purchase($1, $2)"),
            ("SELECT  a1\n FROM t2 WHERE x = 12.5 AND y='it''s' ", "SELECT a1 FROM t2 WHERE x = ? AND y=?"),
            (r"SELECT E'a\'b', $$bo$dy$$, $t$x$t$, $1", "SELECT E?, ?, ?, $1"),
            ("SELECT 1 /* trace='77' */ -- secret", "SELECT ? ? ?"),
            ("COMMIT", "COMMIT"),
            ("SELECT 'unfinished", "SELECT ?"),
        ] {
            assert_eq!(of(statement), shape, "{statement}");
        }
    }

    #[test]
    fn a_pattern_finds_the_statements_of_its_shape_and_no_others() {
        let one = "UPDATE t SET a = 'x''y',\n  b = 3 WHERE id = $1";
        let pattern = regex::Regex::new(&pattern(&of(one))).unwrap();
        assert!(pattern.is_match(one));
        assert!(pattern.is_match("UPDATE t SET a = '', b = 77 WHERE id = $1 "));
        assert!(!pattern.is_match("UPDATE t SET a = 'x', b = 3 WHERE id = $2"));
        assert!(!pattern.is_match("EXPLAIN UPDATE t SET a = 'x', b = 3 WHERE id = $1"));
    }
}
