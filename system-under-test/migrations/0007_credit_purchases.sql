-- Buying credits with money. Stripe is called between begin and attach, outside any db_tx.

-- What begin_credit_purchase() answers: either a stored answer (status, body), or a row to pay for.
CREATE TYPE credit_order AS (
    workspace_id uuid, status integer, body text, replayed boolean,
    id uuid, credits bigint, amount_cents bigint, currency text);

-- Creates the row, or finds the one this key made before its call to Stripe failed.
CREATE FUNCTION begin_credit_purchase(p_key_hash bytea, p_key text, p_request_hash bytea,
                                      p_credits bigint, p_price_cents bigint, p_currency text,
                                      p_request_id text) RETURNS credit_order
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_member members := enter_workspace(p_key_hash);
    v_answer answer;
    v_row credit_purchases;
BEGIN
    v_answer := answered(v_member.workspace_id, p_key, p_request_hash, p_request_id);
    IF v_answer.status IS NULL THEN
        SELECT * INTO v_row FROM credit_purchases
        WHERE workspace_id = v_member.workspace_id AND idempotency_key = p_key;
        IF NOT FOUND THEN
            INSERT INTO idempotency_keys (workspace_id, key, request_hash)
            VALUES (v_member.workspace_id, p_key, p_request_hash);
            INSERT INTO credit_purchases
                (workspace_id, member_id, credits, amount_cents, currency, idempotency_key)
            VALUES (v_member.workspace_id, v_member.id, p_credits, p_credits * p_price_cents,
                    p_currency, p_key)
            RETURNING * INTO v_row;
        END IF;
    END IF;
    RETURN ROW(v_member.workspace_id, v_answer.status, v_answer.body,
               v_answer.status IS NOT NULL AND v_answer.replayed,
               v_row.id, v_row.credits, v_row.amount_cents, v_row.currency)::credit_order;
END $$;

-- Remembers the session and the answer. The first call wins; a later one gets the first's answer.
CREATE FUNCTION attach_checkout_session(p_id uuid, p_session_id text, p_checkout_url text)
RETURNS answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row credit_purchases;
    v_body text;
BEGIN
    UPDATE credit_purchases SET stripe_session_id = coalesce(stripe_session_id, p_session_id)
    WHERE id = p_id RETURNING * INTO STRICT v_row;
    UPDATE idempotency_keys SET status = 201, body = coalesce(body, json_build_object(
        'id', v_row.id, 'credits', v_row.credits, 'session_id', p_session_id,
        'checkout_url', p_checkout_url)::text)
    WHERE workspace_id = v_row.workspace_id AND key = v_row.idempotency_key
    RETURNING body INTO v_body;
    RETURN ROW(v_row.workspace_id, 201, v_body, false)::answer;
END $$;

-- A payment arrived: grant its credits, once, and mark the event, in one db_tx.
--
-- Lock order: the credit purchase, then (in grant_credits) the workspace's account. Three 'paid'
-- signals for one payment meet at the first lock; the unique payment intent and the unique
-- reference of the grant are the second and third line.
--
-- Returns granted, already_granted, unknown (no such row: try again later), or the reason why the
-- payment must not be granted, which no retry will change.
CREATE FUNCTION complete_credit_purchase(p_webhook bigint, p_id uuid, p_payment_intent text,
                                         p_amount_cents bigint, p_currency text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row credit_purchases;
    v_outcome text := 'already_granted';
BEGIN
    SELECT * INTO v_row FROM credit_purchases
    WHERE id = p_id OR (p_id IS NULL AND stripe_payment_intent = p_payment_intent)
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    IF p_amount_cents <> v_row.amount_cents OR p_currency <> v_row.currency THEN
        RETURN format('paid %s %s, but credit purchase %s costs %s %s', p_amount_cents, p_currency,
                      v_row.id, v_row.amount_cents, v_row.currency);
    END IF;
    IF v_row.status = 'paid' AND v_row.stripe_payment_intent <> p_payment_intent THEN
        RETURN format('credit purchase %s was already paid by %s, and now again by %s',
                      v_row.id, v_row.stripe_payment_intent, p_payment_intent);
    END IF;
    IF v_row.status = 'pending' THEN
        UPDATE credit_purchases
        SET status = 'paid', stripe_payment_intent = p_payment_intent, paid_at = now()
        WHERE id = v_row.id;
        PERFORM grant_credits(v_row.workspace_id, v_row.credits, 'payment_' || p_payment_intent);
        PERFORM queue_receipt(v_row);
        v_outcome := 'granted';
    END IF;
    UPDATE webhook_events SET state = 'processed', processed_at = now(), last_error = NULL
    WHERE id = p_webhook;
    RETURN v_outcome;
END $$;

-- The receipt to the member who paid.
CREATE FUNCTION queue_receipt(p_row credit_purchases) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM queue_email(p_row.workspace_id, 'credit_purchase_' || p_row.id, 'credit_receipt', email,
        'Your credits have arrived',
        format('%s credits were added to your account. Receipt number: %s.', p_row.credits, p_row.id))
    FROM members WHERE id = p_row.member_id;
END $$;
