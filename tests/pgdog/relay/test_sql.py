"""Query strings are cut where PostgreSQL would end a statement, and nowhere else."""

import pytest

from reference.pgdog import sql


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("select 1", ["select 1"]),
        ("select 1;", ["select 1"]),
        ("select 1; select 2", ["select 1", " select 2"]),
        (" ;; select 1 ; ; -- nothing; here\n ; /* nor; here */", [" select 1 "]),
        ("select 'a;b'; select ';'", ["select 'a;b'", " select ';'"]),
        ("select 'it''s; one'; x", ["select 'it''s; one'", " x"]),
        (r"select E'it\'s; one'; x", [r"select E'it\'s; one'", " x"]),
        (r"select e'a\\'; x", [r"select e'a\\'", " x"]),
        (r"select 'a\'; x", [r"select 'a\'", " x"]),
        ('select "a;b"; x', ['select "a;b"', " x"]),
        ('select "a"";b"; x', ['select "a"";b"', " x"]),
        ("do $$ begin; end; $$; x", ["do $$ begin; end; $$", " x"]),
        ("do $a$ $$; $b$; $a$; x", ["do $a$ $$; $b$; $a$", " x"]),
        ("select $1; select a$b$; x", ["select $1", " select a$b$", " x"]),
        ("select 1 /* ; /* ; */ ; */; x", ["select 1 /* ; /* ; */ ; */", " x"]),
        ("select 1 -- '; \n; x", ["select 1 -- '; \n", " x"]),
        ("create rule r as on insert to t do (a; b); x", ["create rule r as on insert to t do (a; b)", " x"]),
        (
            "create function f() returns int begin atomic select 1; select case when a then 1 end; end; x",
            ["create function f() returns int begin atomic select 1; select case when a then 1 end; end", " x"],
        ),
        ("/* c */ create or replace procedure p() begin atomic a; b; end; x",
         ["/* c */ create or replace procedure p() begin atomic a; b; end", " x"]),
        ("begin; select atomic; end; x", ["begin", " select atomic", " end", " x"]),
        ("select 'unfinished; ", ["select 'unfinished; "]),
        ("select $$unfinished; ", ["select $$unfinished; "]),
        ("+1;2", ["+1", "2"]),
        ("", []),
    ],
)  # fmt: skip
def test_cut(text, statements):
    assert [part.decode() for part in sql.split(text.encode())] == statements


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("SELECT abalance FROM accounts WHERE aid = 7", False),
        ("SELECT count(*), max(a) FROM t WHERE a IN (1, 2)", False),
        ("SELECT pg_sleep(0.1)", False),
        ("SELECT nextval('s')", True),
        ("SELECT save_it(1)", True),
        ("SELECT app.Save_It (1)", True),
        ("WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x", True),
        ("with x as (delete from t returning a) select a from x", True),
        ("SELECT updated FROM deletes", False),
        ("SELECT * INTO other FROM t", True),
    ],
)
def test_may_write(text, writes):
    assert sql.may_write(text.encode()) is writes


def test_leading_words_pass_over_comments():
    assert sql.leading(b'/* a */ Set -- b\n Local "My X" = 1', 4) == ["set", "local", "My X"]
