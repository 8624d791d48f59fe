//! Chaos Toolkit's experiments: the method of one, as a timetable of faults that we share.
//!
//! Source: the experiment format of Chaos Toolkit (chaostoolkit.org/reference/api/experiment) and the actions of its
//! Toxiproxy driver, chaostoxi. An action that cannot be injected here is refused, never skipped: an experiment
//! that was half done would look like one that was done.

mod journal;

use overdraft_model::{
    fault::{Fault, Window, toxic::ToxicAction},
    span::Span,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::journal::{Outcome, journal};

/// Our own faults, as a provider's module: `func` is the fault's kind, `arguments` its fields and `for`.
const OURS: &str = "overdraft";
/// The Toxiproxy driver's toxics.
const TOXICS: &str = "chaostoxi.toxic.actions";
/// The Toxiproxy driver's proxies.
const PROXIES: &str = "chaostoxi.proxy.actions";

/// An experiment's method, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// The file as it is.
    pub file: Value,
    /// The timetable.
    pub windows: Vec<Window>,
    /// What each activity of the method does, in order.
    deeds: Vec<Deed>,
}

/// What an activity does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    /// It opens this window.
    Inject(usize),
    /// It closes this one.
    Heal(usize),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// Why a file is no experiment that can be run here.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// Not JSON, or not an experiment.
    #[error("{0}; an experiment is JSON with a `method`")]
    Json(#[from] serde_json::Error),
    /// An activity that cannot be done here.
    #[error("method, activity `{activity}`: {problem}")]
    Activity {
        /// Its name.
        activity: String,
        /// Why not.
        problem: String,
    },
    /// Nothing to inject.
    #[error("the method injects nothing")]
    Nothing,
}

#[derive(Deserialize)]
struct File {
    method: Vec<Activity>,
}

#[derive(Deserialize)]
struct Activity {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    provider: Map<String, Value>,
    #[serde(default)]
    pauses: Pauses,
}

/// Seconds.
#[derive(Default, Deserialize)]
struct Pauses {
    #[serde(default)]
    before: f64,
    #[serde(default)]
    after: f64,
}

/// Reads an experiment. Its activities follow each other as in its method, with their pauses; a toxic stays until
/// the method deletes it, a disabled proxy until the method enables it, and everything else until driving ends.
///
/// # Errors
/// Fails with the activity that cannot be done here.
pub fn read(text: &str) -> Result<Experiment, ExperimentError> {
    let file: Value = serde_json::from_str(text)?;
    let File { method } = File::deserialize(&file)?;
    let mut reading = Reading::default();
    for activity in &method {
        reading.now_ms += ms(activity.pauses.before);
        let deed = reading.activity(activity);
        let named = |problem| ExperimentError::Activity { activity: activity.name.clone(), problem };
        reading.deeds.push(deed.map_err(named)?);
        reading.now_ms += ms(activity.pauses.after);
    }
    if reading.windows.is_empty() {
        return Err(ExperimentError::Nothing);
    }
    Ok(Experiment { file, windows: reading.windows, deeds: reading.deeds })
}

#[derive(Default)]
struct Reading {
    now_ms: u64,
    windows: Vec<Window>,
    /// What is in place, by proxy and toxic.
    open: Vec<((String, String), usize)>,
    deeds: Vec<Deed>,
}

impl Reading {
    fn activity(&mut self, activity: &Activity) -> Result<Deed, String> {
        if activity.kind == "probe" {
            return Ok(Deed::Nothing("probes are not run here: the checks judge"));
        }
        let text = |name: &str| activity.provider.get(name).and_then(Value::as_str).unwrap_or_default();
        let (module, func) = (text("module"), text("func"));
        let none = Map::new();
        let arguments = activity.provider.get("arguments").and_then(Value::as_object).unwrap_or(&none);
        let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match (module, func) {
            (OURS, kind) => self.ours(kind, arguments),
            (TOXICS, "delete_toxic") => self.heal((argument("for_proxy"), argument("toxic_name"))),
            (TOXICS, func) => {
                let place = (argument("for_proxy"), argument("toxic_name"));
                let toxic = toxic(func, arguments)?;
                self.tcp(place, toxic)
            }
            (PROXIES, "disable_proxy") => {
                let place = (argument("proxy_name"), String::new());
                self.tcp(place, json!({ "action": ToxicAction::Down {} }))
            }
            (PROXIES, "enable_proxy") => self.heal((argument("proxy_name"), String::new())),
            (PROXIES, "create_proxy" | "modify_proxy") => Ok(Deed::Nothing("the proxies are there already")),
            _ => Err(format!(
                "`{module}.{func}` is none of the faults we share: {TOXICS}, {PROXIES} (enable, disable), and {OURS} \
                 with a fault's kind as `func` (docs/faults.md)"
            )),
        }
    }

    fn ours(&mut self, kind: &str, arguments: &Map<String, Value>) -> Result<Deed, String> {
        let mut fields = arguments.clone();
        let length = fields.remove("for").map(serde_json::from_value::<Span>).transpose();
        let length = length.map_err(|error| format!("for: {error}"))?;
        fields.insert("kind".into(), kind.into());
        let fault = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        Ok(self.inject(fault, length))
    }

    fn tcp(&mut self, place: (String, String), toxic: Value) -> Result<Deed, String> {
        let fault = json!({ "kind": "tcp", "between": place.0, "toxic": toxic });
        let fault = serde_json::from_value(fault).map_err(|error| format!("{error}; a proxy is named by its wire"))?;
        let deed = self.inject(fault, None);
        self.open.push((place, self.windows.len() - 1));
        Ok(deed)
    }

    fn inject(&mut self, fault: Fault, length: Option<Span>) -> Deed {
        self.windows.push(Window { at: Span::from_ms(self.now_ms), length, every: None, alone: false, fault });
        Deed::Inject(self.windows.len() - 1)
    }

    fn heal(&mut self, place: (String, String)) -> Result<Deed, String> {
        let at = self.open.iter().position(|(open, _)| *open == place);
        let at = at.ok_or_else(|| format!("nothing of that name is in place at {}", place.0))?;
        let (_, window) = self.open.remove(at);
        let since = self.windows[window].at.ms();
        self.windows[window].length = Some(Span::from_ms(self.now_ms.saturating_sub(since)));
        Ok(Deed::Heal(window))
    }
}

/// A toxic of the Toxiproxy driver, as this project's timetables spell it.
fn toxic(func: &str, arguments: &Map<String, Value>) -> Result<Value, String> {
    let fields = |names: &[(&str, &str)]| {
        let given =
            names.iter().filter_map(|(theirs, ours)| Some(((*ours).to_owned(), arguments.get(*theirs)?.clone())));
        given.collect::<Map<_, _>>()
    };
    let (kind, mut action) = match func {
        "create_toxic" => {
            let attributes = arguments.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default();
            (arguments.get("toxic_type").and_then(Value::as_str).unwrap_or_default(), attributes)
        }
        "create_latency_toxic" => ("latency", fields(&[("latency", "latency"), ("jitter", "jitter")])),
        "create_bandwith_degradation_toxic" => ("bandwidth", fields(&[("rate", "rate")])),
        "create_slow_connection_close_toxic" => ("slow_close", fields(&[("delay", "delay")])),
        "create_timeout_toxic" => ("timeout", fields(&[("timeout", "timeout")])),
        "create_slicer_toxic" => {
            let names = ["average_size", "size_variation", "delay"].map(|name| (name, name));
            ("slicer", fields(&names))
        }
        "create_limiter_toxic" => ("limit_data", fields(&[("bytes_limit", "bytes")])),
        other => return Err(format!("the Toxiproxy driver has no `{other}`")),
    };
    action.insert("type".into(), kind.into());
    let mut toxic = fields(&[("stream", "stream"), ("toxicity", "toxicity")]);
    toxic.insert("action".into(), Value::Object(action));
    Ok(Value::Object(toxic))
}

fn ms(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds).map_or(0, |pause| u64::try_from(pause.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(module: &str, func: &str, arguments: Value, after: f64) -> Value {
        json!({
            "type": "action", "name": func, "pauses": { "after": after },
            "provider": { "type": "python", "module": module, "func": func, "arguments": arguments },
        })
    }

    fn experiment(method: &[Value]) -> String {
        json!({ "title": "t", "description": "d", "method": method }).to_string()
    }

    #[test]
    fn a_method_becomes_windows_with_its_pauses() {
        let latency = json!({ "for_proxy": "service-stripe", "toxic_name": "slow", "latency": 300, "jitter": 20 });
        let text = experiment(&[
            json!({ "type": "probe", "name": "up", "provider": { "type": "http", "url": "http://x" }, "pauses": { "after": 1.5 } }),
            action(TOXICS, "create_latency_toxic", latency, 2.0),
            action(PROXIES, "disable_proxy", json!({ "proxy_name": "service-email" }), 0.5),
            action(TOXICS, "delete_toxic", json!({ "for_proxy": "service-stripe", "toxic_name": "slow" }), 0.0),
            action(OURS, "instances-killed", json!({ "which": "one", "for": "700ms" }), 0.0),
        ]);
        let read = read(&text).unwrap();
        let shown: Vec<_> = read.windows.iter().map(|w| (w.at.ms(), w.length.map(Span::ms), w.fault.name())).collect();
        assert_eq!(shown, [(1_500, Some(2_500), "tcp"), (3_500, None, "tcp"), (4_000, Some(700), "instances-killed")]);
        assert_eq!(
            read.deeds,
            [
                Deed::Nothing("probes are not run here: the checks judge"),
                Deed::Inject(0),
                Deed::Inject(1),
                Deed::Heal(0),
                Deed::Inject(2)
            ]
        );
        let Fault::Tcp { toxic, .. } = &read.windows[0].fault else { panic!("{:?}", read.windows[0]) };
        assert_eq!(toxic.action, ToxicAction::Latency { latency: 300, jitter: 20 });
    }

    #[test]
    fn every_toxic_of_the_driver_is_known() {
        for (func, arguments) in [
            (
                "create_toxic",
                json!({ "toxic_type": "reset_peer", "attributes": { "timeout": 5 }, "toxicity": 0.5, "stream": "upstream" }),
            ),
            ("create_bandwith_degradation_toxic", json!({ "rate": 10 })),
            ("create_slow_connection_close_toxic", json!({ "delay": 10 })),
            ("create_timeout_toxic", json!({ "timeout": 10 })),
            ("create_slicer_toxic", json!({ "average_size": 10, "size_variation": 2, "delay": 5 })),
            ("create_limiter_toxic", json!({ "bytes_limit": 10 })),
        ] {
            let mut arguments = arguments;
            arguments["for_proxy"] = "clients-service".into();
            arguments["toxic_name"] = "t".into();
            read(&experiment(&[action(TOXICS, func, arguments, 0.0)]))
                .unwrap_or_else(|error| panic!("{func}: {error}"));
        }
    }

    #[test]
    fn what_cannot_be_done_here_is_refused_by_its_name() {
        let gone = json!({ "for_proxy": "service-email", "toxic_name": "t" });
        for (method, expected) in [
            (vec![action("chaosaws.ec2.actions", "stop_instance", json!({}), 0.0)], "stop_instance"),
            (vec![action(TOXICS, "delete_toxic", gone, 0.0)], "nothing of that name"),
            (vec![action(OURS, "instances-kiled", json!({}), 0.0)], "instances-kiled"),
            (vec![action(PROXIES, "disable_proxy", json!({ "proxy_name": "redis" }), 0.0)], "named by its wire"),
            (vec![], "injects nothing"),
        ] {
            let error = read(&experiment(&method)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read("{}").unwrap_err().to_string().contains("method"));
    }
}
