-- What staff looks at: purchases of every workspace, commissions held against their rule, the audit log, and the
-- counts that need attention. One call per list; whoever may look may call, by an API key or a session.
--
-- The filters of a list are combined freely, so each call is planned for those it has: with the service's
-- generic plans, a search in one workspace would read the purchases of all.

CREATE INDEX purchases_by_time ON purchases (created_at DESC, id DESC);
CREATE INDEX credit_purchases_by_time ON credit_purchases (created_at DESC, id DESC);
CREATE INDEX credit_purchases_newest_first ON credit_purchases (workspace_id, created_at DESC, id DESC);

-- How far the payment of credits is, its way back included.
CREATE FUNCTION purchase_status(p_row credit_purchases) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN p_row.credits_back = 0 THEN p_row.status
            WHEN p_row.credits_back < p_row.credits THEN 'partly_refunded' ELSE 'refunded' END;

-- Purchases of leads ('leads') and of credits ('credits'), newest first, before the cursor. p_from is included,
-- p_to is not; p_least and p_most bound the credits. A filter that is NULL does not filter.
CREATE FUNCTION list_purchases(p_key_hash bytea, p_kind text, p_workspace uuid, p_lead uuid,
                               p_from timestamptz, p_to timestamptz, p_least bigint, p_most bigint,
                               p_status text, p_limit integer, p_before timestamptz, p_before_id uuid)
RETURNS TABLE (id uuid, kind text, workspace_id uuid, workspace text, buyer text, credits bigint,
               amount_cents bigint, currency text, status text, created_at timestamptz, leads jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY
    WITH sales AS (
        SELECT p.id, 'leads' AS kind, p.workspace_id, p.member_id, p.total AS credits, NULL::bigint AS amount_cents,
               NULL::text AS currency, 'completed' AS status, p.created_at
        FROM purchases p
        WHERE (p_kind IS NULL OR p_kind = 'leads') AND (p_status IS NULL OR p_status = 'completed')
          AND (p_workspace IS NULL OR p.workspace_id = p_workspace)
          AND (p_lead IS NULL
               OR p.id IN (SELECT i.purchase_id FROM purchase_items i WHERE i.lead_id = p_lead))
          AND (p_from IS NULL OR p.created_at >= p_from) AND (p_to IS NULL OR p.created_at < p_to)
          AND (p_least IS NULL OR p.total >= p_least) AND (p_most IS NULL OR p.total <= p_most)
          AND (p_before IS NULL OR (p.created_at, p.id) < (p_before, p_before_id))
        ORDER BY p.created_at DESC, p.id DESC LIMIT p_limit
    ), orders AS (
        SELECT c.id, 'credits' AS kind, c.workspace_id, c.member_id, c.credits, c.amount_cents, c.currency, told.status,
               c.created_at
        FROM credit_purchases c, purchase_status(c) AS told (status)
        WHERE (p_kind IS NULL OR p_kind = 'credits') AND p_lead IS NULL
          AND (p_status IS NULL OR told.status = p_status)
          AND (p_workspace IS NULL OR c.workspace_id = p_workspace)
          AND (p_from IS NULL OR c.created_at >= p_from) AND (p_to IS NULL OR c.created_at < p_to)
          AND (p_least IS NULL OR c.credits >= p_least) AND (p_most IS NULL OR c.credits <= p_most)
          AND (p_before IS NULL OR (c.created_at, c.id) < (p_before, p_before_id))
        ORDER BY c.created_at DESC, c.id DESC LIMIT p_limit
    ), page AS (
        SELECT * FROM (TABLE sales UNION ALL TABLE orders) AS found
        ORDER BY created_at DESC, id DESC LIMIT p_limit
    )
    SELECT page.id, page.kind, page.workspace_id, w.name, m.email, page.credits, page.amount_cents, page.currency,
           page.status, page.created_at,
           coalesce((SELECT jsonb_agg(jsonb_build_object('lead_id', l.id, 'title', l.title, 'price', i.price)
                                      ORDER BY l.id)
                     FROM purchase_items i JOIN leads l ON l.id = i.lead_id WHERE i.purchase_id = page.id), '[]')
    FROM page JOIN workspaces w ON w.id = page.workspace_id JOIN members m ON m.id = page.member_id
    ORDER BY page.created_at DESC, page.id DESC;
END $$;

-- Every partner's commissions on the sales of a period: what is due (of each lead's price the percentage that it was
-- sold at, rounded down), what was accrued in commissions, and what the ledger moved. The sales in which the three are not
-- the same are told one by one, at most p_limit of them per partner.
--
-- The ledger nets a purchase per account, so what it moved is told per purchase and partner; of a partner that buys
-- its own lead the entry is its commission less the total. Whoever was paid without having sold anything appears too.
CREATE FUNCTION reconcile_commissions(p_key_hash bytea, p_from timestamptz, p_to timestamptz, p_limit integer)
RETURNS TABLE (workspace_id uuid, workspace text, sales bigint, due bigint, accrued bigint, paid bigint,
               differing bigint, differences jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY
    WITH sold AS MATERIALIZED (
        SELECT p.id, p.workspace_id AS buyer, p.total, p.created_at FROM purchases p
        WHERE (p_from IS NULL OR p.created_at >= p_from) AND (p_to IS NULL OR p.created_at < p_to)
    ), told AS (
        SELECT s.id, l.workspace_id AS partner, 1 AS sales, i.price * i.commission_percent / 100 AS due, 0 AS accrued, 0 AS paid
        FROM sold s JOIN purchase_items i ON i.purchase_id = s.id JOIN leads l ON l.id = i.lead_id
        UNION ALL
        SELECT s.id, c.workspace_id, 0, 0, c.amount, 0 FROM sold s JOIN commissions c ON c.purchase_id = s.id
        UNION ALL
        SELECT s.id, a.workspace_id, 0, 0, 0, e.amount + CASE WHEN a.workspace_id = s.buyer THEN s.total ELSE 0 END
        FROM sold s JOIN transfers t ON t.reference = 'purchase_' || s.id
        JOIN entries e ON e.transfer_id = t.id JOIN accounts a ON a.id = e.account_id AND a.kind = 'credits'
    ), sums AS (
        SELECT id, partner, sum(sales)::bigint AS sales, sum(due)::bigint AS due, sum(accrued)::bigint AS accrued,
               sum(paid)::bigint AS paid
        FROM told GROUP BY id, partner HAVING sum(sales) > 0 OR sum(accrued) <> 0 OR sum(paid) <> 0
    ), numbered AS (
        SELECT sums.*, sold.created_at, (due <> accrued OR accrued <> paid) AS differs,
               row_number() OVER (PARTITION BY partner, due <> accrued OR accrued <> paid
                                  ORDER BY sold.created_at DESC, sums.id DESC) AS place
        FROM sums JOIN sold USING (id)
    )
    SELECT n.partner, w.name, sum(n.sales)::bigint, sum(n.due)::bigint, sum(n.accrued)::bigint, sum(n.paid)::bigint,
           count(*) FILTER (WHERE differs),
           coalesce(jsonb_agg(jsonb_build_object('purchase_id', n.id, 'created_at', n.created_at, 'due', n.due,
                                                 'accrued', n.accrued, 'paid', n.paid)
                              ORDER BY n.created_at DESC, n.id DESC) FILTER (WHERE differs AND place <= p_limit), '[]')
    FROM numbered n JOIN workspaces w ON w.id = n.partner
    GROUP BY n.partner, w.name
    ORDER BY count(*) FILTER (WHERE differs) DESC, sum(n.due) DESC, n.partner;
END $$;

-- What staff did, newest first, before the cursor.
CREATE INDEX audit_log_by_staff ON audit_log (staff_id, id DESC);
CREATE INDEX audit_log_by_action ON audit_log (action, id DESC);
CREATE FUNCTION list_audit(p_key_hash bytea, p_workspace uuid, p_action text, p_limit integer, p_before bigint)
RETURNS TABLE (id bigint, staff text, action text, workspace_id uuid, workspace text, subject text, detail jsonb,
               created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY
    SELECT a.id, s.email, a.action, a.workspace_id, w.name, a.subject, a.detail, a.created_at
    FROM audit_log a JOIN staff s ON s.id = a.staff_id LEFT JOIN workspaces w ON w.id = a.workspace_id
    WHERE (p_workspace IS NULL OR a.workspace_id = p_workspace) AND (p_action IS NULL OR a.action = p_action)
      AND (p_before IS NULL OR a.id < p_before)
    ORDER BY a.id DESC LIMIT p_limit;
END $$;

-- The counts that need attention, and how much was sold in the day before p_now.
CREATE INDEX credit_purchases_pending ON credit_purchases (created_at) WHERE status = 'pending';
CREATE INDEX alerts_not_sent ON alerts (state) WHERE state <> 'sent';
CREATE INDEX dead_letters_by_time ON dead_letters (created_at DESC, id DESC) WHERE resolved_at IS NULL;
CREATE FUNCTION read_overview(p_key_hash bytea, p_now timestamptz)
RETURNS TABLE (dead_letters bigint, oldest_dead_letter timestamptz, webhooks bigint, emails bigint,
               alerts_pending bigint, alerts_failed bigint, unpaid bigint, sales bigint, sales_credits bigint,
               orders bigint, orders_credits bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_day timestamptz := p_now - interval '1 day';
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY
    SELECT l.count, l.oldest,
           (SELECT count(*) FROM webhook_events WHERE state IN ('received', 'failed')),
           (SELECT count(*) FROM emails WHERE state = 'pending'),
           a.pending, a.failed,
           (SELECT count(*) FROM credit_purchases c WHERE c.status = 'pending' AND c.created_at < v_day),
           s.count, s.credits, o.count, o.credits
    FROM (SELECT count(*) AS count, min(created_at) AS oldest FROM dead_letters WHERE resolved_at IS NULL) AS l,
         (SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'failed') AS failed
          FROM alerts WHERE state <> 'sent') AS a,
         (SELECT count(*) AS count, coalesce(sum(total), 0)::bigint AS credits FROM purchases
          WHERE created_at >= v_day) AS s,
         (SELECT count(*) AS count, coalesce(sum(c.credits), 0)::bigint AS credits FROM credit_purchases c
          WHERE c.created_at >= v_day AND c.status <> 'pending') AS o;
END $$;

GRANT EXECUTE ON FUNCTION
    list_purchases(bytea, text, uuid, uuid, timestamptz, timestamptz, bigint, bigint, text, integer, timestamptz, uuid),
    reconcile_commissions(bytea, timestamptz, timestamptz, integer),
    list_audit(bytea, uuid, text, integer, bigint), read_overview(bytea, timestamptz)
TO marketplace_app;
