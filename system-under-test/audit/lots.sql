-- name: lots
-- promise: What is left in a workspace's lots is its balance, to the credit.
SELECT workspace_id, sum(balance) AS balance, sum(remaining) AS remaining
FROM (SELECT workspace_id, balance, 0 AS remaining FROM accounts WHERE kind = 'credits'
      UNION ALL SELECT workspace_id, 0, remaining FROM lots) AS held
GROUP BY workspace_id
HAVING sum(balance) <> sum(remaining)
ORDER BY workspace_id;
