-- name: negative_balances
-- promise: No wallet is below zero, no debt is above it, and no lot holds less than nothing or more than was put in.
SELECT 'account' AS what, a.id::text AS id, a.workspace_id, a.kind, a.balance, a.owed
FROM accounts a
WHERE a.kind = 'credits' AND a.balance < 0 OR a.kind = 'debt' AND a.balance > 0 OR a.owed < 0
UNION ALL
SELECT 'lot', l.id::text, l.workspace_id, l.source, l.remaining, NULL
FROM lots l
WHERE l.remaining < 0 OR l.remaining > l.credits OR l.expired < 0 OR l.expired > l.credits
ORDER BY what, id;
