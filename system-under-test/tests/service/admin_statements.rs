//! How many statements a page of the back office takes, however much it shows.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::admin_api::dead_letters;
use crate::staff::Browser;
use crate::world::World;

/// The statements that sqlx sends on this thread, as it tells them to `tracing`.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Visit for Statements {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "summary" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The functions that the service calls for a page, apart from its limits and from what its worker asks for.
async fn calls(statements: &Statements, browser: &Browser, path: &str) -> Vec<String> {
    statements.0.lock().unwrap().clear();
    browser.page(path).await;
    let seen = statements.0.lock().unwrap().clone();
    let ours = ["read_", "list_", "count_", "reconcile_"];
    seen.iter()
        .filter_map(|sql| sql.trim_matches('"').strip_prefix("SELECT * FROM "))
        .filter(|call| ours.iter().any(|start| call.starts_with(start)))
        .map(|call| call.split('(').next().unwrap().to_owned())
        .collect()
}

// On one thread, so that what is told is told to this test alone.
#[tokio::test]
async fn a_page_takes_the_same_few_statements_however_much_it_shows() {
    // With a single subscriber in the program, a statement that another test's thread sends first is off for good:
    // tracing then asks that thread, which has none. Of two it asks both, wherever they are.
    let _second = tracing::Dispatch::new(Statements::default());
    let statements = Statements::default();
    let _told = tracing::subscriber::set_default(statements.clone());
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 5_000).await);
    let browser = Browser::member(&world, "admin").await;
    let pages: [(&str, &[&str]); 7] = [
        ("/admin", &["read_session", "read_overview"]),
        ("/admin/dead-letters", &["read_session", "list_dead_letters"]),
        ("/admin/purchases", &["read_session", "list_purchases"]),
        ("/admin/credits", &["read_session", "list_audit"]),
        ("/admin/jobs", &["read_session", "count_jobs", "list_jobs"]),
        ("/admin/commissions", &["read_session", "reconcile_commissions"]),
        ("/admin/audit", &["read_session", "list_audit"]),
    ];
    let one = world.lead(&partner, 10, 500).await;
    world.buy(0, &buyer, "first", &[one]).await;
    let mut lengths = Vec::new();
    for (path, expected) in pages {
        assert_eq!(calls(&statements, &browser, path).await, expected, "{path}");
        lengths.push(browser.page(path).await.len());
    }
    for n in 0..20 {
        let lead = world.lead(&partner, 10, 5).await;
        assert_eq!(world.buy(0, &buyer, &format!("k{n}"), &[lead]).await.0, 201);
    }
    dead_letters(&world, 20).await;
    for ((path, expected), before) in pages.into_iter().zip(lengths) {
        assert_eq!(calls(&statements, &browser, path).await, expected, "{path}");
        if ["/admin/dead-letters", "/admin/purchases"].contains(&path) {
            assert!(browser.page(path).await.len() > before + 1_000, "{path} shows more");
        }
    }
    world.end().await;
}
