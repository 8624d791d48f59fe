-- What staff does, beside what stands with the thing it is done to.

-- Takes several dead letters up again, as retry_dead_letter() does one; how many of them were still open.
CREATE FUNCTION retry_dead_letters(p_key_hash bytea, p_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM enter_staff(p_key_hash);
    -- By id, so that two who retry the same letters at once do not wait for each other.
    RETURN (SELECT count(*) FILTER (WHERE retry_dead_letter(p_key_hash, id))
            FROM (SELECT DISTINCT id FROM unnest(p_ids) AS id ORDER BY id) AS wanted);
END $$;
GRANT EXECUTE ON FUNCTION retry_dead_letters(bytea, uuid[]) TO marketplace_app;
