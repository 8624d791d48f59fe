-- name: expiries
-- promise: What expired is told once for each lot and sweep, and is what the ledger moved to the platform.
WITH swept AS (
    SELECT lot_id, sum(credits) AS credits, count(*) AS times FROM expiries GROUP BY lot_id
), taken AS (
    SELECT lot_id, sum(from_expired) AS credits FROM clawbacks GROUP BY lot_id
), moved AS (
    SELECT t.reference, a.workspace_id, -e.amount AS credits
    FROM transfers t JOIN entries e ON e.transfer_id = t.id JOIN accounts a ON a.id = e.account_id AND a.kind = 'credits'
    WHERE t.kind = 'expiry'
)
-- A refund may take from what had expired; those credits are then told by its clawback.
SELECT 'lot differs' AS problem, l.id::text AS lot, l.workspace_id, coalesce(s.credits, 0) AS expected,
       l.expired + coalesce(t.credits, 0) AS found
FROM lots l LEFT JOIN swept s ON s.lot_id = l.id LEFT JOIN taken t ON t.lot_id = l.id
WHERE coalesce(s.credits, 0) <> l.expired + coalesce(t.credits, 0) OR coalesce(s.times, 0) <> l.sweeps
UNION ALL
SELECT 'ledger differs', coalesce(x.lot_id || '_' || x.sweep, m.reference), coalesce(x.workspace_id, m.workspace_id),
       x.credits, m.credits
FROM expiries x FULL JOIN moved m ON m.reference = 'expiry_' || x.lot_id || '_' || x.sweep
WHERE (x.credits, x.workspace_id) IS DISTINCT FROM (m.credits, m.workspace_id)
ORDER BY problem, lot;
