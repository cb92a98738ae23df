"""Each wrong behaviour of the data plane shows, and only with its switch."""

import io
import os
import signal
import threading
from contextlib import ExitStack, closing

import psycopg2
import pytest

from environments.embedded.ports import Ports
from reference.pgdog.wrong.replaced import _CHANGED
from reference.pgdog.wrong.switch import Defect
from tests.waiting import until

pytestmark = pytest.mark.servers


def insert(session, *numbers):
    for number in numbers:
        session.cursor().execute("insert into t values (%s, 'x')", (number,))


def rows(mirror):
    return [a for (a,) in mirror.run("select a from t order by a")]


def in_transaction(session, *statements, end="commit"):
    for statement in ("begin", *statements, end):
        session.cursor().execute(statement)


def lose_session(mirror, proxy):
    mirror.run("select pg_terminate_backend(pid) from pg_stat_activity where usename in ('app', 'other')")
    until(lambda: not proxy.engine.mirror_sessions, "the session to be lost")


def totals_of_a_dead_mirror(make, mirror):
    proxy = make(mirror_port=Ports().choose())
    with closing(proxy.connect()) as session:
        insert(session, 1, 2)
        until(lambda: sum(proxy.counts().values()) == 2)
    return proxy.count("attempted"), proxy.counts()


def overflow(make, mirror):
    proxy = make(queue=2)
    with closing(mirror.connect()) as holder, closing(proxy.connect()) as session:
        holder.cursor().execute("begin; lock table t")
        insert(session, *range(10))
        holder.cursor().execute("rollback")
        until(lambda: sum(proxy.counts().values()) == proxy.count("attempted") > 0 and not proxy.count("backlog"))
    return proxy.counts()


def sampled_transactions(make, mirror):
    proxy = make(exposure=0.5)
    with closing(proxy.connect()) as session:
        for number in range(0, 40, 4):
            values = [f"insert into t values ({place}, 'x')" for place in range(number, number + 4)]
            in_transaction(session, *values)
        proxy.quiet()
    return {len([a for a in rows(mirror) if a // 4 == group]) for group in range(10)} <= {0, 4}


def open_transaction(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        session.cursor().execute("begin")
        insert(session, 1)
        with closing(proxy.connect()) as other:
            insert(other, 2)
            until(lambda: 2 in rows(mirror))
        return rows(mirror)


def rolled_back(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        in_transaction(session, "insert into t values (1, 'x')", end="rollback")
        insert(session, 2)
        until(lambda: 2 in rows(mirror))
    return rows(mirror)


def failed(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        session.cursor().execute("set statement_timeout = 100")
        with pytest.raises(psycopg2.Error):
            session.cursor().execute("insert into t select 1, pg_sleep(case when inet_server_port() = %s then 9 else 0 "
                                     "end)::text", (proxy.primary.port,))  # fmt: skip
        insert(session, 2)
        until(lambda: 2 in rows(mirror))
    return rows(mirror)


def patience(make, mirror):
    """Whether the client is answered while the mirror is held up; it is let go after a while all the same."""
    proxy, let_go = make(), threading.Event()
    with closing(mirror.connect()) as holder, closing(proxy.connect()) as session:
        cursor = holder.cursor()
        cursor.execute("begin; lock table t")

        def release():
            let_go.set()
            cursor.execute("rollback")

        timer = threading.Timer(2.0, release)
        timer.start()
        insert(session, 1)
        answered = not let_go.is_set()
        timer.join()
    return answered


def sessions_left(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        insert(session, 1)
        proxy.quiet(mirrored=1)
    until(lambda: not proxy.engine.lanes)
    sessions = "select count(*) from pg_stat_activity where usename = 'app'"
    try:
        until(lambda: mirror.run(sessions) == [(0,)], seconds=1)
    except AssertionError:
        return mirror.run(sessions)
    return []


def copied(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        session.cursor().copy_expert("copy t from stdin", io.StringIO("1\tx\n"))
        proxy.quiet(mirrored=1)
    return rows(mirror)


def query_errors(make, mirror):
    proxy = make()
    mirror.run("insert into t values (1, 'mirror')")
    with closing(proxy.connect()) as session:
        insert(session, 1)
        proxy.quiet()
    return proxy.counts()


def two_writers(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as first, closing(proxy.connect()) as second:
        insert(first, 1)
        proxy.quiet(mirrored=1)
        first.cursor().execute("select pg_sleep(0.3)")
        first.cursor().execute("update t set b = 'first'")
        second.cursor().execute("update t set b = 'second'")
        proxy.quiet(mirrored=4)
    return mirror.run("select b from t")


def one_writer(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        insert(session, 1)
        proxy.quiet(mirrored=1)
        session.cursor().execute("select pg_sleep(0.3)")
        for number in range(5):
            session.cursor().execute("update t set b = %s", (str(number),))
        proxy.quiet(mirrored=7)
    return mirror.run("select b from t")


def prepared(make, mirror):
    import asyncio

    import asyncpg

    proxy = make()

    async def work():
        session = await asyncpg.connect(
            host="127.0.0.1", port=proxy.settings.port, user="app", password="app", database="app", ssl=False
        )
        insert = await session.prepare("insert into t values ($1, 'x')")
        await insert.fetch(1)
        proxy.quiet(mirrored=1)
        lose_session(mirror, proxy)
        await insert.fetch(2)
        proxy.quiet()
        await session.close()

    asyncio.run(work())
    return rows(mirror)


def resumed(make, mirror):
    proxy = make()
    mirror.run("alter role app nologin")
    try:
        with closing(proxy.connect()) as session:
            insert(session, 1)
            proxy.quiet(connection=1)
            mirror.run("alter role app login")

            def mirrored():
                session.cursor().execute("select 1")
                proxy.quiet()
                return proxy.count("mirrored")

            try:
                until(mirrored, seconds=1)
            except AssertionError:
                return False
            return True
    finally:
        mirror.run("alter role app login")


def half_a_transaction(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        in_transaction(session, "insert into t values (1, 'x')", "insert into t select 2, pg_sleep(0.4)::text")
        sleeping = (
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app' and wait_event = 'PgSleep'"
        )
        until(lambda: mirror.run(sleeping), "the sleep to be ended on the mirror")
        proxy.quiet(connection=1)
    return rows(mirror)


def users(make, mirror):
    proxy = make()
    for user in ("app", "other"):
        with closing(proxy.connect(user=user)) as session:
            session.cursor().execute("select 1")
    until(lambda: proxy.count("mirrored") == 2)
    return sorted((tally.user, tally.mirrored) for tally in proxy.tallies.all())


def frozen(make, mirror):
    proxy = make(query_timeout=0.2)
    with closing(proxy.connect()) as session:
        session.cursor().execute("select 1")
        proxy.quiet(mirrored=1)
        ((pid,),) = mirror.run("select pid from pg_stat_activity where usename = 'app'")
        os.kill(pid, signal.SIGSTOP)
        try:
            insert(session, 1)
            try:
                until(lambda: proxy.count("timeout") or len(backends(mirror)) > 1, seconds=1.5)
            except AssertionError:
                return "nothing"
        finally:
            os.kill(pid, signal.SIGCONT)
        proxy.quiet()
    return proxy.counts()


def backends(mirror):
    return mirror.run("select pid from pg_stat_activity where usename = 'app'")


def doubled(make, mirror):
    mirror.run("alter table t drop constraint t_pkey")
    frozen(make, mirror)
    until(lambda: len(backends(mirror)) == 0)
    return rows(mirror)


def many_clients(make, mirror):
    proxy = make()
    with ExitStack() as stack:
        for number in range(60):
            insert(stack.enter_context(closing(proxy.connect())), number)
        proxy.quiet()
    return len(rows(mirror))


def large(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as session:
        session.cursor().execute("insert into t values (1, %s)", ("x" * 50_000,))
        insert(session, 2)
        until(lambda: 2 in rows(mirror))
    return rows(mirror)


def two_hundred(make, mirror):
    proxy = make()
    with closing(proxy.connect()) as one, closing(proxy.connect()) as other:
        for number in range(105):
            insert(one, number)
            insert(other, 1000 + number)
        proxy.quiet()
    return len(rows(mirror))


OF = {
    Defect.COUNTS_TWICE: (totals_of_a_dead_mirror, (2, {"connection": 2}), (4, {"connection": 2})),
    Defect.DEAD_MIRROR_IS_SUCCESS: (totals_of_a_dead_mirror, (2, {"connection": 2}), (2, {"mirrored": 2})),
    Defect.FORGETS_OVERFLOW: (overflow, {"mirrored": 3, "overflowed": 7}, {"mirrored": 3}),
    Defect.QUEUE_WITHOUT_BOUND: (overflow, {"mirrored": 3, "overflowed": 7}, {"mirrored": 10}),
    Defect.SAMPLES_PER_STATEMENT: (sampled_transactions, True, False),
    Defect.REPLAYS_AT_ONCE: (open_transaction, [2], [1, 2]),
    Defect.REPLAYS_ROLLED_BACK_WORK: (rolled_back, [2], [1, 2]),
    Defect.REPLAYS_FAILED_WORK: (failed, [2], [1, 2]),
    Defect.BLOCKS_THE_CLIENT: (patience, True, False),
    Defect.LEAKS_MIRROR_SESSIONS: (sessions_left, [], [(1,)]),
    Defect.LOSES_COPY_DATA: (copied, [1], []),
    Defect.HIDES_QUERY_ERRORS: (query_errors, {"query": 1}, {"mirrored": 1}),
    Defect.IGNORES_ORDER_ACROSS_CLIENTS: (two_writers, [("second",)], [("first",)]),
    Defect.REORDERS_WITHIN_CLIENT: (one_writer, [("4",)], [("0",)]),
    Defect.LOSES_PREPARED_STATEMENTS: (prepared, [1, 2], [1]),
    Defect.NEVER_RESUMES: (resumed, True, False),
    Defect.KEEPS_HALF_TRANSACTIONS: (half_a_transaction, [], [1]),
    Defect.MIXES_USERS: (users, [("app", 1), ("other", 1)], [("app", 2), ("other", 0)]),
    Defect.WAITS_FOR_TIMEOUTS_FOREVER: (frozen, {"mirrored": 1, "timeout": 1}, "nothing"),
    Defect.DROPS_UNDER_MANY_CLIENTS: (many_clients, 60, 50),
    Defect.LOSES_LARGE_STATEMENTS: (large, [1, 2], [2]),
    Defect.LOSES_ONE_IN_TWO_HUNDRED: (two_hundred, 210, 209),
    Defect.DOUBLES_REPLAY: (doubled, [1], [1, 1]),
}


def test_every_defect_has_its_place_and_its_test():
    assert set(OF) == set(_CHANGED)


@pytest.mark.parametrize("defect", OF)
def test_the_defect_shows(make, mirror, defect):
    scenario, _, wrong = OF[defect]
    assert scenario(lambda **options: make(defect=defect, **options), mirror) == wrong


@pytest.mark.parametrize(
    "scenario", {case: right for case, right, _ in OF.values()}.items(), ids=lambda one: one[0].__name__
)
def test_and_only_with_its_switch(make, mirror, scenario):
    scenario, right = scenario
    assert scenario(make, mirror) == right
