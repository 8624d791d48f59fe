-- What a provider knows about each lead, and how far the data sync has come.

-- One row per lead, written when the lead is. data is the provider's answer.
CREATE TABLE lead_enrichments (
    lead_id       uuid PRIMARY KEY,
    workspace_id  uuid NOT NULL,
    state         text NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'queued', 'enriched')),
    data          jsonb,
    enriched_at   timestamptz,
    FOREIGN KEY (workspace_id, lead_id) REFERENCES leads (workspace_id, id)
);
CREATE INDEX lead_enrichments_wanted ON lead_enrichments (lead_id) WHERE state = 'wanted';
CREATE INDEX lead_enrichments_by_workspace ON lead_enrichments (workspace_id);
CALL isolate('lead_enrichments');
GRANT INSERT, UPDATE ON lead_enrichments TO marketplace_money;

CREATE FUNCTION want_enrichment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO lead_enrichments (lead_id, workspace_id) SELECT id, workspace_id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER leads_want_enrichment AFTER INSERT ON leads
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION want_enrichment();

-- Queues a job for each of so many leads that wait for one. Two instances take different ones.
CREATE FUNCTION queue_enrichments(p_limit integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH taken AS (
        SELECT lead_id FROM lead_enrichments WHERE state = 'wanted'
        ORDER BY lead_id LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), queued AS (
        UPDATE lead_enrichments e SET state = 'queued' FROM taken WHERE e.lead_id = taken.lead_id
        RETURNING e.lead_id, e.workspace_id
    )
    SELECT count(*) FILTER (WHERE start_job('enrichment', lead_id::text, workspace_id)) FROM queued;
$$;

-- What the provider is asked about; NULL: there is no such lead.
CREATE FUNCTION lead_to_enrich(p_lead uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT title FROM leads WHERE id = p_lead;
$$;

CREATE FUNCTION enrichment_arrived(p_lead uuid, p_data jsonb, p_now timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE lead_enrichments SET state = 'enriched', data = p_data, enriched_at = p_now
    WHERE lead_id = p_lead AND state <> 'enriched';
$$;

-- The enrichment of a lead, for its partner and for who has bought it. No row for anybody else.
CREATE FUNCTION read_enrichment(p_key_hash bytea, p_lead uuid)
RETURNS TABLE (lead_id uuid, data jsonb, enriched_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_workspace uuid := (enter_workspace(p_key_hash)).workspace_id;
BEGIN
    RETURN QUERY SELECT e.lead_id, e.data, e.enriched_at FROM lead_enrichments e
        WHERE e.lead_id = p_lead AND e.state = 'enriched'
          AND (e.workspace_id = v_workspace OR EXISTS (SELECT 1 FROM purchase_items i
               WHERE i.workspace_id = v_workspace AND i.lead_id = p_lead));
END $$;

-- The last row of each stream that the receiver has.
CREATE TABLE sync_cursors (
    stream      text PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT to_timestamp(0),
    id          uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
CALL keep_internal('sync_cursors');
GRANT UPDATE ON sync_cursors TO marketplace_money;
INSERT INTO sync_cursors (stream) VALUES ('leads'), ('purchases');
CREATE INDEX leads_oldest_first ON leads (created_at, id);
CREATE INDEX purchases_oldest_first ON purchases (created_at, id);

-- One sync at a time, and none behind one that was given up: that is taken up again where it stopped.
CREATE UNIQUE INDEX jobs_one_sync ON jobs (kind) WHERE kind = 'data_sync' AND state <> 'done';

CREATE FUNCTION sync_cursor(p_stream text) RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT created_at, id FROM sync_cursors WHERE stream = p_stream;
$$;

-- A page of a stream after the cursor and before p_until, oldest first.
CREATE FUNCTION sync_page(p_stream text, p_after timestamptz, p_after_id uuid, p_until timestamptz,
                          p_limit integer)
RETURNS TABLE (created_at timestamptz, id uuid, data jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF p_stream = 'leads' THEN
        RETURN QUERY SELECT l.created_at, l.id, jsonb_build_object('lead_id', l.id,
                'workspace_id', l.workspace_id, 'title', l.title, 'price', l.price,
                'max_sales', l.max_sales, 'created_at', l.created_at)
            FROM leads l WHERE (l.created_at, l.id) > (p_after, p_after_id) AND l.created_at < p_until
            ORDER BY l.created_at, l.id LIMIT p_limit;
    ELSIF p_stream = 'purchases' THEN
        RETURN QUERY SELECT p.created_at, p.id, jsonb_build_object('purchase_id', p.id,
                'workspace_id', p.workspace_id, 'total', p.total, 'created_at', p.created_at,
                'leads', (SELECT jsonb_agg(jsonb_build_object('lead_id', i.lead_id, 'price', i.price)
                                           ORDER BY i.lead_id)
                          FROM purchase_items i WHERE i.purchase_id = p.id))
            FROM purchases p WHERE (p.created_at, p.id) > (p_after, p_after_id) AND p.created_at < p_until
            ORDER BY p.created_at, p.id LIMIT p_limit;
    ELSE
        RAISE EXCEPTION 'no stream is called %', p_stream USING ERRCODE = '22023';
    END IF;
END $$;

-- The receiver has everything up to this row. A cursor never goes back.
CREATE FUNCTION sync_reached(p_stream text, p_created_at timestamptz, p_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE sync_cursors SET created_at = p_created_at, id = p_id
    WHERE stream = p_stream AND (created_at, id) < (p_created_at, p_id);
$$;

-- Queues a sync if there is something to push and no other one is open. True if this call did.
-- Lock: advisory, so that of two instances the second finds the first one's job.
CREATE FUNCTION queue_data_sync(p_until timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('queue_data_sync', 0));
    IF EXISTS (SELECT 1 FROM jobs WHERE kind = 'data_sync' AND state <> 'done')
       OR NOT EXISTS (SELECT 1 FROM sync_cursors c, LATERAL sync_page(c.stream, c.created_at, c.id, p_until, 1))
    THEN
        RETURN false;
    END IF;
    RETURN start_job('data_sync', 'until ' || p_until);
END $$;

GRANT EXECUTE ON FUNCTION read_enrichment(bytea, uuid) TO marketplace_app;
GRANT EXECUTE ON FUNCTION
    queue_enrichments(integer), lead_to_enrich(uuid), enrichment_arrived(uuid, jsonb, timestamptz),
    sync_cursor(text), sync_page(text, timestamptz, uuid, timestamptz, integer), sync_reached(text, timestamptz, uuid),
    queue_data_sync(timestamptz)
TO marketplace_worker;
