//! A JSON document at rest. As a tree it takes some ten times the room of its text, and the books of a long run hold
//! tens of thousands: every event, every answer that a key remembers.

use serde_json::Value;

/// A document that is seldom looked at.
pub(super) struct Packed(Box<str>);

impl Packed {
    /// Packs it.
    pub(super) fn of(document: &Value) -> Self {
        Self(document.to_string().into())
    }

    /// The document as it was.
    pub(super) fn document(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was() {
        let document = json!({ "b": [1, -2, 0.5, u64::MAX], "a": { "\u{e9}\n": null, "t": true } });
        assert_eq!(Packed::of(&document).document(), document);
        assert_eq!(format!("{:#}", Packed::of(&document).document()), format!("{document:#}"));
    }
}
