//! Quoting, and the rows of a query as values.

/// An identifier, quoted.
pub(crate) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, quoted; right whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A text or NULL, quoted, of a type.
pub(crate) fn value(text: Option<&str>, of_type: &str) -> String {
    text.map_or_else(|| "NULL".into(), |text| format!("{}::{of_type}", literal(text)))
}

/// The texts between single quotes.
pub(crate) fn quoted_texts(text: &str) -> Vec<String> {
    text.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a name is called in a text: as a whole word before an opening parenthesis.
pub(crate) fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].trim_start_matches('"').trim_start();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && after.starts_with('(')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_end_where_they_should() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("\\x00"), "E'\\\\x00'");
        assert_eq!(value(None, "uuid"), "NULL");
        assert_eq!(quoted_texts("x = ANY (ARRAY['a'::text, 'b'::text])"), ["a", "b"]);
    }

    #[test]
    fn a_call_is_a_whole_word() {
        assert!(calls("(id = current_workspace())", "current_workspace"));
        assert!(!calls("(id = my_current_workspace())", "current_workspace"));
        assert!(!calls("current_workspace_id()", "current_workspace"));
    }
}
