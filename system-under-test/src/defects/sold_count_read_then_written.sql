-- sold-count-read-then-written: the count is read without a lock and written back later as a value, a
-- lost update. The money stays right: the wallets are still locked before they are read.
ALTER TABLE leads DROP CONSTRAINT leads_capacity_check;

CREATE OR REPLACE FUNCTION buy_leads(p_id uuid, p_member members, p_key text, p_wanted uuid[],
                          p_percent integer, p_request_id text, p_public_url text,
                          p_now timestamptz, p_lifetime_days integer) RETURNS answer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_leads uuid[];         -- these five run in parallel, ordered by lead id
    v_sold integer[];
    v_prices bigint[];
    v_partners uuid[];
    v_commissions bigint[];
    v_full uuid[];
    v_total bigint;
    v_wallets uuid[];       -- these three run in parallel, ordered by account id
    v_owners uuid[];
    v_debts bigint[];
    v_buyer integer;
    v_taken bigint;
    v_refusal answer;
BEGIN
    -- "Is it still available?" No lock: every request in flight reads the same count.
    SELECT array_agg(id), array_agg(sold_count), array_agg(price), array_agg(workspace_id),
           array_agg(price * p_percent / 100),
           coalesce(array_agg(id) FILTER (WHERE sold_count >= max_sales), '{}'), sum(price)
    INTO v_leads, v_sold, v_prices, v_partners, v_commissions, v_full, v_total
    FROM (SELECT id, price, workspace_id, sold_count, max_sales FROM leads
          WHERE id = ANY (p_wanted) ORDER BY id) AS seen;
    v_refusal := refuse_leads(p_member.workspace_id, p_wanted, v_leads, v_full, p_request_id);
    IF v_refusal.status IS NOT NULL THEN
        RETURN v_refusal;
    END IF;

    -- Lock 3: the wallets of the buyer and of every partner, by id.
    SELECT array_agg(id), array_agg(workspace_id), array_agg(owed)
    INTO v_wallets, v_owners, v_debts
    FROM (SELECT id, workspace_id, owed FROM accounts
          WHERE kind = 'credits' AND workspace_id = ANY (v_partners || p_member.workspace_id)
          ORDER BY id FOR NO KEY UPDATE) AS locked;
    v_buyer := array_position(v_owners, p_member.workspace_id);
    IF v_debts[v_buyer] > 0 THEN
        RETURN debt_outstanding(p_member.workspace_id, v_debts[v_buyer], p_request_id, p_public_url);
    END IF;
    -- Takes all there is if that is too little: purchase() rolls a refusal back, lots and all.
    v_taken := take_from_lots(p_member.workspace_id, v_total, p_now);
    IF v_taken < v_total THEN
        RETURN insufficient_credits(p_member.workspace_id, v_total, v_taken, p_request_id, p_public_url);
    END IF;

    PERFORM record_purchase(p_id, p_member, p_key, v_leads, v_prices, v_partners, v_commissions,
                            v_total, p_percent);
    PERFORM post_purchase(p_id, v_wallets[v_buyer], v_total, v_partners, v_commissions);
    PERFORM earn_commissions(p_id, v_partners, v_commissions, v_owners, v_debts, p_now, p_lifetime_days);
    -- "Mark it as sold": what was read, plus one, over whatever others have written since.
    UPDATE leads SET sold_count = seen.sold + 1
    FROM unnest(v_leads, v_sold) AS seen (lead, sold) WHERE leads.id = seen.lead;
    RETURN purchased(p_id, p_member.workspace_id, v_leads, v_prices, v_total,
                     spendable(p_member.workspace_id, p_now));
END $$;
