-- The rows that answers are compared with: made by arithmetic, so that they are the same everywhere. Users 1 to 12 hold the
-- values that are easily damaged on the way: nulls, numbers at their limits, texts that need escapes, instants of microseconds.

INSERT INTO tb_user (pk_user, id, name, email, bio, score, visits, active, created_at)
SELECT
    n,
    md5('user ' || n)::uuid,
    'User ' || n,
    'user' || n || '@example.org',
    CASE WHEN n % 3 = 0 THEN NULL ELSE 'biography of user ' || n END,
    CASE WHEN n % 5 = 0 THEN NULL ELSE (n * 37 % 1000) / 8.0 END,
    n * 7919 % 100003,
    n % 4 <> 0,
    timestamptz '2026-01-01 00:00:00+00' + n * interval '1 hour 7 minutes 11.000013 seconds'
FROM generate_series(1, 2000) AS n
ON CONFLICT DO NOTHING;

UPDATE tb_user AS u
SET name = v.name, bio = v.bio, score = v.score, visits = v.visits, created_at = v.created_at::timestamptz
FROM (VALUES
    (1, 'Zoë Ångström', 'grüßt aus Köln', 0.1, 9007199254740993, '2026-01-25 12:39:00.123456+00'),
    (2, '日本 語', '絵文字 🚀👩‍👩‍👧‍👦', 1e300, 9223372036854775807, '1999-12-31 23:59:59.999999+00'),
    (3, 'O''Brien "the \ slash"', E'line one\nline two\ttab', -2.5, -9223372036854775808, '1970-01-01 00:00:00+00'),
    (4, 'مرحبا עברית', '', 0, 0, '2026-06-30 23:00:00.5+00'),
    (5, '  spaces  around  ', NULL, NULL, -1, '2100-02-28 08:15:30.000001+00'),
    (6, 'null', 'true', 4.9e-324, 1, '2026-03-29 01:30:00+00'),
    (7, E'\u2028separator\u2029', E'control \u0001 \u007f', 1.7976931348623157e308, 2147483648, '1900-01-01 00:00:00+00'),
    (8, '{"id": 1}', '[1, 2]', 123456789.987654321, -2147483649, '2026-10-25 01:30:00.000100+00'),
    (9, '<script>&amp;</script>', '%s %d $1 {0}', -1e-7, 9007199254740991, '2026-12-31 00:00:00+00'),
    (10, E'e\u0301 and é', NULL, 3, 42, '2026-02-28 12:00:00.010000+00'),
    (11, '1e5', '0x10', 100000, 100000, '2024-02-29 12:00:00+00'),
    (12, 'ÿ', repeat('long ', 400), 2, 3, '2026-01-01 00:00:00.000001+00')
) AS v (n, name, bio, score, visits, created_at)
WHERE u.pk_user = v.n;

INSERT INTO tb_order (id, fk_user, total, quantity, status, customer_name, created_at)
SELECT
    n,
    (n - 1) / 3 + 1,
    (n * 7919 % 1000000) / 100.0,
    n % 17 + 1,
    (ARRAY['new', 'paid', 'sent', 'returned'])[n % 4 + 1],
    CASE WHEN n % 7 = 0 THEN NULL ELSE 'Customer ' || n % 500 END,
    timestamptz '2026-01-01 00:00:00+00' + n * interval '13 minutes 0.000007 seconds'
FROM generate_series(1, 6000) AS n
ON CONFLICT DO NOTHING;

SELECT setval(pg_get_serial_sequence('tb_user', 'pk_user'), greatest(10000, (SELECT max(pk_user) FROM tb_user)));
SELECT setval(pg_get_serial_sequence('tb_order', 'id'), greatest(10000000, (SELECT max(id) FROM tb_order)));
