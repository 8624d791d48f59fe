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
    FROM lines WHERE accounts.id = lines.account_id AND accounts.kind <> 'platform';
END $$;
