//! Gets, puts and appends, one map per line.

use super::{Fate, FormatError, Reading, is_type, lines, map::map, says_nothing};
use crate::linearizable::{
    Operations,
    specifications::{KeyValue, KeyValueCall},
};

const WANTED: &str = "{:process N, :type :invoke, :f :get, :key \"…\", :value nil}, and so on, nothing twice";

/// Reads gets, puts and appends, one map per line. A get's `nil` is the empty string: what was never put is empty.
///
/// # Errors
/// Fails on a map that says something else, on answers without a question, and if there is none.
pub fn key_value(text: &str) -> Result<Operations<KeyValue>, FormatError> {
    let mut reading = Reading::new();
    for line in lines(text) {
        reading.line += 1;
        let line = line.trim();
        if line.starts_with('{') {
            operation(&mut reading, line)?;
        }
    }
    reading.end()
}

fn operation(reading: &mut Reading<KeyValueCall, String>, line: &str) -> Result<(), FormatError> {
    let map = map(line).ok_or_else(|| reading.wrong(WANTED))?;
    let field = |name: &str| map.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    let bare = |name: &str| field(name).and_then(|value| value.bare()).ok_or_else(|| reading.wrong(WANTED));
    let process = bare("process")?;
    // Not a client, such as Jepsen's nemesis.
    if process.starts_with(':') {
        return Ok(());
    }
    let process = process.parse().map_err(|_| reading.wrong("a process number"))?;
    let (kind, f) = (bare("type")?, bare("f")?);
    if !is_type(kind) {
        return Err(reading.wrong(":invoke, :ok, :fail or :info"));
    }
    let key = field("key").and_then(|key| key.word()).ok_or_else(|| reading.wrong("a key"))?.to_owned();
    let value = field("value").ok_or_else(|| reading.wrong(WANTED))?;
    // It is said why there is no answer, or nothing, instead of what was asked.
    let unsaid = !(f == ":get" && kind == ":ok") && value.bare().is_some_and(|value| says_nothing(kind, value));
    let word = || value.word().map(str::to_owned).ok_or_else(|| reading.wrong("a text as the value"));
    let text = || if unsaid { Ok(String::new()) } else { word() };
    let call = match f {
        ":get" => KeyValueCall::Get(key),
        ":put" => KeyValueCall::Put(key, text()?),
        ":append" => KeyValueCall::Append(key, text()?),
        _ => return Err(reading.wrong(":get, :put or :append")),
    };
    let reads = matches!(call, KeyValueCall::Get(_));
    let fate = match kind {
        ":invoke" => return reading.invoke(process, call, reads),
        ":ok" if reads && value.bare() == Some("nil") => Fate::Answered(String::new()),
        ":ok" if reads => Fate::Answered(word()?),
        ":ok" => Fate::Answered(String::new()),
        // As with a register: a failure with a reason instead of the value may have happened.
        ":fail" if reads || !unsaid => Fate::Never,
        _ => Fate::Unclear,
    };
    let fits = |asked: &KeyValueCall| match unsaid {
        false => *asked == call,
        true => std::mem::discriminant(asked) == std::mem::discriminant(&call) && asked.key() == call.key(),
    };
    reading.complete(process, fits, fate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizable::Timed;

    fn get(key: &str, answer: &str) -> Timed<KeyValueCall, String> {
        Timed::answered(KeyValueCall::Get(key.into()), answer.into(), 1, 2)
    }

    #[test]
    fn fields_come_in_any_order_and_nobody_else_is_a_client() {
        let log = "\u{feff}{:type :invoke, :f :get, :value nil, :key \"a\", :process 0, :index 0}\n\
                   {:index 1, :key \"a\", :value \"x\", :f :get, :type :ok, :process 0}\n\
                   {:type :info, :f :partition, :value {\"n1\" #{\"n2\"}}, :process :nemesis}\n";
        assert_eq!(key_value(log), Ok(vec![get("a", "x")]));
        for strange in ["{:type :invoke, :f :get, :key \"a\", :value nil}", "{}", "{:process -1, :type :ok, :f :get}"] {
            assert!(matches!(key_value(strange), Err(FormatError::Line { line: 1, .. })), "{strange}");
        }
    }

    #[test]
    fn a_bare_nil_is_nothing_and_a_quoted_one_is_a_text() {
        let got = |value: &str| {
            key_value(&format!(
                "{{:process 0, :type :invoke, :f :get, :key \"a\", :value nil}}\n\
                 {{:process 0, :type :ok, :f :get, :key \"a\", :value {value}}}\n"
            ))
        };
        assert_eq!(got("nil"), Ok(vec![get("a", "")]));
        assert_eq!(got("\"nil\""), Ok(vec![get("a", "nil")]));
        for f in [":put", ":append"] {
            let nothing = format!("{{:process 0, :type :invoke, :f {f}, :key \"a\", :value nil}}");
            assert_eq!(key_value(&nothing), Err(FormatError::Line { line: 1, wanted: "a text as the value" }));
        }
    }

    #[test]
    fn an_answer_that_repeats_something_else_is_none() {
        let told = |kind: &str, key: &str, value: &str| {
            key_value(&format!(
                "{{:process 0, :type :invoke, :f :put, :key \"a\", :value \"1\"}}\n\
                 {{:process 0, :type {kind}, :f :put, :key \"{key}\", :value {value}}}\n"
            ))
        };
        for (kind, key, value) in [(":ok", "a", "\"2\""), (":fail", "a", "\"2\""), (":info", "b", "nil")] {
            assert_eq!(told(kind, key, value), Err(FormatError::NotAsked { line: 2, process: 0 }), "{kind} {value}");
        }
        assert_eq!(told(":ok", "a", "nil").unwrap()[0].output.as_deref(), Some(""), "nothing is no other value");
        assert!(told(":fail", "a", "\"1\"").unwrap().is_empty(), "it did not happen");
        for (kind, value) in [(":fail", ":timed-out"), (":info", "nil"), (":info", "\"1\"")] {
            assert_eq!(told(kind, "a", value).unwrap()[0].output, None, "{kind} {value} may have happened");
        }
    }
}
