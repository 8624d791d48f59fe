-- name: commission_errors
-- promise: Every sale's commission is there, is the sale's percentage of the price, is its partner's, and is what the
--   ledger moved.
-- Each item of a purchase says which percentage it was sold at; what that makes is rounded down to whole credits.
WITH items AS (
    SELECT i.purchase_id, i.lead_id, i.price * i.commission_percent / 100 AS due, l.workspace_id AS partner,
           c.workspace_id AS paid_to, coalesce(c.amount, 0) AS amount
    FROM purchase_items i
    LEFT JOIN leads l ON l.id = i.lead_id
    LEFT JOIN commissions c ON c.purchase_id = i.purchase_id AND c.lead_id = i.lead_id
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
SELECT CASE WHEN amount = 0 THEN 'missing' ELSE 'wrong amount' END AS problem, purchase_id, lead_id,
       partner AS workspace_id, due::numeric AS expected, amount::numeric AS found
FROM items WHERE amount <> due
UNION ALL
SELECT 'not the partner''s', purchase_id, lead_id, paid_to, 0, amount FROM items WHERE paid_to <> partner
UNION ALL
SELECT 'for what was not sold', c.purchase_id, c.lead_id, c.workspace_id, 0, c.amount
FROM commissions c
WHERE NOT EXISTS (SELECT 1 FROM purchase_items i WHERE i.purchase_id = c.purchase_id AND i.lead_id = c.lead_id)
UNION ALL
SELECT 'ledger differs', purchase_id, NULL, workspace_id, due, moved FROM moved
ORDER BY problem, purchase_id, lead_id, workspace_id;
