-- Buying leads with credits, in one round trip and one db_tx.
--
-- Lock order, the same for every caller, so that no two purchases can wait for each other:
--   1. the idempotency key (advisory, one per db_tx)
--   2. the leads, by id
--   3. the wallets (buyer and partners), by id; a wallet's lock is also that of its lots and its debt
-- Row locks are NO KEY UPDATE: foreign keys that point at the row need not wait for it.

-- Returns 409 bodies and the rest of what can go wrong by the rules of the business.
CREATE FUNCTION purchase_problem(p_workspace uuid, p_code text, p_title text, p_status integer,
                                 p_detail text, p_request_id text, p_more jsonb) RETURNS answer
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(p_workspace, p_status,
               problem(p_code, p_title, p_status, p_detail, p_request_id, false, p_more),
               false)::answer;
END $$;

-- 402, with what is missing and where to get it. required and available were read together, under
-- the lock that refuses the purchase.
CREATE FUNCTION insufficient_credits(p_workspace uuid, p_required bigint, p_available bigint,
                                     p_request_id text, p_public_url text) RETURNS answer
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_shortfall bigint := p_required - p_available;
BEGIN
    RETURN purchase_problem(p_workspace, 'insufficient_credits', 'Not enough credits', 402,
        format('You need %s more credits to complete this purchase.', v_shortfall), p_request_id,
        jsonb_build_object('required', p_required, 'available', p_available,
            'shortfall', v_shortfall, 'currency', 'credits',
            'actions', jsonb_build_array(jsonb_build_object('rel', 'buy_credits',
                'href', p_public_url || '/v1/credit-purchases', 'min_quantity', v_shortfall))));
END $$;

-- 402: credits were taken back after they had been spent. Whatever arrives settles that first.
CREATE FUNCTION debt_outstanding(p_workspace uuid, p_debt bigint, p_request_id text, p_public_url text)
RETURNS answer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN purchase_problem(p_workspace, 'debt_outstanding', 'Debt outstanding', 402,
        format('A refunded payment left a debt of %s credits. Buy at least as many to settle it.', p_debt),
        p_request_id, jsonb_build_object('debt', p_debt, 'currency', 'credits',
            'actions', jsonb_build_array(jsonb_build_object('rel', 'buy_credits',
                'href', p_public_url || '/v1/credit-purchases', 'min_quantity', p_debt))));
END $$;

-- The first lead, by id, that p_workspace cannot buy, as an answer; NULL if it can buy them all.
-- p_found holds the leads that exist, p_full those of them that are sold out.
CREATE FUNCTION refuse_leads(p_workspace uuid, p_wanted uuid[], p_found uuid[], p_full uuid[],
                             p_request_id text) RETURNS answer
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    v_lead uuid;
    v_purchase uuid;
BEGIN
    SELECT wanted INTO v_lead FROM unnest(p_wanted) AS wanted
    WHERE wanted <> ALL (coalesce(p_found, '{}')) ORDER BY wanted LIMIT 1;
    IF FOUND THEN
        RETURN purchase_problem(p_workspace, 'lead_not_found', 'No such lead', 404,
            format('Lead %s does not exist.', v_lead), p_request_id,
            jsonb_build_object('lead_id', v_lead));
    END IF;
    SELECT lead_id, purchase_id INTO v_lead, v_purchase FROM purchase_items
    WHERE workspace_id = p_workspace AND lead_id = ANY (p_found) ORDER BY lead_id LIMIT 1;
    IF FOUND THEN
        RETURN purchase_problem(p_workspace, 'already_purchased', 'Already purchased', 409,
            format('Your workspace has already bought lead %s.', v_lead), p_request_id,
            jsonb_build_object('lead_id', v_lead, 'purchase_id', v_purchase));
    END IF;
    IF p_full <> '{}' THEN
        RETURN purchase_problem(p_workspace, 'lead_sold_out', 'Lead sold out', 409,
            format('Lead %s is no longer available. You were not charged.', p_full[1]),
            p_request_id, jsonb_build_object('lead_id', p_full[1]));
    END IF;
    RETURN NULL;
END $$;

-- Writes what a purchase consists of besides the money: the purchase, its items, the commissions
-- and the confirmation. The three arrays run in parallel, one element per lead.
CREATE FUNCTION record_purchase(p_id uuid, p_member members, p_key text, p_leads uuid[],
                                p_prices bigint[], p_partners uuid[], p_commissions bigint[],
                                p_total bigint, p_percent integer) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO purchases (id, workspace_id, member_id, total, idempotency_key)
    VALUES (p_id, p_member.workspace_id, p_member.id, p_total, p_key);
    INSERT INTO purchase_items (purchase_id, workspace_id, lead_id, price, commission_percent)
    SELECT p_id, p_member.workspace_id, lead_id, price, p_percent
    FROM unnest(p_leads, p_prices) AS item (lead_id, price);
    INSERT INTO commissions (purchase_id, lead_id, workspace_id, amount)
    SELECT p_id, lead_id, partner, amount
    FROM unnest(p_leads, p_partners, p_commissions) AS item (lead_id, partner, amount)
    WHERE amount > 0;
    PERFORM queue_email(p_member.workspace_id, 'purchase_' || p_id, 'purchase_confirmation',
        p_member.email, 'Your purchase is confirmed',
        format('You bought %s lead(s) for %s credits. Purchase number: %s.',
               cardinality(p_leads), p_total, p_id));
END $$;

-- The body of a successful purchase.
CREATE FUNCTION purchased(p_id uuid, p_workspace uuid, p_leads uuid[], p_prices bigint[],
                          p_total bigint, p_balance bigint) RETURNS answer
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(p_workspace, 201, json_build_object(
            'purchase_id', p_id, 'total', p_total, 'balance', p_balance,
            'leads', (SELECT json_agg(json_build_object('lead_id', lead_id, 'price', price))
                      FROM unnest(p_leads, p_prices) AS item (lead_id, price)))::text,
        false)::answer;
END $$;

-- The purchase itself: lock, check, take, record. All of it or none of it.
CREATE FUNCTION buy_leads(p_id uuid, p_member members, p_key text, p_wanted uuid[],
                          p_percent integer, p_request_id text, p_public_url text,
                          p_now timestamptz, p_lifetime_days integer) RETURNS answer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_leads uuid[];         -- these four run in parallel, ordered by lead id
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
    -- Lock 2: the leads, by id. What is read here stays true until the commit.
    SELECT array_agg(id), array_agg(price), array_agg(workspace_id),
           array_agg(price * p_percent / 100),
           coalesce(array_agg(id) FILTER (WHERE sold_count >= max_sales), '{}'), sum(price)
    INTO v_leads, v_prices, v_partners, v_commissions, v_full, v_total
    FROM (SELECT id, price, workspace_id, sold_count, max_sales FROM leads
          WHERE id = ANY (p_wanted) ORDER BY id FOR NO KEY UPDATE) AS locked;
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

    UPDATE leads SET sold_count = sold_count + 1 WHERE id = ANY (v_leads);
    PERFORM record_purchase(p_id, p_member, p_key, v_leads, v_prices, v_partners, v_commissions,
                            v_total, p_percent);
    PERFORM post_purchase(p_id, v_wallets[v_buyer], v_total, v_partners, v_commissions);
    PERFORM earn_commissions(p_id, v_partners, v_commissions, v_owners, v_debts, p_now, p_lifetime_days);
    RETURN purchased(p_id, p_member.workspace_id, v_leads, v_prices, v_total,
                     spendable(p_member.workspace_id, p_now));
END $$;

-- The transfer of a purchase. The price of each lead is split exactly: the partner's commission is
-- price * percent / 100, rounded down to whole credits, and the platform keeps what is left of the price.
-- Nothing is rounded twice, so no credit is lost or made, whatever the percentage.
CREATE FUNCTION post_purchase(p_id uuid, p_buyer uuid, p_total bigint, p_partners uuid[],
                              p_commissions bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_accounts uuid[];
    v_amounts bigint[];
    v_shares bigint;
BEGIN
    SELECT array_agg(a.id), array_agg(share.amount), sum(share.amount)
    INTO v_accounts, v_amounts, v_shares
    FROM unnest(p_partners, p_commissions) AS share (partner, amount)
    LEFT JOIN accounts a ON a.workspace_id = share.partner AND a.kind = 'credits';
    PERFORM post_transfer('purchase', 'purchase_' || p_id,
        ARRAY[p_buyer, '00000000-0000-0000-0000-000000000002']::uuid[] || v_accounts,
        ARRAY[-p_total, p_total - v_shares] || v_amounts);
END $$;

-- What the partners earned, as lots: one per partner and day, so that a thousand sales are not a thousand
-- lots. Such a lot expires at the end of its last day. A partner in debt settles first.
CREATE FUNCTION earn_commissions(p_id uuid, p_partners uuid[], p_commissions bigint[], p_owners uuid[],
                                 p_debts bigint[], p_now timestamptz, p_lifetime_days integer) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_day timestamp := date_trunc('day', p_now AT TIME ZONE 'UTC');
BEGIN
    INSERT INTO lots (workspace_id, source, reference, credits, remaining, created_at, expires_at)
    SELECT partner, 'earned', 'commissions_' || v_day::date, sum(amount), sum(amount), v_day AT TIME ZONE 'UTC',
           (v_day + make_interval(days => p_lifetime_days + 1)) AT TIME ZONE 'UTC'
    FROM unnest(p_partners, p_commissions) AS share (partner, amount)
    GROUP BY partner HAVING sum(amount) > 0 ORDER BY partner
    ON CONFLICT (workspace_id, reference) DO UPDATE
    SET credits = lots.credits + excluded.credits, remaining = lots.remaining + excluded.remaining;
    IF 0 < ANY (p_debts) THEN
        PERFORM settle_debt(owner, 'purchase_' || p_id || '_' || owner, p_now)
        FROM unnest(p_owners, p_debts) AS wallet (owner, debt) WHERE debt > 0;
    END IF;
END $$;

-- The endpoint: who is calling, has this key been answered, buy, remember the answer.
--
-- Buying happens in an inner block that a refusal rolls back, for two reasons. A refusal then leaves
-- nothing behind whatever buy_leads() had done; and it lets go of its row locks at once, instead of
-- holding them while its own answer is flushed to disk. When a hundred buyers lose a race for one
-- lead, they queue for the lock but not for one another's commits.
--
-- The purchase's id follows from workspace and key, so even without the lock a key could never
-- make two purchases: the second would violate the primary key.
CREATE FUNCTION purchase(p_key_hash bytea, p_key text, p_request_hash bytea, p_leads uuid[],
                         p_percent integer, p_request_id text, p_public_url text,
                         p_now timestamptz, p_lifetime_days integer) RETURNS answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_member members := enter_workspace(p_key_hash);
    v_answer answer;
BEGIN
    v_answer := answered(v_member.workspace_id, p_key, p_request_hash, p_request_id);
    IF v_answer.status IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    BEGIN
        v_answer := buy_leads(md5(v_member.workspace_id || ':' || p_key)::uuid, v_member, p_key,
                              p_leads, p_percent, p_request_id, p_public_url, p_now,
                              p_lifetime_days);
        IF v_answer.status <> 201 THEN
            RAISE EXCEPTION 'refused' USING ERRCODE = 'MK409';
        END IF;
    EXCEPTION WHEN SQLSTATE 'MK409' THEN
        -- Variables survive the rollback: v_answer says why.
    END;
    INSERT INTO idempotency_keys (workspace_id, key, request_hash, status, body)
    VALUES (v_member.workspace_id, p_key, p_request_hash, v_answer.status, v_answer.body);
    RETURN v_answer;
END $$;

-- Lock 1: one request per key at a time. A second one waits here for the first to commit, then
-- finds its answer. NULL status: the key has no answer yet.
CREATE FUNCTION answered(p_workspace uuid, p_key text, p_request_hash bytea, p_request_id text)
RETURNS answer LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_known idempotency_keys;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_workspace || ':' || p_key, 0));
    SELECT * INTO v_known FROM idempotency_keys WHERE workspace_id = p_workspace AND key = p_key;
    IF FOUND AND v_known.request_hash <> p_request_hash THEN
        RETURN purchase_problem(p_workspace, 'idempotency_key_reused', 'Idempotency key reused', 422,
            'This idempotency key was used for another request. Use a new key.', p_request_id, '{}');
    END IF;
    RETURN ROW(p_workspace, v_known.status, v_known.body, true)::answer;
END $$;
