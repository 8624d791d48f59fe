-- The inbox of webhooks, the outbox of emails, and what becomes of those that fail.
--
-- Attempts are counted on the business row, in the db_tx that decides what happens next: the next
-- job, or the dead letter with its alert. A crash can therefore lose neither.

-- Stores a verified event with its job. False: this event id is known, nothing was done.
CREATE FUNCTION receive_webhook(p_event_id text, p_type text, p_payload jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO webhook_events (event_id, type, payload) VALUES (p_event_id, p_type, p_payload)
    ON CONFLICT (event_id) DO NOTHING RETURNING id INTO v_id;
    IF v_id IS NOT NULL THEN
        PERFORM enqueue('process_webhook', json_build_object('webhook_id', v_id));
    END IF;
    RETURN v_id IS NOT NULL;
END $$;

-- The event to process; no row if it is finished.
CREATE FUNCTION webhook_to_process(p_id bigint)
RETURNS TABLE (event_id text, payload jsonb, attempts integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT event_id, payload, attempts FROM webhook_events
    WHERE id = p_id AND state IN ('received', 'failed');
$$;

-- The event asks for nothing: a type we do not handle, or a session that is not paid yet.
CREATE FUNCTION ignore_webhook(p_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE webhook_events SET state = 'ignored', processed_at = now() WHERE id = p_id;
$$;

-- One entry of a history: which attempt, when, what went wrong.
CREATE FUNCTION attempt_entry(p_attempt integer, p_error text) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_array(jsonb_build_object('attempt', p_attempt, 'at', now(), 'error', p_error));

-- Gives up: the dead letter, its alert (one per kind and subject), and the job that posts it.
CREATE FUNCTION bury(p_kind text, p_subject text, p_target text, p_reason text, p_history jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_alert uuid;
BEGIN
    INSERT INTO dead_letters (kind, subject, target, reason, history)
    VALUES (p_kind, p_subject, p_target, p_reason, p_history);
    INSERT INTO alerts (kind, subject, reason) VALUES (p_kind, p_subject, p_reason)
    ON CONFLICT (kind, subject) DO NOTHING RETURNING id INTO v_alert;
    IF v_alert IS NOT NULL THEN
        PERFORM enqueue('post_alert', json_build_object('alert_id', v_alert));
    END IF;
END $$;

-- Processing failed. True: it will be tried again at p_retry_at; false: it is a dead letter now.
CREATE FUNCTION webhook_failed(p_id bigint, p_error text, p_permanent boolean,
                               p_max_attempts integer, p_retry_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row webhook_events;
    v_retry boolean;
BEGIN
    SELECT * INTO v_row FROM webhook_events
    WHERE id = p_id AND state IN ('received', 'failed') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_retry := NOT p_permanent AND v_row.attempts + 1 < p_max_attempts;
    UPDATE webhook_events SET attempts = attempts + 1, last_error = p_error,
        state = CASE WHEN v_retry THEN 'failed' ELSE 'dead' END,
        history = history || attempt_entry(v_row.attempts + 1, p_error)
    WHERE id = p_id RETURNING * INTO v_row;
    IF v_retry THEN
        PERFORM enqueue('process_webhook', json_build_object('webhook_id', p_id), p_retry_at);
    ELSE
        PERFORM bury('webhook', v_row.event_id, p_id::text, p_error, v_row.history);
    END IF;
    RETURN v_retry;
END $$;

-- The email to send; no row if it is finished.
CREATE FUNCTION email_to_send(p_id uuid)
RETURNS TABLE (event text, recipient text, subject text, body text, attempts integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT event, recipient, subject, body, attempts FROM emails WHERE id = p_id AND state = 'pending';
$$;

-- The provider has accepted the email.
CREATE FUNCTION email_sent(p_id uuid, p_provider_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE emails SET state = 'sent', attempts = attempts + 1, provider_id = p_provider_id,
        sent_at = now(), last_error = NULL
    WHERE id = p_id AND state = 'pending';
$$;

-- Sending failed. True: it will be tried again at p_retry_at; false: it is a dead letter now.
CREATE FUNCTION email_failed(p_id uuid, p_error text, p_permanent boolean, p_max_attempts integer,
                             p_retry_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row emails;
    v_retry boolean;
BEGIN
    SELECT * INTO v_row FROM emails WHERE id = p_id AND state = 'pending' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_retry := NOT p_permanent AND v_row.attempts + 1 < p_max_attempts;
    UPDATE emails SET attempts = attempts + 1, last_error = p_error,
        state = CASE WHEN v_retry THEN 'pending' ELSE 'dead' END,
        history = history || attempt_entry(v_row.attempts + 1, p_error)
    WHERE id = p_id RETURNING * INTO v_row;
    IF v_retry THEN
        PERFORM enqueue('send_email', json_build_object('email_id', p_id), p_retry_at);
    ELSE
        PERFORM bury('email', v_row.event, p_id::text, p_error, v_row.history);
    END IF;
    RETURN v_retry;
END $$;

-- The alert to post; no row if it is finished.
CREATE FUNCTION alert_to_post(p_id uuid) RETURNS TABLE (kind text, subject text, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT kind, subject, reason FROM alerts WHERE id = p_id AND state = 'pending';
$$;

-- The alert was posted (p_error NULL), or the hook refuses it for good.
CREATE FUNCTION alert_done(p_id uuid, p_error text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE alerts SET state = CASE WHEN p_error IS NULL THEN 'sent' ELSE 'failed' END,
        last_error = p_error, sent_at = CASE WHEN p_error IS NULL THEN now() END
    WHERE id = p_id AND state = 'pending';
$$;

-- The open dead letters, newest first.
CREATE FUNCTION list_dead_letters(p_key_hash bytea, p_limit integer, p_before timestamptz,
                                  p_before_id uuid)
RETURNS SETOF dead_letters
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM enter_staff(p_key_hash, 'support');
    RETURN QUERY SELECT * FROM dead_letters
        WHERE resolved_at IS NULL
          AND (p_before IS NULL OR (created_at, id) < (p_before, p_before_id))
        ORDER BY created_at DESC, id DESC LIMIT p_limit;
END $$;

-- Takes a dead letter up again with fresh attempts. False: no such open dead letter.
-- Lock: the dead letter, so that two retries at once queue one job.
CREATE FUNCTION retry_dead_letter(p_key_hash bytea, p_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_staff staff := enter_staff(p_key_hash);
    v_letter dead_letters;
BEGIN
    UPDATE dead_letters SET resolved_at = now() WHERE id = p_id AND resolved_at IS NULL
    RETURNING * INTO v_letter;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF v_letter.kind = 'email' THEN
        UPDATE emails SET state = 'pending', attempts = 0
        WHERE id = v_letter.target::uuid AND state = 'dead';
        PERFORM enqueue('send_email', json_build_object('email_id', v_letter.target));
    ELSE
        UPDATE webhook_events SET state = 'received', attempts = 0
        WHERE id = v_letter.target::bigint AND state = 'dead';
        PERFORM enqueue('process_webhook', json_build_object('webhook_id', v_letter.target::bigint));
    END IF;
    PERFORM write_audit(v_staff.id, 'dead_letter.retried', NULL, v_letter.subject,
        jsonb_build_object('kind', v_letter.kind, 'reason', v_letter.reason));
    RETURN true;
END $$;
