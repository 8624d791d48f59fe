-- Credits by when they expire. A wallet's balance is the sum of what is left in its lots; what can be spent
-- is the sum of those that have not expired, swept or not. Time is the service's, handed in as p_now.
--
-- Every function here is called under the wallet's lock, or takes it. sum(remaining) = balance holds at each
-- commit, because whoever posts an entry on a wallet changes its lots by the same amount, in the same db_tx.

-- One grant of credits (all commissions of a day are one). credits is what was ever put in, expired what was
-- swept from it and not taken back since, sweeps how often that happened. open follows from remaining, so
-- that an index of open lots is left alone by a purchase that does not empty the lot.
CREATE TABLE lots (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id        uuid NOT NULL REFERENCES workspaces (id),
    source              text NOT NULL CHECK (source IN ('bought', 'earned', 'adjusted', 'restored')),
    reference           text NOT NULL,
    credit_purchase_id  uuid,
    credits             bigint NOT NULL CHECK (credits > 0),
    remaining           bigint NOT NULL CONSTRAINT lots_remaining_check CHECK (remaining BETWEEN 0 AND credits),
    expired             bigint NOT NULL DEFAULT 0 CHECK (expired BETWEEN 0 AND credits),
    sweeps              integer NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    open                boolean GENERATED ALWAYS AS (remaining <> 0) STORED,
    UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, reference),
    FOREIGN KEY (workspace_id, credit_purchase_id) REFERENCES credit_purchases (workspace_id, id)
);
CREATE INDEX lots_to_spend ON lots (workspace_id, expires_at, id) WHERE open;
CREATE INDEX lots_to_expire ON lots (expires_at) WHERE open;
CREATE INDEX lots_of_a_payment ON lots (credit_purchase_id) WHERE credit_purchase_id IS NOT NULL;

-- What was swept, for the books: one row per lot and sweep.
CREATE TABLE expiries (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL,
    lot_id        bigint NOT NULL,
    sweep         integer NOT NULL,
    credits       bigint NOT NULL CHECK (credits > 0),
    expired_at    timestamptz NOT NULL,
    UNIQUE (lot_id, sweep),
    FOREIGN KEY (workspace_id, lot_id) REFERENCES lots (workspace_id, id)
);
CREATE INDEX expiries_by_workspace ON expiries (workspace_id);

CALL isolate('lots', 'expiries');
GRANT SELECT ON lots, expiries TO marketplace_app;
GRANT INSERT ON lots, expiries TO marketplace_money;
GRANT UPDATE ON lots TO marketplace_money;

-- What a workspace can spend now.
CREATE FUNCTION spendable(p_workspace uuid, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(sum(remaining), 0) FROM lots
            WHERE workspace_id = p_workspace AND open AND expires_at > p_now);
END $$;
GRANT EXECUTE ON FUNCTION spendable(uuid, timestamptz) TO marketplace_app;

-- Takes up to so many credits, first those that expire first. How many it took.
CREATE FUNCTION take_from_lots(p_workspace uuid, p_credits bigint, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_taken bigint;
BEGIN
    WITH unexpired AS (
        SELECT id, remaining, (sum(remaining) OVER (ORDER BY expires_at, id) - remaining)::bigint AS before
        FROM lots WHERE workspace_id = p_workspace AND open AND expires_at > p_now
    ), taken AS (
        UPDATE lots SET remaining = lots.remaining - least(unexpired.remaining, p_credits - unexpired.before)
        FROM unexpired WHERE lots.id = unexpired.id AND unexpired.before < p_credits
        RETURNING least(unexpired.remaining, p_credits - unexpired.before) AS credits
    )
    SELECT coalesce(sum(credits), 0) INTO v_taken FROM taken;
    RETURN v_taken;
END $$;

-- Puts credits into a wallet as a lot of their own.
CREATE FUNCTION add_lot(p_workspace uuid, p_source text, p_reference text, p_credit_purchase uuid,
                        p_credits bigint, p_now timestamptz, p_lifetime interval) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO lots (workspace_id, source, reference, credit_purchase_id, credits, remaining, created_at, expires_at)
    VALUES (p_workspace, p_source, p_reference, p_credit_purchase, p_credits, p_credits, p_now, p_now + p_lifetime);
END $$;

-- Pays a debt with whatever the wallet can spend: a transfer of its own, named after what brought the credits.
CREATE FUNCTION settle_debt(p_workspace uuid, p_reference text, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_wallet accounts;
    v_paid bigint;
BEGIN
    SELECT * INTO v_wallet FROM accounts WHERE workspace_id = p_workspace AND kind = 'credits';
    IF v_wallet.owed = 0 THEN
        RETURN;
    END IF;
    v_paid := take_from_lots(p_workspace, v_wallet.owed, p_now);
    IF v_paid > 0 THEN
        PERFORM post_transfer('settlement', 'settlement_' || p_reference,
            ARRAY[v_wallet.id, (SELECT id FROM accounts WHERE workspace_id = p_workspace AND kind = 'debt')],
            ARRAY[-v_paid, v_paid]);
        UPDATE accounts SET owed = owed - v_paid WHERE id = v_wallet.id;
    END IF;
END $$;

-- Lock 3 for one workspace: its wallet.
CREATE FUNCTION lock_wallet(p_workspace uuid) RETURNS accounts
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_wallet accounts;
BEGIN
    SELECT * INTO v_wallet FROM accounts WHERE workspace_id = p_workspace AND kind = 'credits' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'workspace % has no credits account', p_workspace USING ERRCODE = '23503';
    END IF;
    RETURN v_wallet;
END $$;

-- Gives credits to a workspace, at most once per reference. True if this call gave them.
-- Two calls with one reference meet at the wallet's lock; the second sees the first.
CREATE FUNCTION grant_credits(p_workspace uuid, p_credits bigint, p_reference text, p_now timestamptz,
                              p_source text, p_lifetime_days integer, p_credit_purchase uuid DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_wallet accounts;
BEGIN
    IF p_credits <= 0 THEN
        RAISE EXCEPTION 'a grant must be positive, got %', p_credits USING ERRCODE = '22023';
    END IF;
    v_wallet := lock_wallet(p_workspace);
    IF EXISTS (SELECT 1 FROM transfers WHERE reference = p_reference) THEN
        RETURN false;
    END IF;
    PERFORM post_transfer('grant', p_reference,
        ARRAY['00000000-0000-0000-0000-000000000001', v_wallet.id]::uuid[],
        ARRAY[-p_credits, p_credits]);
    PERFORM add_lot(p_workspace, p_source, p_reference, p_credit_purchase, p_credits, p_now,
                    make_interval(days => p_lifetime_days));
    PERFORM settle_debt(p_workspace, p_reference, p_now);
    RETURN true;
END $$;

-- The same for the back office, on the computer's clock and with the default of CREDIT_LIFETIME_DAYS.
CREATE FUNCTION grant_credits(p_workspace uuid, p_credits bigint, p_reference text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN grant_credits(p_workspace, p_credits, p_reference, now(), 'earned', 90);
END $$;
GRANT EXECUTE ON FUNCTION grant_credits(uuid, bigint, text) TO marketplace_operator;

-- Moves what has expired in one wallet to the platform. The caller holds the wallet's lock. How many lots.
CREATE FUNCTION expire_wallet(p_workspace uuid, p_wallet uuid, p_now timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_lot lots;
    v_swept integer := 0;
BEGIN
    FOR v_lot IN SELECT * FROM lots WHERE workspace_id = p_workspace AND open AND expires_at <= p_now ORDER BY id LOOP
        PERFORM post_transfer('expiry', 'expiry_' || v_lot.id || '_' || v_lot.sweeps,
            ARRAY[p_wallet, '00000000-0000-0000-0000-000000000003']::uuid[],
            ARRAY[-v_lot.remaining, v_lot.remaining]);
        UPDATE lots SET remaining = 0, expired = expired + v_lot.remaining, sweeps = sweeps + 1 WHERE id = v_lot.id;
        INSERT INTO expiries (workspace_id, lot_id, sweep, credits, expired_at)
        VALUES (p_workspace, v_lot.id, v_lot.sweeps, v_lot.remaining, p_now);
        v_swept := v_swept + 1;
    END LOOP;
    RETURN v_swept;
END $$;

-- Sweeps up to so many wallets. How many lots that were; 0: nothing is due that nobody else is at.
-- It never waits: a wallet in use is left to the next call, so two instances at once share the work.
CREATE FUNCTION expire_credits(p_now timestamptz, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_wallet accounts;
    v_swept integer := 0;
BEGIN
    FOR v_wallet IN
        SELECT * FROM accounts
        WHERE kind = 'credits'
          AND workspace_id IN (SELECT workspace_id FROM lots WHERE open AND expires_at <= p_now)
        ORDER BY id LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        v_swept := v_swept + expire_wallet(v_wallet.workspace_id, v_wallet.id, p_now);
    END LOOP;
    RETURN v_swept;
END $$;
GRANT EXECUTE ON FUNCTION expire_credits(timestamptz, integer) TO marketplace_worker;
