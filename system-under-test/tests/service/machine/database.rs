//! The same operations on the real functions, each in a db_tx of its own, on as many connections as are at once.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use sqlx::PgPool;
use uuid::Uuid;

use super::model::{LIFETIME_DAYS, Model, Op, PARTNER, PRICE_CENTS, Step};

/// What can be spent of a wallet, its debt, and of each lot what is left and what expired.
pub(super) type Seen = (i64, i64, Vec<(i64, i64)>);

/// A workspace, what it can spend, its debt, by how much its books are off, and of each lot what is left and what
/// expired.
type Row = (Uuid, i64, i64, i64, Vec<i64>, Vec<i64>);

/// One case's workspaces, apart from those of all other cases.
pub(super) struct Shop<'a> {
    pool: &'a PgPool,
    staff: Uuid,
    workspaces: [Uuid; 3],
    orders: Vec<Uuid>,
    steps: usize,
}

/// The midnight that the model counts from.
fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000 / 86_400 * 86_400, 0).unwrap() + TimeDelta::hours(hours)
}

impl<'a> Shop<'a> {
    /// Three workspaces without credits.
    pub(super) async fn open(pool: &'a PgPool, staff: Uuid) -> Self {
        let workspaces = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
        sqlx::query(
            "WITH w AS (INSERT INTO workspaces (id, name) SELECT id, 'w' FROM unnest($1::uuid[]) AS id RETURNING id),
                  a AS (INSERT INTO accounts (workspace_id, kind) SELECT id, 'credits' FROM w)
             INSERT INTO members (workspace_id, email, role, api_key_hash)
             SELECT id, id || '@example.test', 'buyer', sha256(id::text::bytea) FROM w",
        )
        .bind(workspaces)
        .execute(pool)
        .await
        .unwrap();
        Self { pool, staff, workspaces, orders: Vec::new(), steps: 0 }
    }

    /// Does a step, which the model has done already.
    pub(super) async fn apply(&mut self, step: &Step, model: &Model) {
        self.steps += 1;
        match step {
            Step::One(op) => self.together(&[(op, 0)], model).await,
            Step::Thrice(op) => self.together(&[(op, 0); 3], model).await,
            Step::Both(first, second) => self.together(&[(first, 0), (second, 1)], model).await,
        }
    }

    /// Operations at once; those of the same number are the same request.
    async fn together(&mut self, ops: &[(&Op, usize)], model: &Model) {
        let mut calls = Vec::new();
        let mut last = None;
        for (op, number) in ops {
            if last != Some(*number) {
                self.prepare(op).await;
            }
            last = Some(*number);
        }
        for (op, number) in ops {
            calls.push(self.call(op, *number, model));
        }
        join_all(calls).await;
    }

    /// What an operation is about must be there first.
    async fn prepare(&mut self, op: &Op) {
        if let Op::Order { wallet, credits } = op {
            let id = Uuid::new_v4();
            sqlx::query(
                "INSERT INTO credit_purchases
                     (id, workspace_id, member_id, credits, amount_cents, currency, idempotency_key)
                 SELECT $1, workspace_id, id, $3, $3 * $4, 'usd', $1 FROM members WHERE workspace_id = $2",
            )
            .bind(id)
            .bind(self.workspaces[*wallet])
            .bind(credits)
            .bind(PRICE_CENTS)
            .execute(self.pool)
            .await
            .unwrap();
            self.orders.push(id);
        }
    }

    async fn call(&self, op: &Op, number: usize, model: &Model) {
        let now = at(model.now);
        let reference = format!("{}_{}_{number}", self.workspaces[0], self.steps);
        match *op {
            Op::Wait(_) | Op::Order { .. } => {}
            Op::Grant { wallet, credits, days } => {
                let call = sqlx::query("SELECT grant_credits($1, $2, $3, $4, 'earned', $5)");
                let call = call.bind(self.workspaces[wallet]).bind(credits).bind(reference).bind(now);
                call.bind(i32::try_from(days).unwrap()).execute(self.pool).await.unwrap();
            }
            Op::Adjust { wallet, credits } => {
                let call = sqlx::query("SELECT adjust_credits($1, $2, $3, 'why', $4, $5, $6)");
                let call = call.bind(self.staff).bind(self.workspaces[wallet]).bind(credits).bind(reference).bind(now);
                call.bind(i32::try_from(LIFETIME_DAYS).unwrap()).execute(self.pool).await.unwrap();
            }
            Op::Buy { wallet, price } => self.buy(wallet, price, &reference, now).await,
            Op::Sweep => self.sweep(now).await,
            Op::Pay { order } | Op::Refund { order, .. } | Op::Charge { order, .. } | Op::Dispute { order, .. } => {
                if let Some(order) = model.nth(order) {
                    self.tell(op, self.orders[order], model.order_credits(order) * PRICE_CENTS, now).await;
                }
            }
        }
    }

    async fn buy(&self, wallet: usize, price: i64, reference: &str, now: DateTime<Utc>) {
        // The lead's id follows from the reference, so that three at once want the same one.
        sqlx::query(
            "WITH lead AS (
                INSERT INTO leads (id, workspace_id, title, price, max_sales)
                VALUES (md5($3)::uuid, $1, 'lead', $2, 1) ON CONFLICT DO NOTHING RETURNING id)
             SELECT count(*) FROM lead",
        )
        .bind(self.workspaces[PARTNER])
        .bind(price)
        .bind(reference)
        .execute(self.pool)
        .await
        .unwrap();
        let status: i32 = sqlx::query_scalar(
            "SELECT status FROM purchase(sha256($1::text::bytea), $2, '\\x00', ARRAY[md5($2)::uuid], 20, 'r', 'http://x', $3, $4)",
        )
        .bind(self.workspaces[wallet])
        .bind(reference)
        .bind(now)
        .bind(i32::try_from(LIFETIME_DAYS).unwrap())
        .fetch_one(self.pool)
        .await
        .unwrap();
        assert!(matches!(status, 201 | 402), "{status}");
    }

    async fn sweep(&self, now: DateTime<Utc>) {
        for _ in 0..1_000 {
            let call = sqlx::query_scalar::<_, i32>("SELECT expire_credits($1, 100)").bind(now);
            if call.fetch_one(self.pool).await.unwrap() == 0 {
                return;
            }
        }
        panic!("the sweep does not end");
    }

    async fn tell(&self, op: &Op, order: Uuid, cents: i64, now: DateTime<Utc>) {
        let (intent, tenth) = (format!("pi_{order}"), cents / 10);
        let call = match *op {
            Op::Pay { .. } => sqlx::query_scalar("SELECT complete_credit_purchase(0, $1, $2, $3, 'usd', $4, $5)")
                .bind(order)
                .bind(intent)
                .bind(cents)
                .bind(now)
                .bind(i32::try_from(LIFETIME_DAYS).unwrap()),
            Op::Refund { tenths, undone, .. } => sqlx::query_scalar("SELECT note_refund(0, $1, $2, $3, $4, $5)")
                .bind(format!("re_{tenths}_{order}"))
                .bind(intent)
                .bind(tenths * tenth)
                .bind(undone)
                .bind(now),
            Op::Charge { tenths, .. } => sqlx::query_scalar("SELECT note_charge_refunded(0, $1, $2, $3, $4)")
                .bind(format!("ch_{order}"))
                .bind(intent)
                .bind(tenths * tenth)
                .bind(now),
            Op::Dispute { tenths, withdrawn, reinstated, .. } => {
                sqlx::query_scalar("SELECT note_dispute(0, $1, $2, $3, $4, $5, NULL, $6)")
                    .bind(format!("du_{tenths}_{order}"))
                    .bind(intent)
                    .bind(tenths * tenth)
                    .bind(withdrawn)
                    .bind(reinstated)
                    .bind(now)
            }
            _ => return,
        };
        let said: String = call.fetch_one(self.pool).await.unwrap();
        assert!(matches!(said.as_str(), "granted" | "already_granted" | "settled" | "unknown"), "{said}");
    }

    /// What the database has of each wallet: what can be spent, the debt, and every lot; and that its books agree.
    pub(super) async fn wallets(&self, model: &Model) -> Vec<Seen> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT a.workspace_id, spendable(a.workspace_id, $2), a.owed,
                    abs(a.balance - (SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account_id = a.id))
                    + abs(a.balance - coalesce(sum(l.remaining), 0)::bigint)
                    + abs(a.owed + coalesce((SELECT balance FROM accounts d
                                             WHERE d.workspace_id = a.workspace_id AND d.kind = 'debt'), 0)),
                    coalesce(array_agg(l.remaining ORDER BY l.id) FILTER (WHERE l.id IS NOT NULL), '{}'),
                    coalesce(array_agg(l.expired ORDER BY l.id) FILTER (WHERE l.id IS NOT NULL), '{}')
             FROM accounts a LEFT JOIN lots l ON l.workspace_id = a.workspace_id
             WHERE a.workspace_id = ANY ($1) AND a.kind = 'credits' GROUP BY a.id",
        )
        .bind(self.workspaces)
        .bind(at(model.now))
        .fetch_all(self.pool)
        .await
        .unwrap();
        let of = |workspace: &Uuid| {
            let (_, spendable, debt, off, remaining, expired) = rows.iter().find(|row| row.0 == *workspace).unwrap();
            assert_eq!(*off, 0, "entries, lots and balances of a wallet disagree");
            (*spendable, *debt, remaining.iter().copied().zip(expired.iter().copied()).collect())
        };
        self.workspaces.iter().map(of).collect()
    }
}
