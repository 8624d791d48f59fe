-- The inbox of webhooks, the outbox of emails, every other job, and what becomes of those that fail.
--
-- One mechanism for all of them. Attempts are counted on the row that the work is about (its carrier: an
-- email, an event, a row of jobs), twice over: before the work starts, so that a worker that dies counts
-- too, and with what went wrong in the db_tx that decides what happens next: the next job, or the dead
-- letter with its alert. A crash can therefore lose neither, and nothing can kill workers for ever.

-- started_at: an attempt is running, or died. run_at: when the next one is due.
ALTER TABLE emails ADD started_at timestamptz, ADD run_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE webhook_events ADD started_at timestamptz, ADD run_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_kind_check;

-- One alert per kind and subject while it is open: until its dead letter is taken up again.
ALTER TABLE alerts ADD hook_at timestamptz, ADD email_at timestamptz, ADD resolved_at timestamptz,
    DROP CONSTRAINT alerts_kind_subject_key;
CREATE UNIQUE INDEX alerts_one_open ON alerts (kind, subject) WHERE resolved_at IS NULL;

-- Work that is not about an email or an event. At most one row per kind and subject, ever.
CREATE TABLE jobs (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind          text NOT NULL,
    subject       text NOT NULL,
    workspace_id  uuid REFERENCES workspaces (id),
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dead')),
    attempts      integer NOT NULL DEFAULT 0,
    last_error    text,
    history       jsonb NOT NULL DEFAULT '[]',
    started_at    timestamptz,
    run_at        timestamptz NOT NULL DEFAULT now(),
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    UNIQUE (kind, subject)
);
CREATE INDEX jobs_outstanding ON jobs (state) WHERE state = 'pending';
CREATE INDEX jobs_newest_first ON jobs (created_at DESC);

-- What a step of a job came to. A step that succeeded is not done again when the job runs again.
CREATE TABLE job_steps (
    job_id      uuid NOT NULL REFERENCES jobs (id),
    name        text NOT NULL,
    result      jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, name)
);
CALL keep_internal('jobs', 'job_steps');
GRANT INSERT ON jobs, job_steps TO marketplace_money;
GRANT UPDATE ON jobs TO marketplace_money;
INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('run_job') ON CONFLICT DO NOTHING;

-- Where the attempts of a kind are counted, and which job of the queue carries them out.
CREATE TYPE carrier AS (relation regclass, subject text, waiting text, task text, argument text);
CREATE FUNCTION carrier_of(p_kind text) RETURNS carrier LANGUAGE sql IMMUTABLE
RETURN CASE p_kind
    WHEN 'email' THEN ROW('emails'::regclass, 'event', 'pending', 'send_email', 'email_id')::carrier
    WHEN 'webhook' THEN ROW('webhook_events'::regclass, 'event_id', 'failed', 'process_webhook', 'webhook_id')::carrier
    ELSE ROW('jobs'::regclass, 'subject', 'pending', 'run_job', 'job_id')::carrier
END;

-- One entry of a history: which attempt, when, what went wrong.
CREATE FUNCTION attempt_entry(p_attempt integer, p_error text) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_array(jsonb_build_object('attempt', p_attempt, 'at', now(), 'error', p_error));

-- Queues the next attempt.
CREATE FUNCTION queue_attempt(p_kind text, p_id text, p_run_at timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_carrier carrier := carrier_of(p_kind);
BEGIN
    EXECUTE format('SELECT enqueue(%L, json_build_object(%L, id), $1) FROM %s WHERE id = %L',
                   v_carrier.task, v_carrier.argument, v_carrier.relation, p_id) USING p_run_at;
END $$;

-- How many of the last attempts their workers did not survive, the one that nobody has told of included: an attempt
-- that is over has one entry.
CREATE FUNCTION deaths(p_history jsonb, p_attempts integer) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN (SELECT count(*) + 1 FROM jsonb_array_elements(p_history) WITH ORDINALITY AS told (entry, place)
        WHERE place > jsonb_array_length(p_history) - (p_attempts - 1) AND entry ->> 'error' = 'its worker died');

-- An attempt begins. Which one it is; NULL: there is nothing to do, it is finished or was given up just now.
-- Of an attempt before it that never ended nobody told: its worker died, and that counts. It is given up after
-- p_max_attempts, and after p_max_deaths of its workers, which may be fewer.
CREATE FUNCTION begin_attempt(p_kind text, p_id text, p_max_attempts integer, p_max_deaths integer) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_carrier carrier := carrier_of(p_kind);
    v_attempts integer;
    v_died boolean;
    v_history jsonb;
BEGIN
    EXECUTE format('SELECT attempts, started_at IS NOT NULL, history FROM %s
                    WHERE id = %L AND state IN (''pending'', ''received'', ''failed'') FOR NO KEY UPDATE',
                   v_carrier.relation, p_id) INTO v_attempts, v_died, v_history;
    IF v_attempts IS NULL THEN
        RETURN NULL;
    END IF;
    IF v_died AND (v_attempts >= p_max_attempts OR deaths(v_history, v_attempts) >= p_max_deaths) THEN
        PERFORM attempt_failed(p_kind, p_id, 'its worker died', true, p_max_attempts, now());
        RETURN NULL;
    END IF;
    -- To lose this count in a crash of the database would cost one more attempt; to wait for the disk
    -- before each attempt would cost every job.
    PERFORM set_config('synchronous_commit', 'off', true);
    EXECUTE format('UPDATE %s SET attempts = attempts + 1, started_at = now(),
                        history = history || CASE WHEN $1 THEN attempt_entry(attempts, ''its worker died'')
                                                  ELSE ''[]'' END
                    WHERE id = %L', v_carrier.relation, p_id) USING v_died;
    RETURN v_attempts + 1;
END $$;

-- An attempt failed. True: there will be another at p_retry_at; false: it is a dead letter now.
CREATE FUNCTION attempt_failed(p_kind text, p_id text, p_error text, p_permanent boolean,
                               p_max_attempts integer, p_retry_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_carrier carrier := carrier_of(p_kind);
    v_subject text;
    v_attempts integer;
    v_retry boolean;
    v_history jsonb;
BEGIN
    EXECUTE format('SELECT %I, attempts FROM %s
                    WHERE id = %L AND state IN (''pending'', ''received'', ''failed'') FOR NO KEY UPDATE',
                   v_carrier.subject, v_carrier.relation, p_id) INTO v_subject, v_attempts;
    IF v_attempts IS NULL THEN
        RETURN false;
    END IF;
    v_retry := NOT p_permanent AND v_attempts < p_max_attempts;
    EXECUTE format('UPDATE %s SET started_at = NULL, last_error = $1, state = $2, run_at = $3,
                        history = history || attempt_entry(attempts, $1)
                    WHERE id = %L RETURNING history', v_carrier.relation, p_id)
    INTO v_history
    USING p_error, CASE WHEN v_retry THEN v_carrier.waiting ELSE 'dead' END,
          CASE WHEN v_retry THEN p_retry_at ELSE now() END;
    IF v_retry THEN
        PERFORM queue_attempt(p_kind, p_id, p_retry_at);
    ELSE
        PERFORM bury(coalesce((SELECT kind FROM jobs WHERE id = CASE v_carrier.task WHEN 'run_job' THEN p_id::uuid END), p_kind),
                     v_subject, p_id, p_error, v_history);
    END IF;
    RETURN v_retry;
END $$;

-- An attempt ended without having been one: the database was away, so nothing is known to be wrong with
-- the work itself. It is not counted.
CREATE FUNCTION void_attempt(p_kind text, p_id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('UPDATE %s SET attempts = attempts - 1, started_at = NULL
                    WHERE id = %L AND started_at IS NOT NULL AND attempts > 0
                      AND state IN (''pending'', ''received'', ''failed'')',
                   (carrier_of(p_kind)).relation, p_id);
END $$;

-- Tells those who run the marketplace, once per kind and subject while it is open.
CREATE FUNCTION raise_alert(p_kind text, p_subject text, p_reason text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_alert uuid;
BEGIN
    INSERT INTO alerts (kind, subject, reason) VALUES (p_kind, p_subject, p_reason)
    ON CONFLICT (kind, subject) WHERE resolved_at IS NULL DO NOTHING RETURNING id INTO v_alert;
    IF v_alert IS NOT NULL THEN
        PERFORM enqueue('post_alert', json_build_object('alert_id', v_alert));
    END IF;
END $$;

-- Gives up: the dead letter, and its alert.
CREATE FUNCTION bury(p_kind text, p_subject text, p_target text, p_reason text, p_history jsonb)
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO dead_letters (kind, subject, target, reason, history)
    VALUES (p_kind, p_subject, p_target, p_reason, p_history);
    PERFORM raise_alert(p_kind, p_subject, p_reason);
END $$;

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

-- Begins an attempt: the event to process, and the attempts before this one. No row if it is finished.
-- p_max_attempts is that of an event that is parked, which may come back more often than its workers may die.
CREATE FUNCTION webhook_to_process(p_id bigint, p_max_attempts integer, p_max_deaths integer)
RETURNS TABLE (event_id text, payload jsonb, attempts integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_attempt integer := begin_attempt('webhook', p_id::text, p_max_attempts, p_max_deaths);
BEGIN
    RETURN QUERY SELECT e.event_id, e.payload, v_attempt - 1 FROM webhook_events e
        WHERE e.id = p_id AND v_attempt IS NOT NULL;
END $$;

-- The event asks for nothing: a type we do not handle, or a session that is not paid yet.
CREATE FUNCTION ignore_webhook(p_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE webhook_events SET state = 'ignored', processed_at = now() WHERE id = p_id;
$$;

-- Processing failed. True: it will be tried again at p_retry_at; false: it is a dead letter now.
CREATE FUNCTION webhook_failed(p_id bigint, p_error text, p_permanent boolean,
                               p_max_attempts integer, p_retry_at timestamptz) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT attempt_failed('webhook', p_id::text, p_error, p_permanent, p_max_attempts, p_retry_at);
$$;

-- Begins an attempt: the email to send, and which attempt it is. No row if it is finished.
CREATE FUNCTION email_to_send(p_id uuid, p_max_attempts integer)
RETURNS TABLE (event text, recipient text, subject text, body text, attempt integer,
               campaign_recipient uuid, link_base text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_attempt integer;
BEGIN
    IF NOT may_send(p_id) THEN
        RETURN;
    END IF;
    v_attempt := begin_attempt('email', p_id::text, p_max_attempts, p_max_attempts);
    RETURN QUERY SELECT e.event, e.recipient, e.subject, e.body, v_attempt, e.recipient_id, c.link_base
        FROM emails e LEFT JOIN campaigns c ON c.id = e.campaign_id
        WHERE e.id = p_id AND v_attempt IS NOT NULL;
END $$;

-- The provider has accepted the email. A campaign's recipient moves on in the same db_tx.
CREATE FUNCTION email_sent(p_id uuid, p_provider_id text, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_recipient uuid;
BEGIN
    SELECT r.id INTO v_recipient FROM emails e JOIN campaign_recipients r ON r.id = e.recipient_id
    WHERE e.id = p_id FOR NO KEY UPDATE OF r;
    UPDATE emails SET state = 'sent', provider_id = p_provider_id, sent_at = now(), started_at = NULL,
        last_error = NULL
    WHERE id = p_id AND state = 'pending';
    IF FOUND AND v_recipient IS NOT NULL THEN
        PERFORM step_sent(v_recipient, p_now);
    END IF;
END $$;

-- Queues a job, at most once per kind and subject. True if this call did.
CREATE FUNCTION start_job(p_kind text, p_subject text, p_workspace uuid DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_id uuid;
BEGIN
    INSERT INTO jobs (kind, subject, workspace_id) VALUES (p_kind, p_subject, p_workspace)
    ON CONFLICT (kind, subject) DO NOTHING RETURNING id INTO v_id;
    IF v_id IS NOT NULL THEN
        PERFORM enqueue('run_job', json_build_object('job_id', v_id));
    END IF;
    RETURN v_id IS NOT NULL;
END $$;

-- Begins an attempt: the job to run. No row if it is finished.
CREATE FUNCTION job_to_run(p_id uuid, p_max_attempts integer)
RETURNS TABLE (kind text, subject text, attempt integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_attempt integer := begin_attempt('job', p_id::text, p_max_attempts, p_max_attempts);
BEGIN
    RETURN QUERY SELECT j.kind, j.subject, v_attempt FROM jobs j WHERE j.id = p_id AND v_attempt IS NOT NULL;
END $$;

-- The job is done.
CREATE FUNCTION job_done(p_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE jobs SET state = 'done', finished_at = now(), started_at = NULL, last_error = NULL
    WHERE id = p_id AND state = 'pending';
$$;

-- What a step came to, if it was done.
CREATE FUNCTION job_step(p_job uuid, p_name text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT result FROM job_steps WHERE job_id = p_job AND name = p_name;
$$;

-- Remembers what a step came to; of two runs at once the first one's result stays. Each step has its own
-- attempts, so the running one is the first of the next step.
CREATE FUNCTION job_step_done(p_job uuid, p_name text, p_result jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO job_steps (job_id, name, result) VALUES (p_job, p_name, p_result) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        UPDATE jobs SET attempts = 1 WHERE id = p_job AND state = 'pending';
    END IF;
    RETURN job_step(p_job, p_name);
END $$;

-- The alert to post, and by which ways it was posted. No row if it is finished.
CREATE FUNCTION alert_to_post(p_id uuid)
RETURNS TABLE (kind text, subject text, reason text, hooked boolean, emailed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT kind, subject, reason, hook_at IS NOT NULL, email_at IS NOT NULL
    FROM alerts WHERE id = p_id AND state = 'pending';
$$;

-- The alert went these ways: neither is gone twice because the other failed.
CREATE FUNCTION alert_went(p_id uuid, p_hooked boolean, p_emailed boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE alerts SET hook_at = CASE WHEN p_hooked THEN coalesce(hook_at, now()) ELSE hook_at END,
        email_at = CASE WHEN p_emailed THEN coalesce(email_at, now()) ELSE email_at END
    WHERE id = p_id;
$$;

-- The alert was posted (p_error NULL), or refused for good.
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
    v_carrier carrier;
BEGIN
    UPDATE dead_letters SET resolved_at = now() WHERE id = p_id AND resolved_at IS NULL
    RETURNING * INTO v_letter;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE alerts SET resolved_at = now()
    WHERE kind = v_letter.kind AND subject = v_letter.subject AND resolved_at IS NULL;
    v_carrier := carrier_of(v_letter.kind);
    EXECUTE format('UPDATE %s SET state = %L, attempts = 0, started_at = NULL, run_at = now()
                    WHERE id = %L AND state = ''dead''', v_carrier.relation, v_carrier.waiting, v_letter.target);
    PERFORM queue_attempt(v_letter.kind, v_letter.target);
    PERFORM write_audit(v_staff.id, 'dead_letter.retried', NULL, v_letter.subject,
        jsonb_build_object('kind', v_letter.kind, 'reason', v_letter.reason));
    RETURN true;
END $$;

GRANT EXECUTE ON FUNCTION
    receive_webhook(text, text, jsonb), list_dead_letters(bytea, integer, timestamptz, uuid), retry_dead_letter(bytea, uuid)
TO marketplace_app;
GRANT EXECUTE ON FUNCTION
    attempt_failed(text, text, text, boolean, integer, timestamptz), void_attempt(text, text),
    webhook_to_process(bigint, integer, integer), ignore_webhook(bigint),
    webhook_failed(bigint, text, boolean, integer, timestamptz),
    email_to_send(uuid, integer), email_sent(uuid, text, timestamptz),
    job_to_run(uuid, integer), job_done(uuid), job_step(uuid, text), job_step_done(uuid, text, jsonb),
    alert_to_post(uuid), alert_went(uuid, boolean, boolean), alert_done(uuid, text)
TO marketplace_worker;
