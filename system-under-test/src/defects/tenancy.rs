//! Ten ways around row-level security that look right in a review.

use super::planted::Change::{In, Sql};
use super::planted::{Family, Planted};

pub(super) const FAMILY: Family = Family { title: "Tenants", defects: DEFECTS };

/// All of them are found by the same check, in the case that probes every table.
const fn leak(
    name: &'static str,
    wrong: &'static str,
    incident: &'static str,
    overlay: &'static [super::planted::Change],
) -> Planted {
    Planted { name, wrong, incident, caught_by: "tenants.isolated", scenario: "CF-23", overlay, parts: &[] }
}

const DEFECTS: &[Planted] = &[
    leak(
        "tenant-plain-view",
        "A view over purchases reads with the rights of its owner, so every tenant sees all of them.",
        "PostgreSQL before security_invoker, and every view since that forgets it.",
        &[Sql("CREATE VIEW purchase_list AS SELECT id, workspace_id, total, created_at FROM purchases;
               ALTER VIEW purchase_list OWNER TO marketplace_money;
               GRANT SELECT ON purchase_list TO marketplace_app")],
    ),
    leak(
        "tenant-definer-function",
        "A SECURITY DEFINER function for a report takes the workspace as an argument and believes it.",
        "Audit finding: an RPC endpoint that runs as its owner, one id away from everybody's data.",
        &[Sql("CREATE FUNCTION emails_of(p_workspace uuid) RETURNS SETOF text
               LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
                   SELECT recipient FROM emails WHERE workspace_id = p_workspace
               $$;
               GRANT EXECUTE ON FUNCTION emails_of(uuid) TO marketplace_app")],
    ),
    leak(
        "tenant-materialized-view",
        "A materialised view of sales, for speed, knows no policies at all.",
        "Audit finding: a dashboard's cache table, readable by every role that reads the dashboard.",
        &[Sql("CREATE MATERIALIZED VIEW sales AS
                   SELECT workspace_id, count(*) AS purchases, sum(total) AS spent FROM purchases GROUP BY workspace_id;
               GRANT SELECT ON sales TO marketplace_app")],
    ),
    leak(
        "tenant-security-off",
        "Row-level security of one table was switched off for a data fix and never on again.",
        "Lovable 2025 (CVE-2025-48757): tables of generated applications without row-level security.",
        &[Sql("ALTER TABLE credit_purchases DISABLE ROW LEVEL SECURITY")],
    ),
    leak(
        "tenant-owned-by-requests",
        "The role that requests run as owns a table whose row-level security is not forced: owners pass by it.",
        "Audit finding: migrations and requests as one role, ENABLE without FORCE.",
        &[Sql("ALTER TABLE commissions NO FORCE ROW LEVEL SECURITY;
               ALTER TABLE commissions OWNER TO marketplace_app")],
    ),
    leak(
        "tenant-unset-sees-all",
        "A policy lets a session without a tenant see every row, for the convenience of scripts.",
        "CVE-2024-10976 and its like: policies that are there and do not apply.",
        &[Sql("DROP POLICY tenant ON purchases;
               CREATE POLICY tenant ON purchases TO marketplace_app
                   USING (workspace_id = current_workspace() OR current_workspace() IS NULL)")],
    ),
    leak(
        "tenant-rows-moved",
        "A policy checks which rows are changed and not what they become: a tenant moves its rows into another's.",
        "Audit finding: WITH CHECK (true), copied from the policy for reading.",
        &[Sql("GRANT UPDATE ON campaigns TO marketplace_app;
               DROP POLICY tenant ON campaigns;
               CREATE POLICY tenant ON campaigns TO marketplace_app
                   USING (workspace_id = current_workspace()) WITH CHECK (true)")],
    ),
    leak(
        "tenant-foreign-key",
        "A foreign key without the tenant in it accepts another tenant's row, and tells by that whether it exists.",
        "PostgreSQL's manual: referential integrity is checked without row-level security.",
        &[Sql("CREATE TABLE purchase_notes (
                   id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
                   workspace_id  uuid NOT NULL REFERENCES workspaces (id),
                   purchase_id   uuid NOT NULL,
                   note          text NOT NULL);
               ALTER TABLE purchases ADD CONSTRAINT purchases_by_id UNIQUE (id);
               ALTER TABLE purchase_notes ADD FOREIGN KEY (purchase_id) REFERENCES purchases (id);
               ALTER TABLE purchase_notes ENABLE ROW LEVEL SECURITY;
               ALTER TABLE purchase_notes FORCE ROW LEVEL SECURITY;
               CREATE POLICY tenant ON purchase_notes TO marketplace_app
                   USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
               GRANT SELECT, INSERT ON purchase_notes TO marketplace_app")],
    ),
    leak(
        "tenant-unique-value",
        "A value must be unique among all tenants: who tries one learns that another tenant has it.",
        "Audit finding: 'this address is already in use', asked a million times.",
        &[Sql("CREATE TABLE coupons (
                   id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
                   workspace_id  uuid NOT NULL REFERENCES workspaces (id),
                   code          text NOT NULL CONSTRAINT coupons_code_key UNIQUE);
               ALTER TABLE coupons ENABLE ROW LEVEL SECURITY;
               ALTER TABLE coupons FORCE ROW LEVEL SECURITY;
               CREATE POLICY tenant ON coupons TO marketplace_app
                   USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
               GRANT SELECT, INSERT ON coupons TO marketplace_app")],
    ),
    leak(
        "tenant-setting-outlives",
        "The tenant is set for the session instead of for the db_tx: a pooled connection carries it into the next \
         request.",
        "Audit finding: SET instead of SET LOCAL behind a connection pool.",
        &[In {
            function: "enter_workspace",
            replace: "v_member.workspace_id::text, true)",
            with: "v_member.workspace_id::text, false)",
        }],
    ),
];
