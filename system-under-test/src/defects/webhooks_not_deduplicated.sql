-- webhooks-not-deduplicated: "on payment succeeded, add the credits". The inbox is a log of
-- deliveries, a grant is named after the delivery, and any of the 'paid' events triggers one.
ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_pkey;
ALTER TABLE credit_purchases DROP CONSTRAINT credit_purchases_payment_intent_key;

CREATE OR REPLACE FUNCTION receive_webhook(p_event_id text, p_type text, p_payload jsonb)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO webhook_events (event_id, type, payload) VALUES (p_event_id, p_type, p_payload)
    RETURNING id INTO v_id;
    PERFORM enqueue('process_webhook', json_build_object('webhook_id', v_id));
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION complete_credit_purchase(p_webhook bigint, p_id uuid,
    p_payment_intent text, p_amount_cents bigint, p_currency text, p_now timestamptz, p_lifetime_days integer)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row credit_purchases;
BEGIN
    SELECT * INTO v_row FROM credit_purchases
    WHERE id = p_id OR (p_id IS NULL AND stripe_payment_intent = p_payment_intent);
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    IF p_amount_cents <> v_row.amount_cents OR p_currency <> v_row.currency THEN
        RETURN 'the amount paid is not the price';
    END IF;
    UPDATE credit_purchases
    SET status = 'paid', stripe_payment_intent = p_payment_intent, paid_at = now()
    WHERE id = v_row.id;
    PERFORM grant_credits(v_row.workspace_id, v_row.credits,
                          'payment_' || p_payment_intent || '_delivery_' || p_webhook, p_now, 'bought',
                          p_lifetime_days, v_row.id);
    PERFORM queue_receipt(v_row);
    PERFORM finish_webhook(p_webhook);
    RETURN 'granted';
END $$;
