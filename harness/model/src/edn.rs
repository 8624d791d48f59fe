//! A history in EDN, one map per line, as Jepsen writes its `history.edn`: for its checkers and viewers.
//!
//! Every operation keeps its name as `:f` and what it asked as `:value`; its completion repeats both and adds
//! `:answer`. Times are nanoseconds, `:intended` is when the client meant to ask. What the nemesis did is `:info`
//! of the process `:nemesis`, as it is in Jepsen. Phases and scenarios, which Jepsen does not have, are `:scenario`
//! on each operation, and `:info` of the process `:overdraft`.

use std::{collections::HashMap, fmt::Write};

use serde_json::Value;

use crate::{
    history::{Body, Event},
    operation::Operation,
};

/// The events of a run as EDN.
#[must_use]
pub fn history(events: &[Event]) -> String {
    let mut text = String::new();
    let mut scenario = "";
    let mut asked: HashMap<u64, (u64, &Operation)> = HashMap::new();
    for event in events {
        let mut map = Map::new(&mut text, event);
        match &event.body {
            Body::Scenario { name } => {
                scenario = name;
                map.keywords("info", ":overdraft", "scenario").value(&Value::String(name.clone()));
            }
            Body::Phase { phase } => {
                map.keywords("info", ":overdraft", "phase").value(&json(phase));
            }
            Body::Invoke { op, process, intended, operation } => {
                asked.insert(*op, (*process, operation));
                map.keywords("invoke", &process.to_string(), operation.name()).value(&arguments(operation));
                map.entry("op", &json(op)).entry("intended", &json(intended));
            }
            Body::Return { op, outcome, answer } => {
                if let Some((process, operation)) = asked.get(op) {
                    let kind = outcome.to_string();
                    map.keywords(&kind, &process.to_string(), operation.name()).value(&arguments(operation));
                    map.entry("op", &json(op)).entry("answer", &json(answer));
                }
            }
            Body::Race { name, operations, planned, spread, release, apart } => {
                map.keywords("info", ":overdraft", "race").value(&Value::String(name.clone()));
                map.entry("operations", &json(operations)).entry("planned", &json(planned));
                map.entry("spread", &json(spread)).entry("release", &json(release)).entry("apart", &json(apart));
            }
            Body::Step { step, operations } => {
                map.keywords("info", ":overdraft", "step").value(&json(step)).entry("operations", &json(operations));
            }
            Body::Act { what } => {
                map.keywords("info", ":nemesis", "act").value(&Value::String(what.clone()));
            }
            Body::Counted { operation, boundaries, skipped } => {
                map.keywords("info", ":overdraft", "counted").value(&json(boundaries));
                map.entry("operation", &json(operation)).entry("skipped", &json(skipped));
            }
            Body::Struck(struck) => {
                map.keywords("info", ":nemesis", "struck").value(&json(struck));
            }
            Body::Inject { fault, what } => {
                map.keywords("info", ":nemesis", "inject").value(&json(what)).entry("fault", &json(fault));
            }
            Body::Heal { fault, effects } => {
                map.keywords("info", ":nemesis", "heal").value(&json(effects)).entry("fault", &json(fault));
            }
            Body::Health { fault, ready, waited_ms } => {
                map.keywords("info", ":nemesis", "health").value(&json(ready)).entry("fault", &json(fault));
                map.entry("waited-ms", &json(waited_ms));
            }
        }
        map.entry("scenario", &Value::String(scenario.to_owned())).close();
    }
    text
}

/// One line in the making.
struct Map<'a> {
    text: &'a mut String,
}

impl<'a> Map<'a> {
    fn new(text: &'a mut String, event: &Event) -> Self {
        let _ = write!(text, "{{:index {}, :time {}", event.index, event.time);
        Self { text }
    }

    fn keywords(&mut self, kind: &str, process: &str, f: &str) -> &mut Self {
        let _ = write!(self.text, ", :type :{kind}, :process {process}, :f :{f}");
        self
    }

    fn value(&mut self, value: &Value) -> &mut Self {
        self.entry("value", value)
    }

    fn entry(&mut self, key: &str, value: &Value) -> &mut Self {
        let _ = write!(self.text, ", :{key} ");
        edn(self.text, value);
        self
    }

    fn close(&mut self) {
        self.text.push_str("}\n");
    }
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// What an operation asked, without its name.
fn arguments(operation: &Operation) -> Value {
    let mut value = json(operation);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("f");
    }
    value
}

fn edn(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("nil"),
        Value::Bool(_) | Value::Number(_) => {
            let _ = write!(text, "{value}");
        }
        Value::String(string) => quoted(text, string),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                edn(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                if keyword(name) {
                    let _ = write!(text, ":{name} ");
                } else {
                    quoted(text, name);
                    text.push(' ');
                }
                edn(text, field);
            }
            text.push('}');
        }
    }
}

/// Whether a name can be a keyword without a question.
fn keyword(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
}

fn quoted(text: &mut String, string: &str) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        history::Phase,
        operation::{Answer, Outcome},
    };

    #[test]
    fn a_call_its_answer_and_a_heal_are_jepsens_maps() {
        let operation = Operation::Purchase {
            workspace: "buyer-1".into(),
            leads: vec!["a".into(), "b".into()],
            key: "k\"1".into(),
        };
        let fields = [("balance".to_owned(), json!(70)), ("a b".to_owned(), json!({ "x": null, "y": 1.5 }))];
        let answer = Answer { status: Some(201), fields: fields.into(), ..Answer::default() };
        let bodies = [
            Body::Scenario { name: "sale".into() },
            Body::Phase { phase: Phase::Drive },
            Body::Invoke { op: 9, process: 4, intended: 15, operation },
            Body::Return { op: 9, outcome: Outcome::Ok, answer },
            Body::Heal { fault: 0, effects: 3 },
        ];
        let event = |(index, body)| Event { index, time: index * 10, body };
        let events: Vec<Event> = (0..).zip(bodies).map(event).collect();
        let asked = r#":process 4, :f :purchase, :value {:key "k\"1", :leads ["a" "b"], :workspace "buyer-1"}, :op 9"#;
        let answered = r#":answer {:fields {"a b" {:x nil, :y 1.5}, :balance 70}, :instance 0, :status 201}"#;
        let lines = [
            r#"{:index 0, :time 0, :type :info, :process :overdraft, :f :scenario, :value "sale", :scenario "sale"}"#
                .to_owned(),
            r#"{:index 1, :time 10, :type :info, :process :overdraft, :f :phase, :value "drive", :scenario "sale"}"#
                .to_owned(),
            format!(r#"{{:index 2, :time 20, :type :invoke, {asked}, :intended 15, :scenario "sale"}}"#),
            format!(r#"{{:index 3, :time 30, :type :ok, {asked}, {answered}, :scenario "sale"}}"#),
            r#"{:index 4, :time 40, :type :info, :process :nemesis, :f :heal, :value 3, :fault 0, :scenario "sale"}"#
                .to_owned(),
        ];
        assert_eq!(history(&events), lines.join("\n") + "\n");
    }
}
