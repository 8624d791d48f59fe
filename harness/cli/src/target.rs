//! Finds a target by name or path, reads it, and refuses what cannot work before anything starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use overdraft_engine::{
    fill,
    http::{self, PrepareError},
    provision::network::{self, NetworkError},
    values,
};
use overdraft_model::{
    codec,
    target::{HttpOperation, Target},
};
use overdraft_scenarios::catalogue;
use serde_json::json;

use crate::{exit::Failure, nearest};

/// The target that comes with the program.
const REFERENCE: &str = include_str!("../../../fixtures/targets/reference.toml");

/// Operations that scenarios know by themselves; a file may map others for cases that name them.
const KNOWN: [&str; 4] = ["purchase", "buy-credits", "read-balance", "read-lead"];

/// A target as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) target: Target,
    /// Its text, for the configuration's hash.
    pub(crate) text: String,
    /// What to type to name it again.
    pub(crate) name: String,
    /// The folder of its file.
    pub(crate) folder: PathBuf,
}

/// Reads a target by name or path.
pub(crate) fn load(name: &str) -> Result<Loaded, Failure> {
    let (text, place, folder) = if name == "reference" {
        (REFERENCE.to_owned(), "the built-in target `reference`".to_owned(), PathBuf::from("."))
    } else {
        let path = Path::new(name);
        if !path.exists() && !name.contains(['/', '.']) {
            let known = nearest::suggest("target", name, &["reference"]);
            return Err(Failure::usage(format!("{known} Or give the path of a target file.")));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read the target file {name}: {error}")))?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        (text, name.to_owned(), folder)
    };
    let target: Target = codec::read_toml(&text).map_err(|error| Failure::usage(format!("{place}: {error}")))?;
    check(&target).map_err(|problem| Failure::usage(format!("{place}: {problem}")))?;
    Ok(Loaded { target, text, name: name.to_owned(), folder })
}

fn check(target: &Target) -> Result<(), String> {
    check_service(target)?;
    check_operations(target)?;
    check_stated(target)?;
    let scenarios = catalogue::scenarios().map_err(|(file, error)| format!("built-in {file}: {error}"))?;
    let checks = overdraft_checkers::catalogue::CHECKS.iter().map(|check| check.id);
    let known: Vec<&str> = checks.chain(scenarios.iter().map(|scenario| scenario.id.as_str())).collect();
    for id in target.skip.keys() {
        let own =
            target.invariants.iter().any(|invariant| Some(invariant.name.as_str()) == id.strip_prefix("invariant."));
        if !known.contains(&id.as_str()) && !own && overdraft_checkers::validate_metric(id).is_err() {
            return Err(format!("skip: {}", nearest::suggest("check or scenario", id, &known)));
        }
    }
    if target.setup.workspace.is_empty() {
        return Err("setup.workspace is empty: say how a workspace is created, by sql or by a request".into());
    }
    Ok(())
}

/// What the file promises speaks of operations that it maps, and each invariant has a name of its own.
fn check_stated(target: &Target) -> Result<(), String> {
    let mapped = |place: String, name: &str| match target.operations.get(name) {
        Some(map) => Ok(map),
        None => {
            let known: Vec<&str> = target.operations.keys().map(String::as_str).collect();
            Err(format!("{place}: {}", nearest::suggest("operation", name, &known)))
        }
    };
    for (kind, limit) in &target.limits {
        if limit.requests == 0 || limit.per.ms() == 0 {
            return Err(format!("limits.{kind}: `requests` and `per` must be more than 0"));
        }
        for name in limit.operations.iter().chain(&limit.changed_by) {
            mapped(format!("limits.{kind}"), name)?;
        }
    }
    for (kind, order) in &target.statuses {
        let map = mapped(format!("statuses.{kind}"), &order.operation)?;
        if !map.capture.contains_key(&order.status) {
            let (operation, status) = (&order.operation, &order.status);
            return Err(format!("statuses.{kind}: operations.{operation} captures no `{status}`"));
        }
    }
    let mut names = BTreeSet::new();
    for invariant in &target.invariants {
        let name = &invariant.name;
        if name.is_empty() || name.contains(['.', ' ']) || !names.insert(name) {
            return Err(format!("invariants: `{name}` must be a name of its own, without dots and spaces"));
        }
    }
    Ok(())
}

fn check_service(target: &Target) -> Result<(), String> {
    let service = &target.service;
    match (service.base_urls.is_empty(), service.command.is_empty()) {
        (true, true) => return Err("service: give either `command`, to start instances, or `base_urls`".into()),
        (false, false) => return Err("service: give either `command` or `base_urls`, not both".into()),
        (false, true) if target.database.url.is_none() => {
            return Err("service.base_urls: a service that already runs has a database: give `database.url`".into());
        }
        _ => {}
    }
    if service.instances == 0 || service.instances > 16 {
        return Err(format!("service.instances: {} is not between 1 and 16", service.instances));
    }
    for (place, path) in [
        ("service.ready", Some(&service.ready)),
        ("webhook.path", target.webhook.as_ref().map(|webhook| &webhook.path)),
    ] {
        if path.is_some_and(|path| !path.starts_with('/')) {
            return Err(format!("{place}: a path begins with `/`"));
        }
    }
    let names = ["database_url", "stripe_url", "email_url", "alert_url", "webhook_secret", "seed", "overdraft", "dir"];
    let mut values: fill::Values = names.map(|name| (name.to_owned(), json!("sample"))).into();
    let texts = |values: &fill::Values, place: &str, texts: &[String]| -> Result<(), String> {
        texts.iter().try_for_each(|text| fill::text(text, values).map(drop)).map_err(|e| format!("{place}: {e}"))
    };
    texts(&values, "service.prepare", &service.prepare)?;
    values.insert("port".into(), json!(1));
    values.insert("instance".into(), json!(1));
    texts(&values, "service.command", &service.command)?;
    texts(&values, "service.env", &service.env.values().cloned().collect::<Vec<_>>())?;
    values.insert("defect".into(), json!("sample"));
    texts(&values, "service.defect_args", &service.defect_args)
}

fn check_operations(target: &Target) -> Result<(), String> {
    let mut samples = values::samples(target);
    for map in target.operations.values() {
        samples.extend(map.capture.keys().map(|name| (name.clone(), json!("sample"))));
    }
    for (name, map) in &target.operations {
        let mut samples = samples.clone();
        if let Some(meant) = misspelt(name, &target.operations) {
            return Err(format!("operations: `{name}` is nearly {meant}: name it so, or something else"));
        }
        loop {
            match http::prepare(map, &samples, "http://127.0.0.1") {
                Ok(_) => break,
                Err(PrepareError::Fill(unknown)) if values::may_be_captured(target, &unknown.placeholder) => {
                    samples.insert(unknown.placeholder, json!("sample"));
                }
                // What a case gives along is known only to the case.
                Err(PrepareError::Fill(unknown))
                    if !KNOWN.contains(&name.as_str()) && !unknown.placeholder.contains('.') =>
                {
                    samples.insert(unknown.placeholder, json!("sample"));
                }
                Err(error) => return Err(format!("operations.{name}: {error}")),
            }
        }
        if !map.path.starts_with('/') {
            return Err(format!("operations.{name}.path: a path begins with `/`"));
        }
        for (capture, pointer) in &map.capture {
            if !pointer.starts_with('/') && !pointer.starts_with(http::HEADER) {
                return Err(format!(
                    "operations.{name}.capture.{capture}: `{pointer}` is no JSON pointer, begin with `/` or `header:`"
                ));
            }
        }
    }
    Ok(())
}

/// A known operation that the file does not map and that this name nearly spells: then it is most likely meant.
fn misspelt(name: &str, mapped: &BTreeMap<String, HttpOperation>) -> Option<&'static str> {
    let near = |known: &&str| strsim::damerau_levenshtein(name, known) <= 2;
    KNOWN.into_iter().filter(|known| !mapped.contains_key(*known)).find(near)
}

/// Refuses addresses that are not this machine's, unless both file and command line allow them.
pub(crate) fn check_network(target: &Target, database_url: Option<&str>, allow: bool) -> Result<(), Failure> {
    if target.allow_remote && allow {
        return Ok(());
    }
    let urls = target.service.base_urls.iter().map(String::as_str).chain(target.database.url.as_deref());
    urls.chain(database_url).try_for_each(require_loopback)
}

/// Refuses an address that is not this machine's.
pub(crate) fn require_loopback(url: &str) -> Result<(), Failure> {
    network::require_loopback(url).map_err(|error| match error {
        // Not shown: it may hold a password, which is what makes most of them unreadable.
        NetworkError::NoHost(_) if url.contains('@') => Failure::usage(
            "the URL of a service or database is not a URL with a host; in its password write %23 for #, \
             %2F for /, %3F for ? and %40 for @",
        ),
        NetworkError::NoHost(_) | NetworkError::Remote { .. } => Failure::usage(error.to_string()),
    })
}

/// Operations and parts that a workload needs and the target does not map.
pub(crate) fn missing<'a>(target: &Target, needs: &[Need<'a>]) -> BTreeSet<&'a str> {
    needs
        .iter()
        .filter_map(|need| match need {
            Need::Operation(name) => (!target.operations.contains_key(*name)).then_some(*name),
            Need::Webhook => target.webhook.is_none().then_some("webhook"),
            Need::Clock => target.clock.is_none().then_some("clock"),
        })
        .collect()
}

/// What a workload needs of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need<'a> {
    /// A mapped operation.
    Operation(&'a str),
    /// A webhook endpoint.
    Webhook,
    /// A clock that can be moved.
    Clock,
}

/// The names of the evidence tables that a target maps.
pub(crate) fn mapped(target: &Target) -> Vec<String> {
    let queries = serde_json::to_value(&target.evidence).unwrap_or_default();
    let names = queries.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    names.filter(|name| name != "session").collect()
}

#[cfg(test)]
mod tests {
    use overdraft_model::operation::Operation;

    use super::*;

    fn changed(from: &str, to: &str) -> Result<(), String> {
        assert!(REFERENCE.contains(from), "{from}");
        let target: Target = codec::read_toml(&REFERENCE.replace(from, to)).map_err(|error| error.to_string())?;
        check(&target)
    }

    #[test]
    fn the_reference_is_sound_and_maps_every_operation() {
        assert_eq!(changed("name", "name"), Ok(()));
        // A column that the setup's SQL returns is known only once it has run.
        assert_eq!(changed("Bearer {workspace.token}", "Bearer {workspace.number}"), Ok(()));
        assert_eq!(
            changed("[email]", "[skip]\n\"latency.purchase\" = \"r\"\n\"errors.*\" = \"r\"\nCF-20 = \"r\"\n\n[email]"),
            Ok(())
        );
        let target: Target = codec::read_toml(REFERENCE).unwrap();
        assert!(KNOWN.iter().all(|name| target.operations.contains_key(*name)));
        assert!(KNOWN.iter().all(|name| Operation::NAMES.contains(name)));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        for (from, to, expected) in [
            ("{key}", "{kee}", "operations.buy-credits: `{kee}` stands for nothing here"),
            ("[operations.purchase]", "[operations.purchaze]", "nearly purchase"),
            ("/v1/balance", "v1/balance", "a path begins with `/`"),
            ("Bearer {workspace.token}", "Bearer {token}", "`{token}` stands for nothing here"),
            ("[email]", "[skip]\nCF-99 = \"r\"\n\n[email]", "check or scenario"),
            ("instances = 2", "instances = 0", "not between 1 and 16"),
            ("operations = [\"purchase\"]", "operations = [\"purchases\"]", "limits.purchases: "),
            ("capture = { status = \"/status\" }", "capture = { state = \"/status\" }", "captures no `status`"),
            ("name = \"ledger-sum\"", "name = \"ledger sum\"", "without dots and spaces"),
            ("instances = 2", "instancez = 2", "unknown field `instancez`"),
            ("{database_url}", "{database}", "service.env: `{database}` stands for nothing"),
            ("\"/health/ready\"", "\"/x\"\nbase_urls = [\"http://127.0.0.1:1\"]", "not both"),
        ] {
            let error = changed(from, to).unwrap_err();
            assert!(error.contains(expected), "{from} -> {to}: {error}");
        }
    }
}
