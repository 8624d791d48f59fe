-- name: orphaned_purchases
-- promise: Every purchase has items that add up to its total and a transfer that took just that from the buyer;
--   no such transfer is without its purchase.
-- The ledger nets a purchase per account: who buys a lead of its own pays the price less its commission.
WITH sold AS (
    SELECT purchase_id, sum(price) AS price FROM purchase_items GROUP BY purchase_id
), own AS (
    SELECT c.purchase_id, c.workspace_id, sum(c.amount) AS amount FROM commissions c GROUP BY c.purchase_id, c.workspace_id
), told AS (
    SELECT p.id, p.workspace_id, p.total, s.price, t.id AS transfer_id, s.price - coalesce(own.amount, 0) AS expected,
           coalesce(-e.amount, 0) AS debit
    FROM purchases p
    LEFT JOIN sold s ON s.purchase_id = p.id
    LEFT JOIN own ON own.purchase_id = p.id AND own.workspace_id = p.workspace_id
    LEFT JOIN transfers t ON t.kind = 'purchase' AND t.reference = 'purchase_' || p.id
    LEFT JOIN accounts a ON a.workspace_id = p.workspace_id AND a.kind = 'credits'
    LEFT JOIN entries e ON e.transfer_id = t.id AND e.account_id = a.id
)
SELECT 'no items' AS problem, id::text AS purchase, workspace_id, total AS expected, NULL::numeric AS found
FROM told WHERE price IS NULL
UNION ALL
SELECT 'total is not the sum of the items', id::text, workspace_id, price, total FROM told WHERE price <> total
UNION ALL
SELECT 'no transfer', id::text, workspace_id, total, NULL FROM told WHERE transfer_id IS NULL
UNION ALL
SELECT 'debit is not the price of the items', id::text, workspace_id, expected, debit
FROM told WHERE transfer_id IS NOT NULL AND expected <> debit
UNION ALL
SELECT 'items without a purchase', s.purchase_id::text, NULL, NULL, s.price
FROM sold s WHERE NOT EXISTS (SELECT 1 FROM purchases p WHERE p.id = s.purchase_id)
UNION ALL
SELECT 'transfer without a purchase', t.reference, NULL, NULL, NULL
FROM transfers t
WHERE t.kind = 'purchase' AND NOT EXISTS (SELECT 1 FROM purchases p WHERE 'purchase_' || p.id = t.reference)
ORDER BY problem, purchase;
