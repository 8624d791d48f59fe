-- name: debts
-- promise: What a wallet knows it owes is what its debt account says.
SELECT workspace_id, sum(owed) AS owed, sum(debt) AS debt
FROM (SELECT workspace_id, owed, 0 AS debt FROM accounts WHERE kind = 'credits'
      UNION ALL SELECT workspace_id, 0, -balance FROM accounts WHERE kind = 'debt') AS told
GROUP BY workspace_id
HAVING sum(owed) <> sum(debt)
ORDER BY workspace_id;
