"""Real clients through the proxy: what they get, and what the mirror holds afterwards."""

import asyncio
import io
import os
import signal
import socket
import subprocess
import threading
from contextlib import closing
from dataclasses import replace

import asyncpg
import psycopg2
import pytest

from environments.embedded.ports import HOST, Ports
from reference.pgdog.settings import Source
from tests.pgdog.relay.running import USERS
from tests.pgdog.relay.running import proxy as new_proxy
from tests.waiting import until

pytestmark = pytest.mark.servers


def test_queries_are_answered_and_mirrored(make, same):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        for number in range(100):
            cursor.execute("insert into t values (%s, 'x')", (number,))
        cursor.execute("select count(*) from t")
        assert cursor.fetchone() == (100,)
        proxy.quiet(mirrored=101)
        same([(number, "x") for number in range(100)])
    proxy.until_left()


@pytest.mark.parametrize("user", USERS)
def test_every_way_to_log_in(make, same, user):
    proxy = make()
    with closing(proxy.connect(user=user)) as session:
        session.cursor().execute("insert into t values (1, current_user)")
    proxy.quiet(mirrored=1)
    same([(1, user)])


def test_a_wrong_password_is_refused_by_the_primary(make):
    proxy = make()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host=HOST, port=proxy.settings.port, user="app", password="wrong", dbname="app")
    proxy.until_left()


def test_an_unknown_database_and_a_primary_that_is_not_there(make):
    proxy = make()
    with pytest.raises(psycopg2.OperationalError, match='database "nowhere" is not configured'):
        psycopg2.connect(host=HOST, port=proxy.settings.port, user="app", password="app", dbname="nowhere")
    gone = Source("gone", HOST, Ports().choose(), "app", ())
    proxy.adopt(replace(proxy.settings, sources={**proxy.settings.sources, "gone": gone}))
    with pytest.raises(psycopg2.OperationalError, match="cannot be reached"):
        psycopg2.connect(host=HOST, port=proxy.settings.port, user="app", password="app", dbname="gone")


def test_transactions_savepoints_and_errors(make, same):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        session.autocommit = False
        cursor.execute("insert into t values (1, 'a')")
        session.rollback()
        cursor.execute("insert into t values (2, 'b')")
        cursor.execute("savepoint s")
        with pytest.raises(psycopg2.IntegrityError):
            cursor.execute("insert into t values (2, 'c')")
        cursor.execute("rollback to savepoint s")
        cursor.execute("insert into t values (3, 'd')")
        session.commit()
        session.autocommit = True
        with pytest.raises(psycopg2.IntegrityError):
            cursor.execute("insert into t values (4, 'e'); commit; insert into t values (2, 'f')")
    proxy.quiet(mirrored=2)
    same([(2, "b"), (3, "d"), (4, "e")])


def test_nothing_of_an_open_transaction_is_seen_and_a_lost_client_leaves_nothing(make, same, mirror):
    proxy = make()
    session = proxy.connect()
    session.autocommit = False
    session.cursor().execute("insert into t values (1, 'a')")
    with closing(proxy.connect()) as other:
        other.cursor().execute("insert into t values (2, 'b')")
        proxy.quiet(mirrored=1)
    assert mirror.run("select a from t") == [(2,)]
    socket.socket(fileno=os.dup(session.fileno())).shutdown(socket.SHUT_RDWR)
    proxy.until_left()
    assert proxy.counts() == {"mirrored": 1}
    same([(2, "b")])


def test_what_a_lost_client_had_asked_for_is_mirrored_as_the_primary_did_it(make, same):
    proxy = make()
    session = psycopg2.connect(host=HOST, port=proxy.settings.port, user="app", password="app", dbname="app", async_=1)
    until(lambda: session.poll() == 0, "the session")
    session.cursor().execute("insert into t select 1, pg_sleep(0.3)::text")
    socket.socket(fileno=os.dup(session.fileno())).shutdown(socket.SHUT_RDWR)
    proxy.quiet(mirrored=1)
    same([(1, "")])
    proxy.until_left()


@pytest.mark.parametrize("rows", [3, 200_000])
def test_copy_in_both_directions(make, same, rows):
    proxy = make()
    text = "".join(f"{number}\tvalue {number}\n" for number in range(rows))
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.copy_expert("copy t from stdin", io.StringIO(text))
        back = io.StringIO()
        cursor.copy_expert("copy (select * from t order by a) to stdout", back)
        assert back.getvalue() == text
        with pytest.raises(psycopg2.DataError):
            cursor.copy_expert("copy t from stdin", io.StringIO("x\ty\n"))
    proxy.quiet(mirrored=2)
    same()


def test_a_large_statement_and_a_large_answer(make, same):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("insert into t values (1, %s)", ("x" * 5_000_000,))
        cursor.execute("select b from t")
        assert len(cursor.fetchone()[0]) == 5_000_000
        proxy.quiet(mirrored=2)
        same()


def test_a_slow_reader_is_waited_for_without_memory(make):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor("slow") as cursor:
        session.autocommit = False
        cursor.itersize = 10
        cursor.execute("select repeat('x', 1000) from generate_series(1, 100000)")
        assert len(cursor.fetchone()[0]) == 1000
    proxy.until_left()


def psql(proxy, *arguments, **options):
    command = ["psql", "-h", HOST, "-p", str(proxy.settings.port), "-U", "app", "-AtXq", *arguments, "app"]
    environment = {**os.environ, "PGPASSWORD": "app"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, **options)


def test_psql(make, same, tmp_path):
    proxy = make()
    (tmp_path / "rows").write_text("7\tseven\n")
    script = f"""
        begin; insert into t values (1, 'a'); commit;
        \\copy t from '{tmp_path / "rows"}'
        insert into t values (2, 'b') \\; insert into t values (3, 'c');
        begin; insert into t values (4, 'd'); commit and chain; insert into t values (5, 'e'); rollback;
        create function f() returns void language sql begin atomic insert into t values (6, 'f'); end;
        select f(); drop function f();
        select count(*) from t;
    """
    ran = psql(proxy, "-v", "ON_ERROR_STOP=1", input=script)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["6"]
    proxy.quiet(mirrored=8)
    same()


def use_asyncpg(proxy, work):
    async def run():
        session = await asyncpg.connect(
            host=HOST, port=proxy.settings.port, user="app", password="app", database="app", ssl=False
        )
        try:
            await work(session)
        finally:
            await session.close()

    asyncio.run(run())


def test_asyncpg(make, same):
    proxy = make()

    async def work(session):
        await session.executemany("insert into t values ($1, $2)", [(number, "many") for number in range(50)])
        insert = await session.prepare("insert into t values ($1, $2)")
        for number in range(50, 60):
            await insert.fetch(number, "prepared")
        with pytest.raises(asyncpg.UniqueViolationError):
            await insert.fetch(50, "again")
        async with session.transaction():
            await insert.fetch(60, "in a transaction")
            assert [row["a"] async for row in session.cursor("select a from t where a < 30", prefetch=7)][-1] == 29
        await session.copy_records_to_table("t", records=[(number, "copied") for number in range(100, 200)])
        assert await session.fetchval("select count(*) from t") == 161

    use_asyncpg(proxy, work)
    proxy.quiet()
    assert set(proxy.counts()) == {"mirrored"}
    same()
    proxy.until_left()


def test_cancel_reaches_the_primary(make, same):
    proxy = make()

    async def work(session):
        with pytest.raises(TimeoutError):  # asyncpg then asks for the query to be cancelled
            await session.execute("insert into t select 1, pg_sleep(20)::text", timeout=0.2)
        await session.execute("insert into t values (2, 'b')")

    use_asyncpg(proxy, work)
    proxy.quiet(mirrored=1)
    same([(2, "b")])


def test_prepared_statements_outlive_sampling_and_lost_sessions(make, mirror, primary):
    proxy = make(exposure=0.5)

    async def work(session):
        inserts = [await session.prepare(f"insert into t values ($1, '{name}')") for name in "abc"]
        for number in range(150):
            await inserts[number % 3].fetch(number)
            if number % 40 == 20:
                proxy.quiet()
                ask = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'"
                mirror.run(ask)
                until(lambda: not proxy.engine.mirror_sessions, "the session to be lost")

    use_asyncpg(proxy, work)
    proxy.quiet()
    counts = proxy.counts()
    assert set(counts) == {"mirrored", "sampled_out"}
    rows = mirror.run("select a, b from t order by a")
    assert len(rows) == counts["mirrored"]
    assert set(rows) <= set(primary.run("select a, b from t"))


def test_settings_outlive_lost_sessions_and_sampling(make, servers, mirror):
    for one in servers:
        one.run("create schema if not exists app authorization app; drop table if exists app.t")
        one.run("create table app.t (a int); alter table app.t owner to app")
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("prepare p as insert into t values ($1)")
        cursor.execute("deallocate p")
        proxy.adopt(with_exposure(proxy.settings, 0.0))
        cursor.execute("set search_path = app")
        proxy.adopt(with_exposure(proxy.settings, 1.0))
        cursor.execute("insert into t values (1)")
        proxy.quiet(mirrored=3, sampled_out=1)
        mirror.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
        until(lambda: not proxy.engine.mirror_sessions, "the session to be lost")
        cursor.execute("insert into t values (2)")
        proxy.quiet(mirrored=4, sampled_out=1)
    assert mirror.run("select a from app.t order by a") == [(1,), (2,)]
    for one in servers:
        one.run("drop schema app cascade")


def with_exposure(settings, exposure):
    source = settings.sources["app"]
    mirrors = tuple(replace(mirror, exposure=exposure) for mirror in source.mirrors)
    return replace(settings, sources={"app": replace(source, mirrors=mirrors)})


def test_overflow_is_counted_and_the_client_does_not_wait(make, mirror, same):
    proxy = make(queue=2)
    with closing(mirror.connect()) as holder, closing(proxy.connect()) as session:
        with holder.cursor() as cursor:
            cursor.execute("begin; lock table t")
            for number in range(10):
                session.cursor().execute("insert into t values (%s, 'x')", (number,))
            until(lambda: proxy.count("attempted") == 10)
            assert proxy.count("backlog") == 3
            cursor.execute("rollback")
        proxy.quiet(mirrored=3, overflowed=7)
    assert mirror.run("select count(*) from t") == [(3,)]
    proxy.until_left()


def test_overflow_in_bytes(make, same):
    proxy = make(queue_bytes=100_000)
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("insert into t values (1, %s)", ("x" * 200_000,))
        cursor.execute("insert into t values (2, 'x')")
        session.autocommit = False
        for number in range(3, 9):
            cursor.execute("insert into t values (%s, %s)", (number, "x" * 30_000))
        session.commit()
        assert proxy.engine.bytes_held < 100_000
        cursor.execute("insert into t values (9, 'x')")
        session.commit()
        proxy.quiet(mirrored=2, overflowed=2)
    proxy.until_left()


def test_a_dead_mirror(make, primary):
    proxy = make(mirror_port=Ports().choose())
    with closing(proxy.connect()) as session:
        for number in range(5):
            session.cursor().execute("insert into t values (%s, 'x')", (number,))
        proxy.quiet(connection=5)
    assert primary.run("select count(*) from t") == [(5,)]
    proxy.until_left()


def test_a_user_without_a_login_on_the_mirror(make):
    proxy = make(users=("app",))
    with closing(proxy.connect(user="other")) as session:
        session.cursor().execute("insert into t values (1, 'x')")
        proxy.quiet(connection=1)


def backends(server):
    return [pid for (pid,) in server.run("select pid from pg_stat_activity where usename = 'app'")]


def test_a_frozen_mirror_and_its_return(make, mirror, primary):
    proxy = make(query_timeout=0.3)
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("insert into t values (1, 'x')")
        proxy.quiet(mirrored=1)
        (pid,) = backends(mirror)
        os.kill(pid, signal.SIGSTOP)
        try:
            cursor.execute("select 2")
            proxy.quiet(mirrored=1, timeout=1)
        finally:
            os.kill(pid, signal.SIGCONT)
        cursor.execute("insert into t values (3, 'x')")
        proxy.quiet(mirrored=2, timeout=1)
        until(lambda: len(backends(mirror)) == 1, "the session that was given up to be gone")
    assert mirror.run("select a from t order by a") == [(1,), (3,)]


def test_a_slow_query_on_the_mirror_is_cancelled(make, mirror, same):
    proxy = make(query_timeout=0.3)
    mirror.run("create or replace function slow() returns trigger language plpgsql as "
               "'begin perform pg_sleep(20); return new; end'")  # fmt: skip
    mirror.run("create trigger slow before insert on t for each row when (new.a = 1) execute function slow()")
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("insert into t values (1, 'x')")
        proxy.quiet(timeout=1)
        until(lambda: not backends(mirror), "the session to be gone")
        cursor.execute("insert into t values (2, 'x')")
        proxy.quiet(timeout=1, mirrored=1)
    assert mirror.run("select a from t") == [(2,)]


def test_query_errors_and_divergence_are_counted_and_leave_nothing(make, mirror):
    proxy = make()
    mirror.run("insert into t values (1, 'mirror')")
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("insert into t values (1, 'x')")
        proxy.quiet(query=1)
        session.autocommit = False
        cursor.execute("insert into t values (2, 'x')")
        cursor.execute("update t set b = 'y' where b = 'x'")  # two rows here, one there
        session.commit()
        proxy.quiet(query=2)
        cursor.execute("select 1")
        session.commit()
        proxy.quiet(query=2, mirrored=1)
    assert mirror.run("select a, b from t") == [(1, "mirror")]


def test_the_mirror_is_lost_within_a_transaction(make, mirror, primary):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        session.autocommit = False
        cursor.execute("insert into t values (1, 'x')")
        cursor.execute("insert into t select 2, pg_sleep(0.5)::text")
        session.commit()
        until(lambda: mirror.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app' and wait_event = 'PgSleep'"
        ), "the sleep to be ended on the mirror")  # fmt: skip
        proxy.quiet(connection=1)
        cursor.execute("insert into t values (3, 'x')")
        session.commit()
        proxy.quiet(connection=1, mirrored=1)
    assert mirror.run("select a from t") == [(3,)]
    assert primary.run("select a from t order by a") == [(1,), (2,), (3,)]


def test_the_primary_is_lost_within_a_request(make, primary, mirror):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        (pid,) = backends(primary)
        end = threading.Timer(0.2, primary.run, [f"select pg_terminate_backend({pid})"])
        end.start()
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("insert into t select 1, pg_sleep(5)::text")
        end.join()
    proxy.until_left()
    assert proxy.counts() == {}
    assert mirror.run("select a from t") == []


def test_writes_of_two_clients_keep_their_order(make, same):
    proxy = make()
    with closing(proxy.connect()) as first, closing(proxy.connect()) as second:
        first.cursor().execute("insert into t values (1, 'old')")
        first.cursor().execute("select pg_sleep(0.3)")
        first.cursor().execute("update t set b = 'first' where a = 1")
        second.cursor().execute("update t set b = 'second' where a = 1")
        proxy.quiet(mirrored=4)
    same([(1, "second")])


def test_two_phase_commit(make, same):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        for number, end in enumerate(["commit", "rollback"]):
            cursor.execute(f"begin; insert into t values ({number}, 'x'); prepare transaction 'p{number}'")
            cursor.execute(f"{end} prepared 'p{number}'")
        proxy.quiet(mirrored=4)
    same([(0, "x")])


def test_a_new_configuration_holds_from_the_next_transaction_and_keeps_the_counts(make, same):
    proxy = make()
    with closing(proxy.connect()) as session, session.cursor() as cursor:
        cursor.execute("insert into t values (1, 'x')")
        proxy.quiet(mirrored=1)
        proxy.adopt(with_exposure(proxy.settings, 0.0))
        cursor.execute("insert into t values (2, 'x')")
        proxy.quiet(mirrored=1, sampled_out=1)
        source = proxy.settings.sources["app"]
        proxy.adopt(replace(proxy.settings, sources={"app": replace(source, mirrors=())}))
        cursor.execute("insert into t values (3, 'x')")
        until(lambda: not proxy.engine.lanes, "the way to the mirror to be given up")
        proxy.quiet(mirrored=1, sampled_out=1)


def test_what_waits_is_replayed_before_the_end(servers, table, same):
    with new_proxy(*servers).running() as proxy:
        session = proxy.connect()
        session.cursor().execute("select pg_sleep(0.3)")
        for number in range(20):
            session.cursor().execute("insert into t values (%s, 'x')", (number,))
    assert proxy.counts() == {"mirrored": 21}
    with pytest.raises(psycopg2.Error):
        session.cursor().execute("select 1")
    same([(number, "x") for number in range(20)])
    proxy.until_left()
