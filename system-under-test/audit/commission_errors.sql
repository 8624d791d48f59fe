-- name: commission_errors
-- promise: Every sale's commission is there, is its percentage of the price, is its partner's, and is what the ledger
--   moved.
-- No row says which percentage a sale was made at. Always, one percentage must explain all items of a purchase:
-- floor(price * percent / 100) = amount for some whole percent. Where the settings audit.commission_percent and
-- audit.commission_since are given, the sales since then must have been made at just that percentage.
WITH rate AS (
    SELECT nullif(current_setting('audit.commission_percent', true), '')::bigint AS percent,
           coalesce(nullif(current_setting('audit.commission_since', true), '')::timestamptz, '-infinity') AS since
), items AS (
    SELECT i.purchase_id, i.lead_id, i.price, l.workspace_id AS partner, c.workspace_id AS paid_to,
           coalesce(c.amount, 0) AS amount
    FROM purchase_items i
    LEFT JOIN leads l ON l.id = i.lead_id
    LEFT JOIN commissions c ON c.purchase_id = i.purchase_id AND c.lead_id = i.lead_id
), explained AS (
    SELECT purchase_id, max((100 * amount + price - 1) / price) AS lowest,
           least(min((100 * (amount + 1) + price - 1) / price - 1), 100) AS highest
    FROM items GROUP BY purchase_id
), moved AS (
    -- What the ledger moved to each wallet, the buyer's payment apart.
    SELECT purchase_id, workspace_id, sum(due) AS due, sum(moved) AS moved
    FROM (SELECT c.purchase_id, c.workspace_id, c.amount AS due, 0 AS moved FROM commissions c
          UNION ALL
          SELECT p.id, a.workspace_id, 0, e.amount
          FROM purchases p JOIN transfers t ON t.reference = 'purchase_' || p.id
          JOIN entries e ON e.transfer_id = t.id JOIN accounts a ON a.id = e.account_id AND a.kind = 'credits'
          UNION ALL
          SELECT p.id, p.workspace_id, 0, i.price
          FROM purchases p JOIN transfers t ON t.reference = 'purchase_' || p.id
          JOIN purchase_items i ON i.purchase_id = p.id) AS line
    GROUP BY purchase_id, workspace_id HAVING sum(due) <> sum(moved)
)
SELECT 'no one percentage explains the purchase' AS problem, purchase_id, NULL::uuid AS lead_id,
       NULL::uuid AS workspace_id, lowest AS expected, highest::numeric AS found
FROM explained WHERE lowest > highest
UNION ALL
SELECT CASE WHEN i.amount = 0 THEN 'missing' ELSE 'wrong amount' END, i.purchase_id, i.lead_id, i.partner,
       i.price * rate.percent / 100, i.amount
FROM rate JOIN purchases p ON p.created_at >= rate.since JOIN items i ON i.purchase_id = p.id
WHERE i.amount <> i.price * rate.percent / 100
UNION ALL
SELECT 'not the partner''s', purchase_id, lead_id, paid_to, 0, amount FROM items WHERE paid_to <> partner
UNION ALL
SELECT 'for what was not sold', c.purchase_id, c.lead_id, c.workspace_id, 0, c.amount
FROM commissions c
WHERE NOT EXISTS (SELECT 1 FROM purchase_items i WHERE i.purchase_id = c.purchase_id AND i.lead_id = c.lead_id)
UNION ALL
SELECT 'ledger differs', purchase_id, NULL, workspace_id, due, moved FROM moved
ORDER BY problem, purchase_id, lead_id, workspace_id;
