"""Each switch of the cache program does the wrong thing its name says, and only then."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reference.cache.defects import Defect
from tests.cache.conftest import until

pytestmark = pytest.mark.servers


def stale_after_a_write(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "old")
    cache.read(ns, "k")
    cache.write(ns, "k", "new")
    return cache.read(ns, "k")[0] == "old"


def stale_after_a_race(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "old")
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(cache.read, ns, "k", **{"X-Hold-Before-Fill": "g"})
        until(lambda: cache.ask("GET", "/gates/g")[1]["waiting"], "the reader to be held")
        cache.write(ns, "k", "new")
        cache.ask("POST", "/gates/g/release")
        reader.result()
    return cache.read(ns, "k") == ("old", "cache")


def never_a_hit(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "v")
    return {cache.read(ns, "k") for _ in range(3)} == {("v", "database")}


def no_expiry(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "v")
    cache.read(ns, "k", "?ttl=0.1")
    (name,) = redis_server.client.keys("*:v")
    return redis_server.client.pttl(name) > 86400_000


def wrong_characters(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "Grüße", "write-through")
    return cache.read(ns, "k")[0] == "Gr??e"


def nothing_in_the_database(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "v", "write-through")
    return cache.read(ns, "k") == ("v", "cache") and postgres.value(ns, "k") is None


def a_read_after_a_write_through_misses(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "v", "write-through")
    return cache.read(ns, "k") == ("v", "database")


def an_error_without_redis(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "v")
    redis_server.kill()
    answers = [cache.ask("GET", f"/entries/{ns}/k"), cache.ask("PUT", f"/entries/{ns}/k", {"value": "w"})]
    return [status for status, _ in answers] == [500, 500]


def a_long_wait_for_redis(cache, postgres, redis_server, ns):
    import signal

    cache.write(ns, "k", "v")
    redis_server.signal(signal.SIGSTOP)
    begin = time.monotonic()
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(cache.read, ns, "k")
        until(lambda: reader.done() or time.monotonic() - begin > 1.5, "a second and a half")
        waited = not reader.done()
        redis_server.signal(signal.SIGCONT)
    return waited


def stale_after_a_restart(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "old", "write-through")
    redis_server.kill()
    cache.write(ns, "k", "new")
    redis_server.start()
    return until(lambda: cache.read(ns, "k")[1] == "cache", "a hit") and cache.read(ns, "k")[0] == "old"


WRONG = {
    Defect.SKIPS_INVALIDATION: stale_after_a_write,
    Defect.FILLS_WITHOUT_LEASE: stale_after_a_race,
    Defect.NEVER_FILLS: never_a_hit,
    Defect.ENTRIES_NEVER_EXPIRE: no_expiry,
    Defect.LOSES_CHARACTERS: wrong_characters,
    Defect.ACKNOWLEDGES_BEFORE_DATABASE: nothing_in_the_database,
    Defect.WRITE_THROUGH_STORES_NOTHING: a_read_after_a_write_through_misses,
    Defect.FAILS_WITHOUT_REDIS: an_error_without_redis,
    Defect.WAITS_FOR_REDIS: a_long_wait_for_redis,
    Defect.KEEPS_GENERATION: stale_after_a_restart,
}


def test_every_defect_is_shown():
    assert set(WRONG) == set(Defect)


@pytest.mark.parametrize("defect", Defect)
def test_a_defect_does_what_its_name_says(start_cache, postgres, redis_server, ns, defect):
    assert WRONG[defect](start_cache("--defect", defect.value), postgres, redis_server, ns)


@pytest.mark.parametrize("defect", Defect)
def test_without_it_the_program_does_not(cache, postgres, redis_server, ns, defect):
    assert not WRONG[defect](cache, postgres, redis_server, ns)
