-- Campaigns: a sequence of emails to a list of recipients, each step once per recipient and in order.
--
-- A recipient is 'waiting' for its step to fall due, then 'queued' while the step's email is in the outbox,
-- and moves on in the db_tx that marks the email sent. So the next step cannot begin before the last one was
-- accepted, and a step that ended in the dead letters stops the sequence of that recipient until it is retried.
--
-- Lock order: the campaign, its recipients by id, their emails.

CREATE TABLE campaigns (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    name          text NOT NULL,
    status        text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'running', 'paused')),
    link_base     text NOT NULL,  -- of unsubscribe links: one email has one text, whichever instance sends it
    created_at    timestamptz NOT NULL,
    UNIQUE (workspace_id, id)
);
CREATE INDEX campaigns_newest_first ON campaigns (workspace_id, created_at DESC, id DESC);

CREATE TABLE campaign_steps (
    campaign_id   uuid NOT NULL,
    workspace_id  uuid NOT NULL,
    step          integer NOT NULL CHECK (step > 0),
    subject       text NOT NULL,
    body          text NOT NULL,
    delay_s       bigint NOT NULL CHECK (delay_s >= 0),  -- after the start, or after the step before was sent
    PRIMARY KEY (campaign_id, step),
    FOREIGN KEY (workspace_id, campaign_id) REFERENCES campaigns (workspace_id, id)
);

-- step is the next one to send. due_at is NULL until the campaign is started.
CREATE TABLE campaign_recipients (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL,
    campaign_id   uuid NOT NULL,
    email         text NOT NULL,
    folded        text NOT NULL,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'queued', 'done', 'unsubscribed')),
    step          integer NOT NULL DEFAULT 1,
    due_at        timestamptz,
    UNIQUE (workspace_id, id),
    UNIQUE (campaign_id, folded),
    FOREIGN KEY (workspace_id, campaign_id) REFERENCES campaigns (workspace_id, id)
);
CREATE INDEX campaign_recipients_due ON campaign_recipients (due_at) WHERE state = 'waiting';
CREATE INDEX campaign_recipients_by_address ON campaign_recipients (workspace_id, folded);

-- Addresses that want no campaign of a workspace any more.
CREATE TABLE unsubscribes (
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    folded        text NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, folded)
);

-- held: its campaign is paused. suppressed: its recipient has unsubscribed; it was not sent and never will be.
ALTER TABLE emails ADD campaign_id uuid, ADD campaign_step integer, ADD recipient_id uuid,
    ADD FOREIGN KEY (workspace_id, campaign_id) REFERENCES campaigns (workspace_id, id),
    ADD FOREIGN KEY (workspace_id, recipient_id) REFERENCES campaign_recipients (workspace_id, id),
    DROP CONSTRAINT emails_state_check, ADD CONSTRAINT emails_state_check
        CHECK (state IN ('pending', 'held', 'sent', 'suppressed', 'dead'));
CREATE INDEX emails_by_campaign ON emails (campaign_id, campaign_step) WHERE campaign_id IS NOT NULL;
CREATE INDEX emails_by_campaign_recipient ON emails (recipient_id) WHERE recipient_id IS NOT NULL;

CALL isolate('campaigns', 'campaign_steps', 'campaign_recipients', 'unsubscribes');
GRANT INSERT ON campaigns, campaign_steps, campaign_recipients, unsubscribes TO marketplace_money;
GRANT UPDATE ON campaigns, campaign_recipients TO marketplace_money;

-- Keeps what an endpoint answered to a key, in the db_tx of its effect.
CREATE FUNCTION remember(p_workspace uuid, p_key text, p_request_hash bytea, p_status integer, p_body text)
RETURNS answer LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO idempotency_keys (workspace_id, key, request_hash, status, body)
    VALUES (p_workspace, p_key, p_request_hash, p_status, p_body);
    RETURN ROW(p_workspace, p_status, p_body, false)::answer;
END $$;

CREATE FUNCTION no_such_campaign(p_workspace uuid, p_request_id text) RETURNS answer
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN purchase_problem(p_workspace, 'campaign_not_found', 'No such campaign', 404,
        'No campaign of this workspace has this id.', p_request_id, '{}');
END $$;

CREATE FUNCTION create_campaign(p_key_hash bytea, p_key text, p_request_hash bytea, p_request_id text,
                                p_name text, p_subjects text[], p_bodies text[], p_delays bigint[],
                                p_link_base text, p_now timestamptz) RETURNS answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_workspace uuid := (enter_workspace(p_key_hash)).workspace_id;
    v_answer answer := answered(v_workspace, p_key, p_request_hash, p_request_id);
    v_id uuid;
BEGIN
    IF v_answer.status IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    INSERT INTO campaigns (workspace_id, name, link_base, created_at)
    VALUES (v_workspace, p_name, p_link_base, p_now) RETURNING id INTO v_id;
    INSERT INTO campaign_steps (campaign_id, workspace_id, step, subject, body, delay_s)
    SELECT v_id, v_workspace, step, subject, body, delay_s
    FROM unnest(p_subjects, p_bodies, p_delays) WITH ORDINALITY AS s (subject, body, delay_s, step);
    RETURN remember(v_workspace, p_key, p_request_hash, 201, json_build_object('id', v_id)::text);
END $$;

-- Adds addresses that are not there yet; one that has unsubscribed is kept, and gets nothing.
CREATE FUNCTION add_campaign_recipients(p_key_hash bytea, p_key text, p_request_hash bytea, p_request_id text,
                                        p_campaign uuid, p_emails text[], p_folded text[], p_now timestamptz)
RETURNS answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_workspace uuid := (enter_workspace(p_key_hash)).workspace_id;
    v_answer answer := answered(v_workspace, p_key, p_request_hash, p_request_id);
    v_campaign campaigns;
    v_added bigint;
BEGIN
    IF v_answer.status IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    SELECT * INTO v_campaign FROM campaigns WHERE id = p_campaign AND workspace_id = v_workspace
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN no_such_campaign(v_workspace, p_request_id);
    END IF;
    WITH added AS (
        INSERT INTO campaign_recipients (workspace_id, campaign_id, email, folded, state, due_at)
        SELECT v_workspace, p_campaign, a.email, a.folded,
            CASE WHEN u.folded IS NULL THEN 'waiting' ELSE 'unsubscribed' END,
            CASE WHEN v_campaign.status <> 'draft' THEN first_due(p_campaign, p_now) END
        FROM unnest(p_emails, p_folded) AS a (email, folded)
        LEFT JOIN unsubscribes u ON u.workspace_id = v_workspace AND u.folded = a.folded
        ORDER BY a.folded
        ON CONFLICT (campaign_id, folded) DO NOTHING RETURNING 1)
    SELECT count(*) INTO v_added FROM added;
    RETURN remember(v_workspace, p_key, p_request_hash, 200, json_build_object('added', v_added,
        'total', (SELECT count(*) FROM campaign_recipients WHERE campaign_id = p_campaign))::text);
END $$;

CREATE FUNCTION first_due(p_campaign uuid, p_now timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT p_now + delay_s * interval '1 second' FROM campaign_steps WHERE campaign_id = p_campaign AND step = 1;
$$;

-- start, pause, resume. What is already as it should be stays so.
CREATE FUNCTION move_campaign(p_key_hash bytea, p_key text, p_request_hash bytea, p_request_id text,
                              p_campaign uuid, p_move text, p_now timestamptz) RETURNS answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_workspace uuid := (enter_workspace(p_key_hash)).workspace_id;
    v_answer answer := answered(v_workspace, p_key, p_request_hash, p_request_id);
    v_from text := CASE p_move WHEN 'start' THEN 'draft' WHEN 'pause' THEN 'running' ELSE 'paused' END;
    v_to text := CASE p_move WHEN 'pause' THEN 'paused' ELSE 'running' END;
    v_status text;
    v_email uuid;
BEGIN
    IF v_answer.status IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    SELECT status INTO v_status FROM campaigns WHERE id = p_campaign AND workspace_id = v_workspace
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN no_such_campaign(v_workspace, p_request_id);
    END IF;
    IF v_status NOT IN (v_from, v_to) THEN
        RETURN purchase_problem(v_workspace, 'campaign_state', 'Not in this state', 409,
            format('A campaign that is %s cannot %s.', v_status, p_move), p_request_id,
            jsonb_build_object('status', v_status));
    END IF;
    IF v_status = v_from THEN
        UPDATE campaigns SET status = v_to WHERE id = p_campaign;
        IF p_move = 'start' THEN
            UPDATE campaign_recipients SET due_at = first_due(p_campaign, p_now) WHERE campaign_id = p_campaign;
        ELSIF p_move = 'resume' THEN
            FOR v_email IN
                UPDATE emails SET state = 'pending' WHERE campaign_id = p_campaign AND state = 'held' RETURNING id
            LOOP
                PERFORM queue_attempt('email', v_email::text);
            END LOOP;
        END IF;
    END IF;
    RETURN remember(v_workspace, p_key, p_request_hash, 200,
        json_build_object('id', p_campaign, 'status', v_to)::text);
END $$;

-- Queues the steps that have fallen due, at most so many. Two instances take different recipients. How many.
CREATE FUNCTION advance_campaigns(p_now timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_due record;
    v_email uuid;
    v_queued integer := 0;
BEGIN
    FOR v_due IN
        SELECT r.id, r.workspace_id, r.campaign_id, r.step, r.email, s.subject, s.body
        FROM campaign_recipients r
        JOIN campaigns c ON c.id = r.campaign_id AND c.status = 'running'
        JOIN campaign_steps s ON s.campaign_id = r.campaign_id AND s.step = r.step
        WHERE r.state = 'waiting' AND r.due_at <= p_now
        ORDER BY r.due_at LIMIT p_limit FOR NO KEY UPDATE OF r SKIP LOCKED
    LOOP
        UPDATE campaign_recipients SET state = 'queued' WHERE id = v_due.id;
        INSERT INTO emails (workspace_id, event, kind, recipient, subject, body, campaign_id, campaign_step,
                            recipient_id)
        VALUES (v_due.workspace_id, format('campaign_%s_%s_%s', v_due.campaign_id, v_due.step, v_due.id), 'campaign',
                v_due.email, v_due.subject, v_due.body, v_due.campaign_id, v_due.step, v_due.id)
        ON CONFLICT (event, recipient) DO NOTHING RETURNING id INTO v_email;
        IF v_email IS NOT NULL THEN
            PERFORM queue_attempt('email', v_email::text);
        END IF;
        v_queued := v_queued + 1;
    END LOOP;
    RETURN v_queued;
END $$;

-- Whether an email may leave now. An email of a campaign is held while that is paused, and suppressed once its
-- recipient has unsubscribed. The locks last until the attempt has begun: an unsubscribe either comes before,
-- and nothing is sent, or sees the attempt, and waits for its end.
CREATE FUNCTION may_send(p_email uuid) RETURNS boolean
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_campaign uuid;
    v_recipient uuid;
    v_status text;
    v_state text;
BEGIN
    SELECT campaign_id, recipient_id INTO v_campaign, v_recipient FROM emails WHERE id = p_email;
    IF v_campaign IS NULL THEN
        RETURN true;
    END IF;
    SELECT status INTO v_status FROM campaigns WHERE id = v_campaign FOR SHARE;
    SELECT state INTO v_state FROM campaign_recipients WHERE id = v_recipient FOR NO KEY UPDATE;
    IF v_state = 'unsubscribed' THEN
        UPDATE emails SET state = 'suppressed', started_at = NULL WHERE id = p_email AND state = 'pending';
        RETURN false;
    ELSIF v_status <> 'running' THEN
        UPDATE emails SET state = 'held', started_at = NULL WHERE id = p_email AND state = 'pending';
        RETURN false;
    END IF;
    RETURN true;
END $$;

-- The step's email was accepted: the recipient waits for the next step, or is done.
CREATE FUNCTION step_sent(p_recipient uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_delay bigint;
BEGIN
    SELECT s.delay_s INTO v_delay FROM campaign_recipients r
    JOIN campaign_steps s ON s.campaign_id = r.campaign_id AND s.step = r.step + 1 WHERE r.id = p_recipient;
    UPDATE campaign_recipients SET
        state = CASE WHEN v_delay IS NULL THEN 'done' ELSE 'waiting' END,
        step = step + CASE WHEN v_delay IS NULL THEN 0 ELSE 1 END,
        due_at = CASE WHEN v_delay IS NULL THEN NULL ELSE p_now + v_delay * interval '1 second' END
    WHERE id = p_recipient AND state = 'queued';
END $$;

-- Stops every campaign of the workspace for the address of this recipient. How many of its emails are being
-- handed to the provider at this moment (for p_lease at most); NULL: there is no such recipient.
CREATE FUNCTION unsubscribe(p_recipient uuid, p_lease interval, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_row campaign_recipients;
    v_ids uuid[];
BEGIN
    SELECT * INTO v_row FROM campaign_recipients WHERE id = p_recipient;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO unsubscribes (workspace_id, folded, created_at) VALUES (v_row.workspace_id, v_row.folded, p_now)
    ON CONFLICT DO NOTHING;
    SELECT array_agg(id) INTO v_ids FROM (SELECT id FROM campaign_recipients
        WHERE workspace_id = v_row.workspace_id AND folded = v_row.folded ORDER BY id FOR NO KEY UPDATE) AS locked;
    UPDATE campaign_recipients SET state = 'unsubscribed', due_at = NULL
    WHERE id = ANY (v_ids) AND state <> 'unsubscribed';
    UPDATE emails SET state = 'suppressed'
    WHERE recipient_id = ANY (v_ids) AND state IN ('pending', 'held') AND started_at IS NULL;
    RETURN (SELECT count(*) FROM emails WHERE recipient_id = ANY (v_ids) AND state = 'pending'
            AND started_at > now() - p_lease);
END $$;

CREATE FUNCTION read_campaigns(p_key_hash bytea, p_before timestamptz, p_before_id uuid, p_limit integer)
RETURNS TABLE (id uuid, name text, status text, created_at timestamptz)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM enter_workspace(p_key_hash);
    RETURN QUERY SELECT id, name, status, created_at FROM campaigns
        WHERE p_before IS NULL OR (created_at, id) < (p_before, p_before_id)
        ORDER BY created_at DESC, id DESC LIMIT p_limit;
END $$;
GRANT SELECT ON campaigns TO marketplace_app;

-- One campaign with its numbers, in one query whatever its size. NULL: there is none.
CREATE FUNCTION read_campaign(p_key_hash bytea, p_id uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_workspace uuid := (enter_workspace(p_key_hash)).workspace_id;
BEGIN
    RETURN (SELECT jsonb_build_object('id', c.id, 'name', c.name, 'status', c.status, 'created_at', c.created_at,
        'recipients', (SELECT jsonb_build_object('total', count(*),
                'waiting', count(*) FILTER (WHERE state = 'waiting'),
                'queued', count(*) FILTER (WHERE state = 'queued'),
                'done', count(*) FILTER (WHERE state = 'done'),
                'unsubscribed', count(*) FILTER (WHERE state = 'unsubscribed'))
            FROM campaign_recipients WHERE campaign_id = c.id),
        'steps', (SELECT jsonb_agg(to_jsonb(n) ORDER BY n.step) FROM (
            SELECT s.step, s.subject, s.delay_s,
                count(*) FILTER (WHERE e.state IN ('pending', 'held')) AS outstanding,
                count(*) FILTER (WHERE e.state = 'sent') AS sent,
                count(*) FILTER (WHERE e.state = 'dead') AS dead,
                count(*) FILTER (WHERE e.state = 'suppressed') AS suppressed
            FROM campaign_steps s LEFT JOIN emails e ON e.campaign_id = s.campaign_id AND e.campaign_step = s.step
            WHERE s.campaign_id = c.id GROUP BY s.step, s.subject, s.delay_s) AS n))
        FROM campaigns c WHERE c.id = p_id AND c.workspace_id = v_workspace);
END $$;

GRANT EXECUTE ON FUNCTION
    create_campaign(bytea, text, bytea, text, text, text[], text[], bigint[], text, timestamptz),
    add_campaign_recipients(bytea, text, bytea, text, uuid, text[], text[], timestamptz),
    move_campaign(bytea, text, bytea, text, uuid, text, timestamptz),
    unsubscribe(uuid, interval, timestamptz),
    read_campaigns(bytea, timestamptz, uuid, integer), read_campaign(bytea, uuid)
TO marketplace_app;
GRANT EXECUTE ON FUNCTION advance_campaigns(timestamptz, integer) TO marketplace_worker;

-- A step that is due is work, by the computer's clock: a view cannot know another.
CREATE OR REPLACE VIEW outstanding_work WITH (security_invoker = true) AS
    SELECT 'job' AS kind, count(*) AS waiting FROM graphile_worker._private_jobs
    UNION ALL SELECT 'webhook', count(*) FROM webhook_events WHERE state IN ('received', 'failed')
    UNION ALL SELECT 'email', count(*) FROM emails WHERE state = 'pending'
    UNION ALL SELECT 'alert', count(*) FROM alerts WHERE state = 'pending'
    UNION ALL SELECT 'other work', count(*) FROM jobs WHERE state = 'pending'
    UNION ALL SELECT 'campaign step', count(*) FROM campaign_recipients r
        JOIN campaigns c ON c.id = r.campaign_id AND c.status = 'running'
        WHERE r.state = 'waiting' AND r.due_at <= now();
