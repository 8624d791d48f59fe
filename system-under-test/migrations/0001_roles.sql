-- The three roles, shared by every database of the cluster.
--
-- marketplace_app       what a request runs as: row-level security applies, the ledger is read-only
-- marketplace_money     owns the SECURITY DEFINER functions; nobody logs in or sets this role to work
-- marketplace_operator  the back office: sees every tenant, writes fixtures, cannot rewrite the ledger
--
-- Roles belong to the cluster, migrations to one database. Two databases may migrate at the same
-- moment, so each step is tried again when the other one got there first.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['marketplace_app', 'marketplace_money', 'marketplace_operator'] LOOP
        FOR attempt IN 1..20 LOOP
            BEGIN
                IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role) THEN
                    EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', v_role);
                END IF;
                -- A superuser may set any role; an ordinary owner must be a member.
                IF NOT pg_has_role(current_user, v_role, 'MEMBER') THEN
                    EXECUTE format('GRANT %I TO CURRENT_USER', v_role);
                END IF;
                EXIT;
            EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
                PERFORM pg_sleep(0.02);
            END;
        END LOOP;
    END LOOP;
END $$;
