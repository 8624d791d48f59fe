//! The prober on the reference: nothing leaks, each planted leak is found, and docs/tenancy.md is up to date.

use overdraft_model::{
    codec::read_toml,
    target::Target,
    tenancy::{Report, Rules, Severity},
    verdict::Validity,
};
use overdraft_tenancy::{markdown::markdown, probe};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::Database;

const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/targets/reference.toml");
const PLANTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/tenancy/reference");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tenancy.md");

/// Each planted leak: its file, the kind of the finding that names it, and a part of the object's name.
const PLANTS: &[(&str, &str, &str)] = &[
    ("plain_view", "plain-view", "purchase_list"),
    ("definer_function", "definer-function", "balance_of(uuid)"),
    ("no_force", "no-force", "accounts"),
    ("using_without_check", "inserts-for-others", "credit_purchases"),
    ("foreign_key", "foreign-key", "remarks."),
    ("cascade", "cascade", "notes."),
    ("truncate", "truncate", "purchases"),
    ("unique_oracle", "unique-oracle", "members (members_email_key)"),
    ("setting_outlives", "setting-outlives", "become_workspace(uuid)"),
    ("partition_child", "partition-child", "visits_2026"),
];

fn rules() -> Rules {
    read_toml::<Target>(&std::fs::read_to_string(TARGET).unwrap()).unwrap().tenancy
}

async fn report(planted: &[String]) -> Report {
    let database = Database::create().await;
    overdraft_reference::migrate(&database.url(), None).await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for sql in planted {
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap();
    }
    let report = probe(&mut connection, &rules()).await.unwrap();
    connection.close().await.unwrap();
    database.drop().await;
    report
}

fn findings(report: &Report, severity: Severity) -> Vec<String> {
    report.of(severity).map(|finding| format!("{} {}: {}", finding.kind, finding.object, finding.shown)).collect()
}

/// Run again with OVERDRAFT_BLESS=1 to write the document, and read what changed: who sees what did.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaks_and_the_document_is_up_to_date() {
    let report = report(&[]).await;
    let untried: Vec<String> = report
        .not_exercised()
        .map(|p| format!("{} {}: {} `{}`", p.object, p.operation.word(), p.seen, p.statement))
        .collect();
    let unused: Vec<String> = rules()
        .allow
        .into_keys()
        .filter(|name| !report.declared.keys().any(|used| used.split('(').next() == Some(name)))
        .collect();
    let (leaks, weaknesses) = (findings(&report, Severity::Leak), findings(&report, Severity::Weakness));
    // What is declared, and needs it no longer, would hide the next leak of that name.
    assert_eq!((leaks, weaknesses, untried, unused), Default::default());
    assert_eq!(report.validity(), Validity::Valid);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let document = markdown(&report);
    if std::env::var_os("OVERDRAFT_BLESS").is_some() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    assert!(std::fs::read_to_string(DOCUMENT).unwrap_or_default() == document, "docs/tenancy.md is not up to date");
}

/// All in one database: each is on an object of its own, and is found by that name.
#[tokio::test(flavor = "multi_thread")]
async fn each_planted_leak_is_found() {
    let read = |file: &str| std::fs::read_to_string(format!("{PLANTED}/{file}.sql")).unwrap();
    let planted: Vec<String> = PLANTS.iter().map(|(file, ..)| read(file)).collect();
    let report = report(&planted).await;
    for (file, kind, object) in PLANTS {
        // FORCE binds no superuser, and the tests' owner is one: it is the one plant that reaches nothing here.
        let severity = if *kind == "no-force" { Severity::Weakness } else { Severity::Leak };
        let found = report.of(severity).any(|finding| finding.kind == *kind && finding.object.contains(object));
        assert!(found, "{file}: no {kind} of {object} in {:?}", findings(&report, severity));
    }
    assert_eq!(report.validity(), Validity::Invalid);
}
