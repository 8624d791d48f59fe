-- Who owns each function, and who may call those of the files before 0010; later files say it themselves.
-- Nothing is open to PUBLIC.

DROP PROCEDURE isolate(VARIADIC text[]), keep_internal(VARIADIC text[]);

-- To own a function a role must be able to create in its schema, for as long as it takes to say so.
GRANT CREATE ON SCHEMA public TO marketplace_money;
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO marketplace_money', v_function);
        -- enqueue() stays with the owner of the job tables; the rest acts as marketplace_money.
        IF v_function <> 'enqueue(text, json, timestamptz)'::regprocedure THEN
            EXECUTE format('ALTER FUNCTION %s OWNER TO marketplace_money', v_function);
        END IF;
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM marketplace_money;
GRANT USAGE ON SCHEMA public TO marketplace_app, marketplace_worker, marketplace_money, marketplace_operator;

GRANT EXECUTE ON FUNCTION
    current_workspace(), enter_workspace(bytea),
    purchase(bytea, text, bytea, uuid[], integer, text, text, timestamptz, integer),
    read_balance(bytea, timestamptz), read_leads(bytea, uuid, uuid, integer),
    read_purchases(bytea, timestamptz, uuid, integer), read_credit_purchase(bytea, uuid)
TO marketplace_app;
GRANT EXECUTE ON FUNCTION current_workspace() TO marketplace_operator;

-- What a defect's overlay has done to this database, so that it is applied once.
CREATE TABLE applied_defects (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE applied_defects ENABLE ROW LEVEL SECURITY;
CREATE POLICY operator ON applied_defects FOR SELECT TO marketplace_operator USING (true);
GRANT SELECT ON applied_defects TO marketplace_operator;
