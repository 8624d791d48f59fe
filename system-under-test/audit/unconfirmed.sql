-- name: unconfirmed
-- promise: Every purchase has its confirmation in the outbox and every payment its receipt; what was given up on is a
--   dead letter.
SELECT 'purchase without a confirmation' AS problem, p.id AS id, p.workspace_id
FROM purchases p
WHERE NOT EXISTS (SELECT 1 FROM emails e WHERE e.event = 'purchase_' || p.id)
UNION ALL
SELECT 'payment without a receipt', c.id, c.workspace_id
FROM credit_purchases c
WHERE c.status = 'paid' AND NOT EXISTS (SELECT 1 FROM emails e WHERE e.event = 'credit_purchase_' || c.id)
UNION ALL
SELECT 'dead email without a dead letter', e.id, e.workspace_id
FROM emails e
WHERE e.state = 'dead'
  AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.kind = 'email' AND d.target = e.id::text AND d.resolved_at IS NULL)
ORDER BY problem, id;
