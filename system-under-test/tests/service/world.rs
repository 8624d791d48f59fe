//! A migrated database, two instances, the stubs, and what the tests do with them.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use overdraft_reference::{Defect, ServeOptions, Settings, migrate, serve};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stub::{Stub, serve as serve_stub};
use crate::support::Database;

/// Both instances believe what is signed with it.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_world";

/// Everything a test needs.
pub(crate) struct World {
    database: Database,
    /// The back office: every connection has set the role `marketplace_operator`.
    pub(crate) operator: PgPool,
    pub(crate) stub: Arc<Stub>,
    providers: String,
    extra: Vec<(&'static str, &'static str)>,
    instances: Vec<String>,
    client: reqwest::Client,
    stop: CancellationToken,
    serving: Vec<tokio::task::JoinHandle<()>>,
}

/// An instance that will be killed.
pub(crate) struct Doomed(tokio::runtime::Runtime);

impl Doomed {
    /// Ends it in the middle of what it does: nothing is finished, nothing is said to anybody.
    pub(crate) fn kill(self) {
        self.0.shutdown_background();
    }
}

/// A workspace with one member.
pub(crate) struct Tenant {
    pub(crate) workspace: Uuid,
    pub(crate) key: String,
}

impl World {
    /// Starts it all; with a defect, in both instances and the database.
    pub(crate) async fn start(defect: Option<Defect>) -> Self {
        Self::start_with(defect, &[]).await
    }

    /// The same, with settings of its own.
    pub(crate) async fn start_with(defect: Option<Defect>, given: &[(&'static str, &'static str)]) -> Self {
        Self::start_some(defect, 2, given).await
    }

    /// The same, with so many instances.
    pub(crate) async fn start_some(
        defect: Option<Defect>,
        instances: usize,
        extra: &[(&'static str, &'static str)],
    ) -> Self {
        let (count, extra) = (instances, extra.to_vec());
        let database = Database::create().await;
        let url = database.url();
        // Twice, and at once: migrating is safe to repeat and to race.
        let (one, two) = tokio::join!(migrate(&url, defect), migrate(&url, defect));
        one.unwrap();
        two.unwrap();
        let operator = PgPoolOptions::new()
            .max_connections(4)
            .after_connect(|connection, _| {
                Box::pin(
                    async move { sqlx::query("SET ROLE marketplace_operator").execute(connection).await.map(|_| ()) },
                )
            })
            .connect(&url)
            .await
            .unwrap();
        let stub = Arc::new(Stub::default());
        let providers = serve_stub(stub.clone()).await;
        let stop = CancellationToken::new();
        let client = reqwest::Client::new();
        let (mut instances, mut serving) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let port = free_port();
            let settings = settings(&url, port, &providers, &extra);
            let stopped = stop.clone().cancelled_owned();
            let options = ServeOptions { defect, test_clock: true };
            serving.push(tokio::spawn(async move { serve(settings, options, stopped).await.unwrap() }));
            instances.push(format!("http://127.0.0.1:{port}"));
        }
        let world = Self { database, operator, stub, providers, extra, instances, client, stop, serving };
        for instance in &world.instances {
            world.until_ready(instance).await;
        }
        world
    }

    /// One more instance, in a runtime of its own: [`Doomed::kill`] ends it as SIGKILL would.
    pub(crate) async fn doomed(&self) -> Doomed {
        let port = free_port();
        let settings = settings(&self.database.url(), port, &self.providers, &self.extra);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = ServeOptions { test_clock: true, ..ServeOptions::default() };
        drop(runtime.spawn(serve(settings, options, std::future::pending())));
        self.until_ready(&format!("http://127.0.0.1:{port}")).await;
        Doomed(runtime)
    }

    async fn until_ready(&self, instance: &str) {
        for _ in 0..1_200 {
            let ready = self.client.get(format!("{instance}/health/ready")).send().await;
            if ready.is_ok_and(|r| r.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{instance} did not become ready");
    }

    /// Stops both instances gracefully and drops the database.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        for instance in self.serving {
            instance.await.unwrap();
        }
        self.operator.close().await;
        self.database.drop().await;
    }

    /// A workspace with a member of this role and these credits.
    pub(crate) async fn tenant(&self, role: &str, credits: i64) -> Tenant {
        let (workspace, member) = (Uuid::new_v4(), Uuid::new_v4());
        let key = format!("key_{}", member.simple());
        let hash = Sha256::digest(key.as_bytes()).to_vec();
        let text = workspace.to_string();
        sqlx::query("INSERT INTO workspaces (id, name) VALUES ($1::uuid, $2)")
            .bind(&text)
            .bind("workspace")
            .execute(&self.operator)
            .await
            .unwrap();
        sqlx::query("INSERT INTO accounts (workspace_id, kind) VALUES ($1::uuid, 'credits')")
            .bind(&text)
            .execute(&self.operator)
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO members (id, workspace_id, email, role, api_key_hash) VALUES ($1, $2::uuid, $3, $4, $5)",
        )
        .bind(member)
        .bind(&text)
        .bind(format!("{member}@example.test"))
        .bind(role)
        .bind(hash)
        .execute(&self.operator)
        .await
        .unwrap();
        let tenant = Tenant { workspace, key };
        if credits > 0 {
            self.grant(&tenant, credits, &format!("fixture_{workspace}")).await;
        }
        tenant
    }

    /// Gives credits, as fixtures do.
    pub(crate) async fn grant(&self, tenant: &Tenant, credits: i64, reference: &str) {
        sqlx::query("SELECT grant_credits($1, $2::bigint, $3)")
            .bind(tenant.workspace)
            .bind(credits)
            .bind(reference)
            .execute(&self.operator)
            .await
            .unwrap();
    }

    /// The key of a new member of staff.
    pub(crate) async fn staff(&self, role: &str) -> String {
        let key = format!("staff_{}", Uuid::new_v4().simple());
        sqlx::query("INSERT INTO staff (email, role, api_key_hash) VALUES ($1, $2, $3)")
            .bind(format!("{key}@example.test"))
            .bind(role)
            .bind(Sha256::digest(key.as_bytes()).to_vec())
            .execute(&self.operator)
            .await
            .unwrap();
        key
    }

    /// A lead of `owner`.
    pub(crate) async fn lead(&self, owner: &Tenant, price: i64, max_sales: i32) -> Uuid {
        sqlx::query_scalar(
            "INSERT INTO leads (workspace_id, title, price, max_sales) VALUES ($1, $2, $3, $4) RETURNING id",
        )
        .bind(owner.workspace)
        .bind("a lead")
        .bind(price)
        .bind(max_sales)
        .fetch_one(&self.operator)
        .await
        .unwrap()
    }

    /// The base URL of instance `n`.
    pub(crate) fn address(&self, n: usize) -> String {
        self.instances[n % self.instances.len()].clone()
    }

    /// The database, as a request sees it.
    pub(crate) async fn app_role(&self) -> PgPool {
        self.role("marketplace_app").await
    }

    /// The database, as this role sees it.
    pub(crate) async fn role(&self, role: &str) -> PgPool {
        let options: sqlx::postgres::PgConnectOptions = self.database.url().parse().unwrap();
        PgPoolOptions::new().connect_with(options.options([("role", role)])).await.unwrap()
    }

    /// One value, as the operator.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.operator).await.unwrap()
    }

    /// Statements as the login user, who owns the schema: to break what a test wants broken.
    pub(crate) async fn as_owner(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut self.owner().await).await.unwrap();
    }

    /// A connection of the login user.
    pub(crate) async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.database.url()).await.unwrap()
    }

    /// One number, as the login user.
    pub(crate) async fn owner_count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.owner().await).await.unwrap()
    }

    /// One truth, as the login user.
    pub(crate) async fn owner_bool(&self, sql: &'static str) -> bool {
        sqlx::query_scalar(sql).fetch_one(&mut self.owner().await).await.unwrap()
    }

    /// An email of this event in the outbox.
    pub(crate) async fn queue_email(&self, tenant: &Tenant, event: &str) {
        sqlx::query("SELECT queue_email($1, $2, 'test', 'somebody@example.test', 'subject', 'body')")
            .bind(tenant.workspace)
            .bind(event)
            .execute(&mut self.owner().await)
            .await
            .unwrap();
    }

    /// Whether every balance is the sum of its entries and of its lots, none is negative, a wallet knows its
    /// debt, and the ledger sums to zero.
    pub(crate) async fn ledger_is_sound(&self) -> bool {
        self.count(
            "SELECT count(*) FROM accounts a WHERE kind <> 'platform' AND (kind = 'credits' AND balance < 0 OR balance <>
               (SELECT coalesce(sum(amount), 0) FROM entries WHERE account_id = a.id))",
        )
        .await
            == 0
            && self.count(
                "SELECT count(*) FROM accounts a WHERE kind = 'credits' AND (
                   balance <> (SELECT coalesce(sum(remaining), 0) FROM lots l WHERE l.workspace_id = a.workspace_id)
                   OR owed <> -(SELECT coalesce(sum(balance), 0) FROM accounts d
                                WHERE d.workspace_id = a.workspace_id AND d.kind = 'debt'))",
        )
        .await
            == 0
            && self.count("SELECT coalesce(sum(amount), 0)::bigint FROM entries").await == 0
    }

    /// The database's URL, as the login user.
    pub(crate) fn database_url(&self) -> String {
        self.database.url()
    }

    /// The base URL of instance `n`.
    pub(crate) fn instance(&self, n: usize) -> &str {
        &self.instances[n % self.instances.len()]
    }

    /// Sends a request to instance `n`; an empty key is none.
    pub(crate) async fn send(
        &self,
        n: usize,
        method: &str,
        path: &str,
        key: &str,
        idempotency: &str,
        body: &Value,
    ) -> Response {
        let url = format!("{}{path}", self.instances[n % self.instances.len()]);
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(key);
        if !idempotency.is_empty() {
            request = request.header("Idempotency-Key", idempotency);
        }
        if method == "POST" || method == "PUT" {
            request = request.body(body.to_string());
        }
        request.send().await.unwrap()
    }

    /// Buys leads; status and body.
    pub(crate) async fn buy(&self, n: usize, tenant: &Tenant, idempotency: &str, leads: &[Uuid]) -> (u16, Value) {
        let body = json!({ "lead_ids": leads });
        let response = self.send(n, "POST", "/v1/purchases", &tenant.key, idempotency, &body).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Reads; status and body.
    pub(crate) async fn get(&self, tenant: &Tenant, path: &str) -> (u16, Value) {
        self.get_as(&tenant.key, path).await
    }

    /// Reads with a key; status and body.
    pub(crate) async fn get_as(&self, key: &str, path: &str) -> (u16, Value) {
        let response = self.send(0, "GET", path, key, "", &Value::Null).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Puts a body; the status.
    pub(crate) async fn put(&self, n: usize, path: &str, body: &Value) -> u16 {
        let url = format!("{}{path}", self.instances[n % self.instances.len()]);
        self.client.put(url).body(body.to_string()).send().await.unwrap().status().as_u16()
    }

    /// The database's URL, as the login user.
    pub(crate) fn url(&self) -> String {
        self.database.url()
    }

    /// The balance as the API tells it.
    pub(crate) async fn balance(&self, tenant: &Tenant) -> i64 {
        self.get(tenant, "/v1/balance").await.1["balance"].as_i64().unwrap()
    }

    /// Delivers an event to instance `n`, signed now.
    pub(crate) async fn deliver(&self, n: usize, event: &Value) -> u16 {
        let (body, t) = (event.to_string(), chrono::Utc::now().timestamp());
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{t}.{body}").as_bytes());
        let v1: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        self.deliver_raw(n, &format!("t={t},v1={v1}"), body).await
    }

    /// Delivers a body with a signature header as given.
    pub(crate) async fn deliver_raw(&self, n: usize, signature: &str, body: String) -> u16 {
        let url = format!("{}/webhooks/stripe", self.instances[n % self.instances.len()]);
        let sent = self.client.post(url).header("Stripe-Signature", signature).body(body).send().await;
        sent.unwrap().status().as_u16()
    }

    /// Waits until `is` holds.
    pub(crate) async fn until(&self, what: &str, is: impl AsyncFn() -> bool) {
        for _ in 0..800 {
            if is().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("not within 20 s: {what}");
    }

    /// Waits until no job, event, email or alert is outstanding.
    pub(crate) async fn until_quiet(&self) {
        for _ in 0..1_200 {
            if self.count("SELECT sum(waiting)::bigint FROM outstanding_work").await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("work is still outstanding after 30 s");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn settings(database_url: &str, port: u16, providers: &str, extra: &[(&str, &str)]) -> Settings {
    let value = |name: &str| {
        // `{providers}` stands for the stubs' address.
        if let Some((_, value)) = extra.iter().find(|(known, _)| *known == name) {
            return Some(value.replace("{providers}", providers));
        }
        Some(match name {
            "DATABASE_URL" => database_url.to_owned(),
            "LISTEN" => format!("127.0.0.1:{port}"),
            "STRIPE_API_BASE" | "EMAIL_API_BASE" => providers.to_owned(),
            "ALERT_HOOK_URL" => format!("{providers}/hook"),
            "STRIPE_API_KEY" | "EMAIL_API_KEY" => "key".to_owned(),
            "STRIPE_WEBHOOK_SECRET" => WEBHOOK_SECRET.to_owned(),
            "KEY_SECRET" => "a secret of the tests".to_owned(),
            "JOB_BACKOFF_BASE_MS" => "100".to_owned(),
            "JOB_POLL_MS" => "50".to_owned(),
            "PARKED_ATTEMPTS" => "5".to_owned(),
            "EXPIRY_TICK_MS" => "50".to_owned(),
            // Only the tests of the limits are slowed down by them.
            name if name.starts_with("RATE_LIMIT_") && !name.ends_with("_MS") => "0".to_owned(),
            _ => return None,
        })
    };
    Settings::from_env(value).unwrap()
}
