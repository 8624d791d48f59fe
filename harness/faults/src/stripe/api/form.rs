//! Stripe's request bodies: form-encoded, nested by brackets (`line_items[0][price_data][currency]=eur`).

use serde_json::{Map, Value};

/// How deep brackets may nest. Stripe's own parameters need six.
const DEEPEST: usize = 10;

/// A parsed body or query. Lists are kept as Stripe reads them: objects whose keys are numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form(Value);

/// Why a body could not be read: the parameter at which it failed.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("Invalid parameter: {0}")]
pub(super) struct FormError(pub(super) String);

impl Form {
    /// Reads a form-encoded text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, FormError> {
        let mut root = Value::Object(Map::new());
        for (name, value) in url::form_urlencoded::parse(text) {
            let wrong = || FormError(name.clone().into_owned());
            let path = path_of(&name).ok_or_else(wrong)?;
            insert(&mut root, &path, &value).ok_or_else(wrong)?;
        }
        Ok(Self(root))
    }

    /// The parameter at a path of names.
    fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.0, |value, name| value.get(name))
    }

    /// A text that is present and not empty. Stripe reads an empty text as "unset".
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether a parameter is there in any shape.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.at(path).is_some()
    }

    /// The entries of a list, in the order of their indices.
    pub(super) fn list(&self, path: &[&str]) -> Vec<(u64, Form)> {
        let mut entries: Vec<_> = self
            .at(path)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(index, value)| Some((index.parse().ok()?, Form(value.clone()))))
            .collect();
        entries.sort_by_key(|(index, _)| *index);
        entries
    }

    /// The texts of a list.
    pub(super) fn texts(&self, path: &[&str]) -> Vec<String> {
        self.list(path).into_iter().filter_map(|(_, entry)| entry.0.as_str().map(str::to_owned)).collect()
    }

    /// An object of texts, such as `metadata`. Empty values unset their key.
    pub(super) fn map(&self, path: &[&str]) -> Map<String, Value> {
        let entries = self.at(path).and_then(Value::as_object).into_iter().flatten();
        entries
            .filter(|(_, value)| value.as_str().is_some_and(|text| !text.is_empty()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// One spelling for equal parameters, whatever order they came in.
    pub(super) fn canonical(&self) -> String {
        self.0.to_string()
    }
}

fn path_of(name: &str) -> Option<Vec<&str>> {
    let Some((first, rest)) = name.split_once('[') else { return Some(vec![name]) };
    let inner = rest.strip_suffix(']')?;
    let path: Vec<&str> = std::iter::once(first).chain(inner.split("][")).collect();
    (!first.is_empty() && path.len() <= DEEPEST).then_some(path)
}

fn insert(value: &mut Value, path: &[&str], text: &str) -> Option<()> {
    let Some((name, rest)) = path.split_first() else {
        *value = Value::String(text.to_owned());
        return Some(());
    };
    let object = value.as_object_mut()?;
    // `expand[]=…` appends.
    let name = if name.is_empty() { object.len().to_string() } else { (*name).to_owned() };
    let child = if rest.is_empty() { Value::Null } else { Value::Object(Map::new()) };
    insert(object.entry(name).or_insert(child), rest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_brackets_lists_and_escapes() {
        let form = Form::parse(
            b"mode=payment&line_items[0][price_data][unit_amount]=250&line_items[0][quantity]=2&line_items[10][quantity]=4\
              &line_items[2][quantity]=3&metadata%5Bworkspace%5D=buyer+1%26co&expand[]=a&expand[]=b&cancel_url=",
        )
        .unwrap();
        assert_eq!(form.text(&["mode"]), Some("payment"));
        let quantities: Vec<_> = form
            .list(&["line_items"])
            .iter()
            .map(|(index, line)| (*index, line.text(&["quantity"]).unwrap().to_owned()))
            .collect();
        assert_eq!(quantities, [(0, "2".into()), (2, "3".into()), (10, "4".into())]);
        assert_eq!(form.text(&["line_items", "0", "price_data", "unit_amount"]), Some("250"));
        assert_eq!(form.map(&["metadata"])["workspace"], "buyer 1&co");
        assert_eq!(form.texts(&["expand"]), ["a", "b"]);
        assert_eq!(form.text(&["cancel_url"]), None);
    }

    #[test]
    fn order_does_not_matter_to_the_canonical_spelling() {
        let one = Form::parse(b"a[x]=1&b=2").unwrap().canonical();
        assert_eq!(one, Form::parse(b"b=2&a[x]=1").unwrap().canonical());
        assert_ne!(one, Form::parse(b"b=2&a[x]=2").unwrap().canonical());
    }

    #[test]
    fn refuses_what_is_both_text_and_object_or_not_closed() {
        assert_eq!(Form::parse(b"a=1&a[b]=2"), Err(FormError("a[b]".into())));
        assert_eq!(Form::parse(b"a[b=2"), Err(FormError("a[b".into())));
        assert!(Form::parse(b"a[b][c][d][e][f][g][h][i][j][k]=1").is_err());
    }
}
