-- name: duplicated_effects
-- promise: What must happen once happened once: a transfer, a purchase per key, a lead per buyer, a grant and a row per
--   payment, an event, an email, an adjustment, a wallet.
SELECT 'transfer' AS effect, reference AS of, count(*) AS times FROM transfers GROUP BY reference HAVING count(*) > 1
UNION ALL
SELECT 'purchase', workspace_id || ' ' || idempotency_key, count(*) FROM purchases
GROUP BY workspace_id, idempotency_key HAVING count(*) > 1
UNION ALL
SELECT 'lead of a buyer', workspace_id || ' ' || lead_id, count(*) FROM purchase_items
GROUP BY workspace_id, lead_id HAVING count(*) > 1
UNION ALL
SELECT 'credit purchase', workspace_id || ' ' || idempotency_key, count(*) FROM credit_purchases
GROUP BY workspace_id, idempotency_key HAVING count(*) > 1
UNION ALL
SELECT 'payment', stripe_payment_intent, count(*) FROM credit_purchases
WHERE stripe_payment_intent IS NOT NULL GROUP BY stripe_payment_intent HAVING count(*) > 1
UNION ALL
SELECT 'lot of a payment', credit_purchase_id::text, count(*) FROM lots
WHERE source = 'bought' AND credit_purchase_id IS NOT NULL GROUP BY credit_purchase_id HAVING count(*) > 1
UNION ALL
SELECT 'event', event_id, count(*) FROM webhook_events GROUP BY event_id HAVING count(*) > 1
UNION ALL
SELECT 'email', event || ' ' || recipient, count(*) FROM emails GROUP BY event, recipient HAVING count(*) > 1
UNION ALL
SELECT 'adjustment', reference, count(*) FROM adjustments GROUP BY reference HAVING count(*) > 1
UNION ALL
SELECT 'wallet', workspace_id || ' ' || kind, count(*) FROM accounts
WHERE kind <> 'platform' GROUP BY workspace_id, kind HAVING count(*) > 1
ORDER BY effect, of;
