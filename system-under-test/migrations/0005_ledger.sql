-- The double-entry ledger. Every change of a balance goes through post_transfer().

-- Writes a transfer with its entries and moves the maintained balances, in one statement.
-- Amounts for the same account are added up; an account that nets to zero gets no entry.
-- The caller already holds the locks on the accounts, taken in the order of their ids.
CREATE FUNCTION post_transfer(p_kind text, p_reference text, p_accounts uuid[], p_amounts bigint[])
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT sum(amount) FROM unnest(p_amounts) AS amount) IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'transfer % does not sum to zero', p_reference;
    END IF;
    WITH posted AS (
        INSERT INTO transfers (kind, reference) VALUES (p_kind, p_reference) RETURNING id
    ), lines AS (
        SELECT account_id, sum(amount)::bigint AS amount
        FROM unnest(p_accounts, p_amounts) AS line (account_id, amount)
        GROUP BY account_id HAVING sum(amount) <> 0
    ), written AS (
        INSERT INTO entries (transfer_id, account_id, amount)
        SELECT posted.id, lines.account_id, lines.amount FROM posted, lines
    )
    UPDATE accounts SET balance = accounts.balance + lines.amount
    FROM lines WHERE accounts.id = lines.account_id AND accounts.kind = 'credits';
END $$;

-- Gives credits to a workspace, at most once per reference. True if this call gave them.
-- Lock: the workspace's account. Two calls with one reference meet there; the second sees the first.
CREATE FUNCTION grant_credits(p_workspace uuid, p_credits bigint, p_reference text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_account uuid;
BEGIN
    IF p_credits <= 0 THEN
        RAISE EXCEPTION 'a grant must be positive, got %', p_credits USING ERRCODE = '22023';
    END IF;
    SELECT id INTO v_account FROM accounts
    WHERE workspace_id = p_workspace AND kind = 'credits' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'workspace % has no credits account', p_workspace USING ERRCODE = '23503';
    END IF;
    IF EXISTS (SELECT 1 FROM transfers WHERE reference = p_reference) THEN
        RETURN false;
    END IF;
    PERFORM post_transfer('grant', p_reference,
        ARRAY['00000000-0000-0000-0000-000000000001', v_account]::uuid[],
        ARRAY[-p_credits, p_credits]);
    RETURN true;
END $$;
