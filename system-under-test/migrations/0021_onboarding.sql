-- Sign-up: a workspace, its owner, its wallet, the bonus and the welcome email, in one db_tx.
--
-- All ids and the hash of the API key follow from the idempotency key and a secret of the service, so
-- a repetition finds the same workspace on any instance, and the API key itself is never stored.

-- Who signed up. An address owns one workspace; email is folded to lower case.
CREATE TABLE sign_ups (
    workspace_id  uuid PRIMARY KEY REFERENCES workspaces (id),
    email         text NOT NULL CONSTRAINT sign_ups_email_key UNIQUE,
    created_at    timestamptz NOT NULL
);
CALL keep_internal('sign_ups');
GRANT INSERT ON workspaces, members, accounts, sign_ups TO marketplace_money;

-- Locks, in this order: the idempotency key, the address, then (in the grant) the new account.
--
-- '{api_key}' in the body stands for what the service derives again at each answer.
CREATE FUNCTION sign_up(p_workspace uuid, p_member uuid, p_api_key_hash bytea, p_key text,
                        p_request_hash bytea, p_name text, p_email text, p_folded text, p_bonus bigint,
                        p_request_id text, p_now timestamptz, p_lifetime_days integer) RETURNS answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_answer answer := answered(p_workspace, p_key, p_request_hash, p_request_id);
BEGIN
    IF v_answer.status IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('sign_up:' || p_folded, 0));
    IF EXISTS (SELECT 1 FROM sign_ups WHERE email = p_folded) THEN
        RETURN purchase_problem(p_workspace, 'email_taken', 'Email address taken', 409,
            'This email address already owns a workspace. Use its API key, or sign up with another address.',
            p_request_id, '{}');
    END IF;
    INSERT INTO workspaces (id, name, created_at) VALUES (p_workspace, p_name, p_now);
    INSERT INTO sign_ups (workspace_id, email, created_at) VALUES (p_workspace, p_folded, p_now);
    INSERT INTO members (id, workspace_id, email, role, api_key_hash, created_at)
    VALUES (p_member, p_workspace, p_email, 'admin', p_api_key_hash, p_now);
    INSERT INTO accounts (workspace_id, kind) VALUES (p_workspace, 'credits');
    IF p_bonus > 0 THEN
        PERFORM grant_credits(p_workspace, p_bonus, 'signup_bonus_' || p_workspace, p_now, 'earned',
                              p_lifetime_days);
    END IF;
    PERFORM queue_email(p_workspace, 'welcome_' || p_workspace, 'welcome', p_email,
        'Welcome to the marketplace',
        format('Your workspace %s is ready, with %s credits to begin with. Workspace number: %s.',
               p_name, p_bonus, p_workspace));
    v_answer := ROW(p_workspace, 201, json_build_object('workspace_id', p_workspace, 'member_id', p_member,
        'api_key', '{api_key}', 'balance', p_bonus)::text, false)::answer;
    INSERT INTO idempotency_keys (workspace_id, key, request_hash, status, body)
    VALUES (p_workspace, p_key, p_request_hash, v_answer.status, v_answer.body);
    RETURN v_answer;
END $$;
GRANT EXECUTE ON FUNCTION
    sign_up(uuid, uuid, bytea, text, bytea, text, text, text, bigint, text, timestamptz, integer)
TO marketplace_app;
