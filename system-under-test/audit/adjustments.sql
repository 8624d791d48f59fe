-- name: adjustments
-- promise: Every adjustment by staff moved just the credits that it says, and nothing was adjusted without one.
WITH moved AS (
    SELECT t.reference, a.workspace_id, e.amount
    FROM transfers t JOIN entries e ON e.transfer_id = t.id JOIN accounts a ON a.id = e.account_id AND a.kind = 'credits'
    WHERE t.kind = 'adjustment'
)
SELECT d.id AS adjustment_id, coalesce(d.workspace_id, m.workspace_id) AS workspace_id, m.reference,
       d.credits AS expected, m.amount AS found
FROM adjustments d FULL JOIN moved m ON m.reference = 'adjustment_' || d.id
WHERE (d.credits, d.workspace_id) IS DISTINCT FROM (m.amount, m.workspace_id)
ORDER BY adjustment_id, reference;
