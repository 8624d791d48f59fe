-- What a payment's events come to in a given order. Each order is tried and rolled back, so that all of them
-- begin with the same wallet.

-- One event, as the job hands it to the database.
CREATE FUNCTION pg_temp.tell(p_event text, p_purchase uuid, p_now timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_intent text := 'pi_' || p_purchase;
BEGIN
    RETURN CASE p_event
        WHEN 'session paid' THEN complete_credit_purchase(0, p_purchase, v_intent, 2500, 'usd', p_now, 90)
        WHEN 'charge paid' THEN complete_credit_purchase(0, p_purchase, v_intent, 2500, 'usd', p_now, 90)
        WHEN 'intent paid' THEN complete_credit_purchase(0, p_purchase, v_intent, 2500, 'usd', p_now, 90)
        WHEN 'refund A' THEN note_refund(0, 're_a' || p_purchase, v_intent, 1000, false, p_now)
        WHEN 'refund B' THEN note_refund(0, 're_b' || p_purchase, v_intent, 500, false, p_now)
        WHEN 'refund B failed' THEN note_refund(0, 're_b' || p_purchase, v_intent, 500, true, p_now)
        WHEN 'charge refunded' THEN note_charge_refunded(0, 'ch_' || p_purchase, v_intent, 1500, p_now)
        WHEN 'dispute' THEN note_dispute(0, 'du_' || p_purchase, v_intent, 1500, false, false, NULL, p_now)
        WHEN 'withdrawn' THEN note_dispute(0, 'du_' || p_purchase, v_intent, 1500, true, false, NULL, p_now)
        WHEN 'reinstated' THEN note_dispute(0, 'du_' || p_purchase, v_intent, 1500, true, true, 'won', p_now)
    END;
END $$;

-- The state after these events, those that were parked told again at the end.
CREATE FUNCTION pg_temp.outcome(p_events text[], p_purchase uuid, p_now timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_event text;
    v_said text;
    v_parked text[] := '{}';
    v_state text;
BEGIN
    BEGIN
        FOREACH v_event IN ARRAY p_events LOOP
            v_said := pg_temp.tell(v_event, p_purchase, p_now);
            IF v_said = 'unknown' THEN
                v_parked := v_parked || v_event;
            ELSIF v_said NOT IN ('granted', 'already_granted', 'settled') THEN
                RAISE EXCEPTION 'event % came to %', v_event, v_said;
            END IF;
        END LOOP;
        FOREACH v_event IN ARRAY v_parked LOOP
            IF pg_temp.tell(v_event, p_purchase, p_now) <> 'settled' THEN
                RAISE EXCEPTION 'event % is still parked', v_event;
            END IF;
        END LOOP;
        SELECT format('%s: %s of 2500 cents and %s credits back; wallet %s, debt %s, lots %s, %s grants, %s receipts, '
                      'reversed %s, issued %s, off by %s',
            p.status, p.money_back, p.credits_back, w.balance, w.owed,
            (SELECT string_agg(source || ' ' || remaining || '/' || credits, ', ' ORDER BY expires_at, id)
             FROM lots WHERE workspace_id = p.workspace_id),
            (SELECT count(*) FROM transfers WHERE reference = 'payment_' || p.stripe_payment_intent),
            (SELECT count(*) FROM emails WHERE event = 'credit_purchase_' || p.id),
            (SELECT coalesce(sum(credits), 0) FROM reversals WHERE credit_purchase_id = p.id),
            (SELECT -sum(e.amount) FROM transfers t JOIN entries e ON e.transfer_id = t.id
             WHERE e.account_id = '00000000-0000-0000-0000-000000000001'
               AND t.reference = ANY (ARRAY['payment_' || p.stripe_payment_intent]
                   || ARRAY(SELECT 'reversal_' || p.id || '_' || n FROM generate_series(0, p.reversals) n))),
            w.balance - (SELECT sum(remaining) FROM lots WHERE workspace_id = p.workspace_id)
                + w.owed + coalesce((SELECT balance FROM accounts
                                     WHERE workspace_id = p.workspace_id AND kind = 'debt'), 0))
        INTO v_state
        FROM credit_purchases p JOIN accounts w ON w.workspace_id = p.workspace_id AND w.kind = 'credits'
        WHERE p.id = p_purchase;
        RAISE EXCEPTION 'undo' USING ERRCODE = 'MK409';
    EXCEPTION WHEN SQLSTATE 'MK409' THEN
        -- v_state survives the rollback.
    END;
    RETURN v_state;
END $$;
