-- What the vendor's server reads and calls, on top of ../tables.sql. May run again on a database that already has it.
--
-- A type is read from a view with one document a row, whose keys are the fields in snake_case. What a mutation answers has
-- thirteen columns; `fraiseql-cli setup`, which must have run before the first mutation, brings the functions that fill them.
--
-- The server's statements name the document several times. OFFSET 0 has it built once a row all the same: a list of all rows
-- is answered two and a half times as fast, and a LIMIT still reads no more rows than it needs.

-- That setup makes a schema `fraiseql`. For a role of that name it would come before `public`, where all of ours is.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path TO public', current_database());
END
$$;
SET search_path TO public;

CREATE OR REPLACE VIEW v_user AS
    SELECT u.pk_user, u.id, d.data
    FROM tb_user AS u
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object(
            'id', u.id, 'name', u.name, 'email', u.email, 'bio', u.bio, 'score', u.score, 'visits', u.visits,
            'active', u.active, 'created_at', u.created_at,
            'orders', (
                SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'id', o.id, 'total', o.total, 'quantity', o.quantity, 'status', o.status,
                    'customer_name', o.customer_name, 'created_at', o.created_at) ORDER BY o.id), '[]')
                FROM tb_order AS o WHERE o.fk_user = u.pk_user)
        ) AS data OFFSET 0
    ) AS d;

CREATE OR REPLACE VIEW v_order AS
    SELECT o.id, d.data
    FROM tb_order AS o
    JOIN tb_user AS u ON u.pk_user = o.fk_user
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object(
            'id', o.id, 'total', o.total, 'quantity', o.quantity, 'status', o.status, 'customer_name', o.customer_name,
            'created_at', o.created_at,
            'user', jsonb_build_object(
                'id', u.id, 'name', u.name, 'email', u.email, 'bio', u.bio, 'score', u.score, 'visits', u.visits,
                'active', u.active, 'created_at', u.created_at)
        ) AS data OFFSET 0
    ) AS d;

CREATE OR REPLACE FUNCTION fn_create_user(p_name text, p_email text, p_bio text DEFAULT NULL)
RETURNS TABLE (
    succeeded boolean, state_changed boolean, error_class text, status_detail text, http_status smallint, message text,
    entity_id uuid, entity_type text, entity jsonb, updated_fields text[], cascade jsonb, error_detail jsonb, metadata jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    new_id uuid;
BEGIN
    INSERT INTO tb_user (name, email, bio) VALUES (p_name, p_email, p_bio) RETURNING tb_user.id INTO new_id;
    RETURN QUERY SELECT * FROM fraiseql.mutation_ok((SELECT v.data FROM v_user AS v WHERE v.id = new_id), new_id, 'User');
END
$$;

CREATE OR REPLACE FUNCTION fn_create_order(
    p_user_id uuid, p_total double precision, p_quantity integer, p_status text, p_customer_name text DEFAULT NULL)
RETURNS TABLE (
    succeeded boolean, state_changed boolean, error_class text, status_detail text, http_status smallint, message text,
    entity_id uuid, entity_type text, entity jsonb, updated_fields text[], cascade jsonb, error_detail jsonb, metadata jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO tb_order (fk_user, total, quantity, status, customer_name)
    VALUES ((SELECT u.pk_user FROM tb_user AS u WHERE u.id = p_user_id), p_total, p_quantity, p_status, p_customer_name)
    RETURNING tb_order.id INTO new_id;
    RETURN QUERY SELECT * FROM fraiseql.mutation_ok((SELECT v.data FROM v_order AS v WHERE v.id = new_id), NULL, 'Order');
END
$$;
