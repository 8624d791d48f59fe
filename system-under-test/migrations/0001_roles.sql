-- The four roles, shared by every database of the cluster.
--
-- marketplace_app       what a request runs as: row-level security applies, the ledger is read-only
-- marketplace_worker    what jobs run as: no table, only the functions that they call, which no request may call
-- marketplace_money     owns the SECURITY DEFINER functions; nobody logs in or sets this role to work
-- marketplace_operator  the back office: sees every tenant, writes fixtures, cannot rewrite the ledger
--
-- Roles belong to the cluster, migrations to one database. Two databases may migrate at the same
-- moment, so each step is tried again when the other one got there first.
DO $$
DECLARE
    v_role text;
    v_may_set text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['marketplace_app', 'marketplace_worker', 'marketplace_money',
                                 'marketplace_operator'] LOOP
        FOR attempt IN 1..20 LOOP
            BEGIN
                IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role) THEN
                    EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', v_role);
                END IF;
                -- A superuser may set any role; an ordinary owner must be a member, and from 16 on the membership that
                -- comes with creating a role does not let it set the role.
                IF NOT pg_has_role(current_user, v_role, v_may_set) THEN
                    EXECUTE format('GRANT %I TO CURRENT_USER', v_role);
                END IF;
                EXIT;
            EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
                PERFORM pg_sleep(0.02);
            END;
        END LOOP;
    END LOOP;
END $$;
