-- name: ledger_sum
-- promise: Every transfer sums to zero, and so does the ledger: no credit is made or lost.
SELECT coalesce(t.reference, 'no transfer') AS reference, t.kind, e.transfer_id, e.amount
FROM (SELECT transfer_id, sum(amount) AS amount FROM entries GROUP BY transfer_id) e
LEFT JOIN transfers t ON t.id = e.transfer_id
WHERE e.amount <> 0 OR t.id IS NULL
UNION ALL
SELECT 'the whole ledger', NULL, NULL, sum(amount) FROM entries HAVING sum(amount) <> 0
ORDER BY reference;
