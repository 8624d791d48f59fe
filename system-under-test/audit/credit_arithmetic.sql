-- name: credit_arithmetic
-- promise: The balance of every wallet and every debt is the sum of its entries in the ledger.
SELECT a.id AS account_id, a.workspace_id, a.kind, a.balance, coalesce(e.amount, 0) AS entries
FROM accounts a
LEFT JOIN (SELECT account_id, sum(amount) AS amount FROM entries GROUP BY account_id) e ON e.account_id = a.id
WHERE a.kind <> 'platform' AND a.balance IS DISTINCT FROM coalesce(e.amount, 0)
ORDER BY a.id;
