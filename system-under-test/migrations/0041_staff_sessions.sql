-- How staff logs in at the pages: a password, then a session that a cookie carries.
--
-- Only hashes are here: of the password (Argon2id, made and checked by the service, which has the memory for it),
-- and of the session's token (SHA-256; it is random, so a slow hash would gain nothing).

-- NULL: this member of staff has an API key only, and cannot log in at the pages.
ALTER TABLE staff ADD COLUMN password_hash text CHECK (password_hash LIKE '$argon2id$%');
CREATE UNIQUE INDEX staff_by_email ON staff (lower(email));

-- A session ends when it is left, replaced or found too old. Rows stay: they say who was logged in, and when.
CREATE TABLE staff_sessions (
    token_hash  bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    staff_id    uuid NOT NULL REFERENCES staff (id),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    ended_at    timestamptz,
    notice      text,
    CHECK (expires_at > created_at)
);
CREATE INDEX staff_sessions_by_staff ON staff_sessions (staff_id);

-- Log-ins that are allowed, as the theoretical arrival time of GCRA. An address falls into one of 4096 rows, so
-- that guessing at addresses neither fills the table nor tells which of them are known.
CREATE TABLE login_attempts (
    bucket  integer PRIMARY KEY CHECK (bucket BETWEEN 0 AND 4095),
    tat     timestamptz NOT NULL
);

CALL keep_internal('staff_sessions', 'login_attempts');
GRANT UPDATE (disabled_at) ON staff TO marketplace_money;
GRANT INSERT, UPDATE ON staff_sessions, login_attempts TO marketplace_money;

CREATE FUNCTION login_bucket(p_email text) RETURNS integer
LANGUAGE sql IMMUTABLE
RETURN (hashtextextended(lower(p_email), 0) & 4095)::integer;

-- Counts an attempt before anything is compared, and says whether it may go on: in how many seconds the next one
-- may (0: this one may), and the member of staff, if there is one with this address.
-- p_burst attempts may follow at once, then one every p_every.
CREATE FUNCTION begin_login(p_email text, p_burst integer, p_every interval, p_now timestamptz)
RETURNS TABLE (wait_s integer, staff_id uuid, password_hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_tat timestamptz;
BEGIN
    INSERT INTO login_attempts AS known (bucket, tat) VALUES (login_bucket(p_email), p_now + p_every)
    ON CONFLICT (bucket) DO UPDATE SET tat = greatest(known.tat, p_now) + p_every
        WHERE greatest(known.tat, p_now) + p_every <= p_now + p_burst * p_every;
    IF NOT FOUND THEN
        SELECT tat INTO v_tat FROM login_attempts WHERE bucket = login_bucket(p_email);
        RETURN QUERY SELECT greatest(1, ceil(extract(epoch FROM v_tat + p_every - p_burst * p_every - p_now)))::integer,
                            NULL::uuid, NULL::text;
        RETURN;
    END IF;
    RETURN QUERY SELECT 0, s.id, s.password_hash FROM (SELECT lower(p_email) AS email) AS given
        LEFT JOIN staff s ON lower(s.email) = given.email AND s.disabled_at IS NULL;
END $$;

-- The password was right: a new session, never the one that the browser brought along, which ends.
CREATE FUNCTION open_session(p_staff uuid, p_token_hash bytea, p_replaced bytea, p_lifetime interval,
                             p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE staff_sessions SET ended_at = p_now WHERE token_hash = p_replaced AND ended_at IS NULL;
    -- The lock waits for whoever disables this member at this moment.
    PERFORM FROM staff WHERE id = p_staff AND disabled_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO staff_sessions (token_hash, staff_id, created_at, expires_at, seen_at)
    VALUES (p_token_hash, p_staff, p_now, p_now + p_lifetime, p_now);
    UPDATE login_attempts SET tat = p_now
    WHERE bucket = (SELECT login_bucket(email) FROM staff WHERE id = p_staff);
    PERFORM write_audit(p_staff, 'session.opened', NULL, (SELECT email FROM staff WHERE id = p_staff), '{}');
END $$;

-- Whose session this is, with what is to be told once. No row: there is none, or it is over: too old, or nobody
-- has looked for longer than p_idle. It is ended here, and enter_staff() knows it no more.
CREATE FUNCTION read_session(p_token_hash bytea, p_idle interval, p_now timestamptz)
RETURNS TABLE (email text, role text, notice text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_session staff_sessions;
BEGIN
    SELECT * INTO v_session FROM staff_sessions WHERE token_hash = p_token_hash AND ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v_session.expires_at <= p_now OR v_session.seen_at + p_idle <= p_now THEN
        UPDATE staff_sessions SET ended_at = p_now WHERE token_hash = p_token_hash AND ended_at IS NULL;
        RETURN;
    END IF;
    -- Not at every look: once a minute says as much.
    IF v_session.notice IS NOT NULL OR v_session.seen_at + interval '1 minute' <= p_now THEN
        UPDATE staff_sessions SET seen_at = greatest(seen_at, p_now), notice = NULL WHERE token_hash = p_token_hash;
    END IF;
    RETURN QUERY SELECT s.email, s.role, v_session.notice FROM staff s WHERE s.id = v_session.staff_id;
END $$;

-- Leaves a sentence for the next page that this session sees: what came of the form that was sent.
CREATE FUNCTION leave_notice(p_token_hash bytea, p_notice text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE staff_sessions SET notice = p_notice WHERE token_hash = p_token_hash AND ended_at IS NULL;
$$;

-- Logs out.
CREATE FUNCTION end_session(p_token_hash bytea, p_now timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE staff_sessions SET ended_at = p_now WHERE token_hash = p_token_hash AND ended_at IS NULL;
$$;

-- Shuts a member of staff out, or lets them in again: key and password work or do not, and sessions end at once. False:
-- nobody has this address, or it is so already. The audit log has no other name for somebody at the command line than
-- the database's user.
CREATE FUNCTION disable_staff(p_email text, p_disabled boolean, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_staff staff;
BEGIN
    UPDATE staff SET disabled_at = CASE WHEN p_disabled THEN p_now END
    WHERE lower(email) = lower(p_email) AND (disabled_at IS NULL) = p_disabled RETURNING * INTO v_staff;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE staff_sessions SET ended_at = p_now WHERE staff_id = v_staff.id AND ended_at IS NULL;
    PERFORM write_audit(v_staff.id, CASE WHEN p_disabled THEN 'staff.disabled' ELSE 'staff.enabled' END, NULL,
        v_staff.email, jsonb_build_object('by', 'command line, as ' || session_user));
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION disable_staff(text, boolean, timestamptz) TO marketplace_operator;

GRANT EXECUTE ON FUNCTION
    begin_login(text, integer, interval, timestamptz),
    open_session(uuid, bytea, bytea, interval, timestamptz),
    read_session(bytea, interval, timestamptz), leave_notice(bytea, text), end_session(bytea, timestamptz)
TO marketplace_app;
