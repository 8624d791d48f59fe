-- Money that went back, and the credits that go back with it.
--
-- Events come in any order, twice, and tell the same thing in several ways. So none of them moves credits by
-- itself. Each adds what it knows to the facts of its payment, by rules that do not depend on the order
-- (amounts of an id never change, flags are only ever set, totals only ever grow); then settle_payment()
-- compares what the facts say with what was done, and does the difference. The same facts end in the same
-- state, whatever the way there.
--
-- The rule: of C credits bought for A cents, of which M cents went back, floor(C * M / A) credits are taken
-- back. It depends on the sum alone, so parts add up; and it is all C when M = A.

-- Every refund that was ever heard of. undone: it failed or was canceled, and the money stayed with us.
CREATE TABLE refunds (
    id              text PRIMARY KEY,
    payment_intent  text NOT NULL,
    amount_cents    bigint NOT NULL CHECK (amount_cents >= 0),
    undone          boolean NOT NULL
);
CREATE INDEX refunds_by_payment ON refunds (payment_intent);

-- Every dispute that was ever heard of. Its money is away once withdrawn, until reinstated. closed: won, lost
-- or warning_closed; it moves nothing by itself.
CREATE TABLE disputes (
    id              text PRIMARY KEY,
    payment_intent  text NOT NULL,
    amount_cents    bigint NOT NULL CHECK (amount_cents >= 0),
    withdrawn       boolean NOT NULL,
    reinstated      boolean NOT NULL,
    closed          text CHECK (closed IN ('won', 'lost', 'warning_closed'))
);
CREATE INDEX disputes_by_payment ON disputes (payment_intent);

-- The highest amount_refunded that a charge of this payment was seen with.
CREATE TABLE charge_refunds (
    payment_intent  text PRIMARY KEY,
    amount_cents    bigint NOT NULL CHECK (amount_cents >= 0)
);

-- Each time credits were taken back (positive) or restored (negative), numbered within the payment. refund is
-- the provider's id of what showed the difference: a refund, a dispute, a charge, or the payment itself where
-- they were known before it. debt and from_expired say how much of it was not in the wallet.
CREATE TABLE reversals (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id        uuid NOT NULL,
    credit_purchase_id  uuid NOT NULL,
    nth                 integer NOT NULL,
    refund              text NOT NULL,
    credits             bigint NOT NULL CHECK (credits <> 0),
    debt                bigint NOT NULL,
    from_expired        bigint NOT NULL,
    money_back          bigint NOT NULL,
    reversed_at         timestamptz NOT NULL,
    UNIQUE (credit_purchase_id, nth),
    FOREIGN KEY (workspace_id, credit_purchase_id) REFERENCES credit_purchases (workspace_id, id)
);
CREATE INDEX reversals_by_workspace ON reversals (workspace_id, reversed_at DESC);

-- From which lots a payment's credits were taken back, so that they can be put back there.
CREATE TABLE clawbacks (
    workspace_id        uuid NOT NULL,
    credit_purchase_id  uuid NOT NULL,
    lot_id              bigint NOT NULL,
    credits             bigint NOT NULL CHECK (credits >= 0),
    from_expired        bigint NOT NULL CHECK (from_expired >= 0),
    PRIMARY KEY (credit_purchase_id, lot_id),
    FOREIGN KEY (workspace_id, credit_purchase_id) REFERENCES credit_purchases (workspace_id, id),
    FOREIGN KEY (workspace_id, lot_id) REFERENCES lots (workspace_id, id)
);

CALL keep_internal('refunds', 'disputes', 'charge_refunds');
CALL isolate('reversals', 'clawbacks');
GRANT SELECT ON reversals TO marketplace_app;
GRANT INSERT ON refunds, disputes, charge_refunds, reversals, clawbacks, accounts TO marketplace_money;
GRANT UPDATE ON refunds, disputes, charge_refunds, clawbacks TO marketplace_money;

-- How much money of a payment is away, as far as is known.
--
-- Of the refunds there are two views, each of which never says too much: the sum of those known by id that
-- stand; and the highest total that was seen on the charge, less all that are known to have failed (the total
-- may or may not have counted them). Whichever says more is nearer to the truth, and each is exact once it
-- has seen everything. So either kind of event is enough by itself, and both together count once.
CREATE FUNCTION money_back(p_payment_intent text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    v_stands bigint;
    v_undone bigint;
BEGIN
    SELECT coalesce(sum(amount_cents) FILTER (WHERE NOT undone), 0),
           coalesce(sum(amount_cents) FILTER (WHERE undone), 0)
    INTO v_stands, v_undone FROM refunds WHERE payment_intent = p_payment_intent;
    RETURN greatest(v_stands, coalesce((SELECT amount_cents FROM charge_refunds
                                        WHERE payment_intent = p_payment_intent), 0) - v_undone)
        + (SELECT coalesce(sum(amount_cents), 0) FROM disputes
           WHERE payment_intent = p_payment_intent AND withdrawn AND NOT reinstated);
END $$;

-- Brings the credits of a payment in line with its facts. Returns settled, or unknown if it was not paid yet:
-- then complete_credit_purchase() calls this when it is. The caller holds lock_payment().
CREATE FUNCTION settle_payment(p_payment_intent text, p_cause text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_row credit_purchases;
    v_money bigint;
    v_credits bigint;
    v_wallet accounts;
BEGIN
    SELECT * INTO v_row FROM credit_purchases
    WHERE stripe_payment_intent = p_payment_intent AND status = 'paid' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    v_money := least(money_back(p_payment_intent), v_row.amount_cents);
    v_credits := v_row.credits * v_money / v_row.amount_cents;
    IF v_money <> v_row.money_back THEN
        UPDATE credit_purchases SET money_back = v_money, credits_back = v_credits,
            reversals = reversals + (credits_back <> v_credits)::integer
        WHERE id = v_row.id;
    END IF;
    IF v_credits <> v_row.credits_back THEN
        v_wallet := lock_wallet(v_row.workspace_id);
        -- From here on every open lot is one that can be spent.
        PERFORM expire_wallet(v_row.workspace_id, v_wallet.id, p_now);
        IF v_credits > v_row.credits_back THEN
            PERFORM take_back(v_row, v_wallet, v_credits - v_row.credits_back, p_cause, v_money, p_now);
        ELSE
            PERFORM give_back(v_row, v_wallet, v_row.credits_back - v_credits, p_cause, v_money, p_now);
        END IF;
    END IF;
    RETURN 'settled';
END $$;

-- Takes back, in this order: what is left of the payment's own lots; what had expired of them (those credits
-- are gone already, and nobody owes them); the other lots, first those that expire first; and what is not
-- there becomes a debt.
CREATE FUNCTION take_back(p_row credit_purchases, p_wallet accounts, p_credits bigint, p_cause text,
                          p_money bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_lot lots;
    v_left bigint := p_credits;
    v_part bigint;
    v_gone bigint;
    v_expired bigint := 0;
BEGIN
    FOR v_lot IN
        SELECT * FROM lots
        WHERE workspace_id = p_row.workspace_id AND (open OR (credit_purchase_id = p_row.id AND expired > 0))
        ORDER BY credit_purchase_id IS DISTINCT FROM p_row.id, expires_at, id
    LOOP
        EXIT WHEN v_left = 0;
        v_part := least(v_lot.remaining, v_left);
        v_gone := CASE WHEN v_lot.credit_purchase_id = p_row.id
                  THEN least(v_lot.expired, v_left - v_part) ELSE 0 END;
        UPDATE lots SET remaining = remaining - v_part, expired = expired - v_gone WHERE id = v_lot.id;
        INSERT INTO clawbacks (workspace_id, credit_purchase_id, lot_id, credits, from_expired)
        VALUES (p_row.workspace_id, p_row.id, v_lot.id, v_part, v_gone)
        ON CONFLICT (credit_purchase_id, lot_id) DO UPDATE
        SET credits = clawbacks.credits + excluded.credits,
            from_expired = clawbacks.from_expired + excluded.from_expired;
        v_left := v_left - v_part - v_gone;
        v_expired := v_expired + v_gone;
    END LOOP;
    PERFORM post_reversal(p_row, p_wallet, p_credits, v_left, v_expired, p_cause, p_money, p_now);
END $$;

-- The way back, last step first: the debt is canceled; the other lots get theirs, then the payment's own. A
-- lot that expired while its credits were withheld cannot hold them, so they become a lot that lives as long
-- as that one did; so do credits whose debt was settled in the meantime.
CREATE FUNCTION give_back(p_row credit_purchases, p_wallet accounts, p_credits bigint, p_cause text,
                          p_money bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_debt bigint := least(p_wallet.owed, p_credits);
    v_left bigint := p_credits - v_debt;
    v_claw record;
    v_part bigint;
    v_gone bigint;
    v_expired bigint := 0;
    v_fresh bigint := 0;
    v_lifetime interval;
BEGIN
    FOR v_claw IN
        SELECT c.lot_id, c.credits, c.from_expired, l.expires_at > p_now AS lives
        FROM clawbacks c JOIN lots l ON l.id = c.lot_id
        WHERE c.credit_purchase_id = p_row.id
        ORDER BY l.credit_purchase_id IS NOT DISTINCT FROM p_row.id, l.expires_at DESC, l.id DESC
    LOOP
        EXIT WHEN v_left = 0;
        v_gone := least(v_claw.from_expired, v_left);
        v_part := least(v_claw.credits, v_left - v_gone);
        UPDATE clawbacks SET credits = credits - v_part, from_expired = from_expired - v_gone
        WHERE credit_purchase_id = p_row.id AND lot_id = v_claw.lot_id;
        UPDATE lots SET expired = expired + v_gone, remaining = remaining + CASE WHEN v_claw.lives THEN v_part ELSE 0 END
        WHERE id = v_claw.lot_id;
        v_left := v_left - v_part - v_gone;
        v_expired := v_expired + v_gone;
        v_fresh := v_fresh + CASE WHEN v_claw.lives THEN 0 ELSE v_part END;
    END LOOP;
    IF v_fresh + v_left > 0 THEN
        SELECT expires_at - created_at INTO STRICT v_lifetime FROM lots
        WHERE credit_purchase_id = p_row.id ORDER BY id LIMIT 1;
        PERFORM add_lot(p_row.workspace_id, 'restored', 'restored_' || p_row.id || '_' || p_row.reversals, p_row.id,
                        v_fresh + v_left, p_now, v_lifetime);
    END IF;
    PERFORM post_reversal(p_row, p_wallet, -p_credits, -v_debt, -v_expired, p_cause, p_money, p_now);
END $$;

-- The transfer of a reversal and its row. p_debt and p_expired are parts of p_credits, and have its sign.
CREATE FUNCTION post_reversal(p_row credit_purchases, p_wallet accounts, p_credits bigint, p_debt bigint,
                              p_expired bigint, p_cause text, p_money bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_debt uuid;
BEGIN
    INSERT INTO reversals (workspace_id, credit_purchase_id, nth, refund, credits, debt, from_expired, money_back,
                           reversed_at)
    VALUES (p_row.workspace_id, p_row.id, p_row.reversals, p_cause, p_credits, p_debt, p_expired, p_money, p_now);
    IF p_debt <> 0 THEN
        INSERT INTO accounts (workspace_id, kind, label) VALUES (p_row.workspace_id, 'debt', 'debt')
        ON CONFLICT (workspace_id) WHERE kind = 'debt' DO NOTHING;
        SELECT id INTO STRICT v_debt FROM accounts WHERE workspace_id = p_row.workspace_id AND kind = 'debt';
        UPDATE accounts SET owed = owed + p_debt WHERE id = p_wallet.id;
    END IF;
    PERFORM post_transfer('reversal', 'reversal_' || p_row.id || '_' || p_row.reversals,
        ARRAY['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000003', p_wallet.id]::uuid[]
            || CASE WHEN p_debt <> 0 THEN ARRAY[v_debt] ELSE '{}' END,
        ARRAY[p_credits, -p_expired, p_expired + p_debt - p_credits]
            || CASE WHEN p_debt <> 0 THEN ARRAY[-p_debt] ELSE '{}' END);
END $$;

-- A refund, in whatever state an event shows it. Its failure is for good, and stays known.
CREATE FUNCTION note_refund(p_webhook bigint, p_refund text, p_payment_intent text, p_amount_cents bigint,
                            p_undone boolean, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM lock_payment(p_payment_intent);
    INSERT INTO refunds (id, payment_intent, amount_cents, undone)
    VALUES (p_refund, p_payment_intent, p_amount_cents, p_undone)
    ON CONFLICT (id) DO UPDATE SET undone = refunds.undone OR excluded.undone;
    RETURN settle_event(p_webhook, p_payment_intent, p_refund, p_now);
END $$;

-- A charge's cumulative amount_refunded.
CREATE FUNCTION note_charge_refunded(p_webhook bigint, p_charge text, p_payment_intent text, p_amount_cents bigint,
                                     p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM lock_payment(p_payment_intent);
    INSERT INTO charge_refunds (payment_intent, amount_cents) VALUES (p_payment_intent, p_amount_cents)
    ON CONFLICT (payment_intent) DO UPDATE
    SET amount_cents = greatest(charge_refunds.amount_cents, excluded.amount_cents);
    RETURN settle_event(p_webhook, p_payment_intent, p_charge, p_now);
END $$;

-- A dispute, and what an event says of it.
CREATE FUNCTION note_dispute(p_webhook bigint, p_dispute text, p_payment_intent text, p_amount_cents bigint,
                             p_withdrawn boolean, p_reinstated boolean, p_closed text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM lock_payment(p_payment_intent);
    INSERT INTO disputes (id, payment_intent, amount_cents, withdrawn, reinstated, closed)
    VALUES (p_dispute, p_payment_intent, p_amount_cents, p_withdrawn, p_reinstated, p_closed)
    ON CONFLICT (id) DO UPDATE SET withdrawn = disputes.withdrawn OR excluded.withdrawn,
        reinstated = disputes.reinstated OR excluded.reinstated, closed = coalesce(disputes.closed, excluded.closed);
    RETURN settle_event(p_webhook, p_payment_intent, p_dispute, p_now);
END $$;

-- Settles, and marks the event unless its payment is still to come: what it told is kept in any case, but it
-- is parked and tried again, so that a refund of a payment that never comes ends before a person's eyes.
CREATE FUNCTION settle_event(p_webhook bigint, p_payment_intent text, p_cause text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_outcome text := settle_payment(p_payment_intent, p_cause, p_now);
BEGIN
    IF v_outcome = 'settled' THEN
        PERFORM finish_webhook(p_webhook);
    END IF;
    RETURN v_outcome;
END $$;

GRANT EXECUTE ON FUNCTION
    note_refund(bigint, text, text, bigint, boolean, timestamptz),
    note_charge_refunded(bigint, text, text, bigint, timestamptz),
    note_dispute(bigint, text, text, bigint, boolean, boolean, text, timestamptz)
TO marketplace_worker;
