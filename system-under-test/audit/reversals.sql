-- name: reversals
-- promise: Of every payment as many credits are taken back as the money that went back asks for, each time with a
--   transfer that says the same.
WITH done AS (
    SELECT credit_purchase_id, sum(credits) AS credits, count(*) AS times FROM reversals GROUP BY credit_purchase_id
), refunded AS (
    SELECT payment_intent, coalesce(sum(amount_cents) FILTER (WHERE NOT undone), 0) AS stands,
           coalesce(sum(amount_cents) FILTER (WHERE undone), 0) AS undone
    FROM refunds GROUP BY payment_intent
), disputed AS (
    SELECT payment_intent, sum(amount_cents) AS cents FROM disputes WHERE withdrawn AND NOT reinstated
    GROUP BY payment_intent
), away AS (
    -- The rule of money_back() in 0011, for all payments at once.
    SELECT p.id, p.workspace_id, p.money_back, p.credits_back, p.reversals, p.credits, p.amount_cents,
           least(greatest(coalesce(r.stands, 0), coalesce(c.amount_cents, 0) - coalesce(r.undone, 0))
                 + coalesce(d.cents, 0), p.amount_cents) AS cents
    FROM credit_purchases p
    LEFT JOIN refunded r ON r.payment_intent = p.stripe_payment_intent
    LEFT JOIN charge_refunds c ON c.payment_intent = p.stripe_payment_intent
    LEFT JOIN disputed d ON d.payment_intent = p.stripe_payment_intent
    WHERE p.status = 'paid'
), moved AS (
    SELECT t.reference, -sum(e.amount) FILTER (WHERE a.kind = 'credits') AS wallet,
           -sum(e.amount) FILTER (WHERE a.kind = 'debt') AS debt,
           sum(e.amount) FILTER (WHERE a.label = 'issuance') AS credits
    FROM transfers t JOIN entries e ON e.transfer_id = t.id JOIN accounts a ON a.id = e.account_id
    WHERE t.kind = 'reversal' GROUP BY t.reference
)
SELECT 'money back is not what refunds and disputes say' AS problem, id::text AS credit_purchase, workspace_id,
       cents AS expected, money_back::numeric AS found
FROM away WHERE cents <> money_back
UNION ALL
SELECT 'credits back are not the share of the money', id::text, workspace_id, credits * money_back / amount_cents,
       credits_back
FROM away WHERE credits_back <> credits * money_back / amount_cents
UNION ALL
SELECT 'reversals do not add up to the credits back', p.id::text, p.workspace_id, p.credits_back,
       coalesce(done.credits, 0)
FROM credit_purchases p LEFT JOIN done ON done.credit_purchase_id = p.id
WHERE p.credits_back <> coalesce(done.credits, 0) OR p.reversals <> coalesce(done.times, 0)
UNION ALL
SELECT 'transfer differs', r.credit_purchase_id || '_' || r.nth, r.workspace_id, r.credits, m.credits
FROM reversals r LEFT JOIN moved m ON m.reference = 'reversal_' || r.credit_purchase_id || '_' || r.nth
WHERE m.credits IS DISTINCT FROM r.credits OR coalesce(m.debt, 0) <> r.debt
   OR coalesce(m.wallet, 0) <> r.credits - r.debt - r.from_expired
UNION ALL
SELECT 'transfer without a reversal', m.reference, NULL, NULL, m.credits
FROM moved m
WHERE NOT EXISTS (SELECT 1 FROM reversals r WHERE 'reversal_' || r.credit_purchase_id || '_' || r.nth = m.reference)
ORDER BY problem, credit_purchase;
