-- Buying credits with money. Stripe is called between begin and attach, outside any db_tx.

-- What begin_credit_purchase() answers: a stored answer (status, body), or a row to pay for, or busy: another
-- request with this key is asking Stripe at this moment.
CREATE TYPE credit_order AS (
    workspace_id uuid, status integer, body text, replayed boolean, busy boolean,
    id uuid, credits bigint, amount_cents bigint, currency text);

-- Creates the row, or finds the one that this key made before its call to Stripe failed or died.
--
-- Whoever gets the row has p_lease to ask Stripe; a second request is told that the first is at it, but the same
-- request, which calls again because the answer of its first call was lost, gets the row again. When the
-- first died, the lease ends and the next takes over. Should the first come back after all, no harm is done:
-- both asked Stripe with the key of the same row, and the first answer that is attached stands.
CREATE FUNCTION begin_credit_purchase(p_key_hash bytea, p_key text, p_request_hash bytea,
                                      p_credits bigint, p_price_cents bigint, p_currency text,
                                      p_request_id text, p_lease interval) RETURNS credit_order
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_member members := enter_workspace(p_key_hash);
    v_answer answer;
    v_row credit_purchases;
    v_busy boolean := false;
BEGIN
    v_answer := answered(v_member.workspace_id, p_key, p_request_hash, p_request_id);
    IF v_answer.status IS NULL THEN
        SELECT * INTO v_row FROM credit_purchases
        WHERE workspace_id = v_member.workspace_id AND idempotency_key = p_key FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            INSERT INTO idempotency_keys (workspace_id, key, request_hash)
            VALUES (v_member.workspace_id, p_key, p_request_hash);
            INSERT INTO credit_purchases
                (workspace_id, member_id, credits, amount_cents, currency, idempotency_key, asking_until,
                 asking_by)
            VALUES (v_member.workspace_id, v_member.id, p_credits, p_credits * p_price_cents,
                    p_currency, p_key, clock_timestamp() + p_lease, p_request_id)
            RETURNING * INTO v_row;
        ELSIF v_row.asking_until > clock_timestamp() AND v_row.asking_by IS DISTINCT FROM p_request_id THEN
            v_busy := true;
        ELSE
            UPDATE credit_purchases SET asking_until = clock_timestamp() + p_lease, asking_by = p_request_id
            WHERE id = v_row.id;
        END IF;
    END IF;
    RETURN ROW(v_member.workspace_id, v_answer.status, v_answer.body,
               v_answer.status IS NOT NULL AND v_answer.replayed, v_busy,
               v_row.id, v_row.credits, v_row.amount_cents, v_row.currency)::credit_order;
END $$;

-- Stripe was asked in vain: the same key may be used again at once.
CREATE FUNCTION release_credit_purchase(p_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE credit_purchases SET asking_until = NULL WHERE id = p_id;
$$;

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

-- The order in which a payment's status rises. What ends without money can still be overtaken by money: if
-- Stripe says that it was paid, it was, whatever else was said before or after.
CREATE FUNCTION payment_rank(p_status text) RETURNS integer
LANGUAGE sql IMMUTABLE
RETURN array_position(ARRAY['pending', 'processing', 'failed', 'expired', 'canceled', 'paid'], p_status);

-- One payment's events one at a time, whichever rows they touch: the first lock of every function that an
-- event calls, before that of the credit purchase.
CREATE FUNCTION lock_payment(p_payment_intent text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('payment:' || p_payment_intent, 0));
END $$;

-- Marks an event as dealt with, in the db_tx of what it asked for.
CREATE FUNCTION finish_webhook(p_webhook bigint) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE webhook_events SET state = 'processed', processed_at = now(), last_error = NULL WHERE id = p_webhook;
END $$;

-- A payment arrived: grant its credits, once, and mark the event, in one db_tx. What is known of its refunds
-- and disputes already is taken back at once.
--
-- Lock order: the payment, the credit purchase, then (in grant_credits) the workspace's wallet. Three 'paid'
-- signals for one payment meet at the first lock; the unique payment intent and the unique
-- reference of the grant are the second and third line.
--
-- Returns granted, already_granted, unknown (no such row: try again later), or the reason why the
-- payment cannot be accepted.
CREATE FUNCTION complete_credit_purchase(p_webhook bigint, p_id uuid, p_payment_intent text,
                                         p_amount_cents bigint, p_currency text, p_now timestamptz,
                                         p_lifetime_days integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row credit_purchases;
    v_outcome text := 'already_granted';
BEGIN
    PERFORM lock_payment(p_payment_intent);
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
    IF v_row.status <> 'paid' THEN
        UPDATE credit_purchases
        SET status = 'paid', stripe_payment_intent = p_payment_intent, paid_at = now()
        WHERE id = v_row.id;
        PERFORM grant_credits(v_row.workspace_id, v_row.credits, 'payment_' || p_payment_intent, p_now,
                              'bought', p_lifetime_days, v_row.id);
        PERFORM queue_receipt(v_row);
        PERFORM settle_payment(p_payment_intent, p_payment_intent, p_now);
        v_outcome := 'granted';
    END IF;
    PERFORM finish_webhook(p_webhook);
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

-- A payment is under way (a delayed method), or ended without money: raises the status, moves no credits.
-- Returns noted or unknown.
CREATE FUNCTION note_payment_status(p_webhook bigint, p_id uuid, p_status text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row credit_purchases;
BEGIN
    SELECT * INTO v_row FROM credit_purchases WHERE id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    IF payment_rank(p_status) > payment_rank(v_row.status) THEN
        UPDATE credit_purchases SET status = p_status WHERE id = v_row.id;
    END IF;
    PERFORM finish_webhook(p_webhook);
    RETURN 'noted';
END $$;

GRANT EXECUTE ON FUNCTION
    begin_credit_purchase(bytea, text, bytea, bigint, bigint, text, text, interval), release_credit_purchase(uuid),
    attach_checkout_session(uuid, text, text)
TO marketplace_app;
GRANT EXECUTE ON FUNCTION
    complete_credit_purchase(bigint, uuid, text, bigint, text, timestamptz, integer),
    note_payment_status(bigint, uuid, text)
TO marketplace_worker;
