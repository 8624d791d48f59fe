-- name: ungranted_payments
-- promise: Every paid purchase of credits has its grant, to the right wallet and of the right size; no grant for a
--   payment is without one.
WITH granted AS (
    SELECT t.reference, a.workspace_id, e.amount
    FROM transfers t JOIN entries e ON e.transfer_id = t.id JOIN accounts a ON a.id = e.account_id AND a.kind = 'credits'
    WHERE t.kind = 'grant' AND starts_with(t.reference, 'payment_')
)
SELECT CASE WHEN g.reference IS NULL THEN 'paid without a grant' ELSE 'grant differs' END AS problem,
       p.id AS credit_purchase_id, p.workspace_id, p.stripe_payment_intent AS payment_intent, p.credits AS expected,
       g.amount AS found
FROM credit_purchases p LEFT JOIN granted g ON g.reference = 'payment_' || p.stripe_payment_intent
WHERE p.status = 'paid' AND (g.amount, g.workspace_id) IS DISTINCT FROM (p.credits, p.workspace_id)
UNION ALL
SELECT 'grant without a payment', NULL, g.workspace_id, substr(g.reference, 9), 0, g.amount
FROM granted g
WHERE NOT EXISTS (SELECT 1 FROM credit_purchases p
                  WHERE p.status = 'paid' AND 'payment_' || p.stripe_payment_intent = g.reference)
ORDER BY problem, credit_purchase_id, payment_intent;
