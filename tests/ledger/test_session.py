from __future__ import annotations

import time

import pytest
from robot.api.types import Secret

from environments.system import Endpoint, Login
from PatroniLibrary.session import NotSent, OutcomeUnknown, Refused, Session

NOWHERE = Endpoint("127.0.0.1", 1)  # nothing listens on port 1
LOGIN = Login("someone", Secret("something"))


def opened(fake):
    session = fake.session()
    session.open(2)
    return session


def test_rows_come_back(postgres, answers):
    session = opened(postgres(answers.row(True, 7, "x")))
    assert session.run("SELECT 1") == [(True, 7, "x")]


def test_a_port_without_a_server_is_not_sent():
    with pytest.raises(NotSent, match="refused"):
        Session(NOWHERE, LOGIN, "acceptance", "unit test").open(2)


def test_a_server_that_never_greets_is_not_sent_and_given_up_in_time(postgres):
    session = postgres(greeting=None).session()
    begin = time.monotonic()
    with pytest.raises(NotSent, match="no connection in time"):
        session.open(0.3)
    assert 0.2 < time.monotonic() - begin < 1
    assert not session.is_open


@pytest.mark.parametrize("sqlstate", ["53300", "57P03"])
def test_a_server_that_turns_the_client_away_is_not_sent(postgres, answers, sqlstate):
    with pytest.raises(NotSent):
        opened(postgres(greeting=answers.error(sqlstate, "go away", severity="FATAL", ready=False)))


def test_a_proxy_that_closes_at_once_is_not_sent(postgres):
    with pytest.raises(NotSent):
        opened(postgres(greeting="close"))


@pytest.mark.parametrize("sqlstate", ["25006", "42P01", "40001"])
def test_an_error_that_ends_the_statement_is_a_refusal_and_keeps_the_session(postgres, answers, sqlstate):
    session = opened(postgres(answers.error(sqlstate), answers.row(1)))
    with pytest.raises(Refused) as caught:
        session.run("INSERT")
    assert caught.value.sqlstate == sqlstate
    assert session.run("SELECT 1") == [(1,)]


@pytest.mark.parametrize("sqlstate", ["57P01", "57P02"])
def test_a_server_that_shuts_down_leaves_it_unknown(postgres, answers, sqlstate):
    session = opened(postgres(answers.error(sqlstate, "terminating connection", severity="FATAL", ready=False)))
    with pytest.raises(OutcomeUnknown, match="terminating connection"):
        session.run("INSERT")
    assert not session.is_open


@pytest.mark.parametrize("sqlstate", ["57014", "58030", "XX000"])
def test_an_error_that_says_nothing_about_the_commit_leaves_it_unknown(postgres, answers, sqlstate):
    session = opened(postgres(answers.error(sqlstate)))
    with pytest.raises(OutcomeUnknown, match=sqlstate):
        session.run("INSERT")
    assert not session.is_open


def test_a_connection_lost_after_sending_leaves_it_unknown(postgres):
    session = opened(postgres("close"))
    with pytest.raises(OutcomeUnknown):
        session.run("INSERT")
    assert not session.is_open


def test_silence_after_sending_leaves_it_unknown_in_bounded_time(postgres):
    session = opened(postgres(None))
    begin = time.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.3 s"):
        session.run("INSERT", seconds=0.3)
    assert 0.2 < time.monotonic() - begin < 1
    assert not session.is_open


@pytest.mark.parametrize(
    "text",
    [
        "canceling wait for synchronous replication due to user request",
        "canceling the wait for synchronous replication and terminating connection due to administrator command",
    ],
)
def test_a_commit_that_no_standby_confirmed_is_unknown(postgres, answers, text):
    session = opened(postgres(answers.warning(text, answers.row(1)), answers.row(2)))
    with pytest.raises(OutcomeUnknown, match="cancelled"):
        session.run("INSERT")
    assert session.run("INSERT") == [(2,)]  # the warning is not held against the next statement


def test_any_other_warning_is_an_ordinary_answer(postgres, answers):
    assert opened(postgres(answers.warning("something else", answers.row(1)))).run("INSERT") == [(1,)]


def test_a_session_cut_while_idle_is_noticed_and_nothing_is_sent(postgres):
    fake = postgres()
    session = opened(fake)
    assert not session.is_cut()
    fake.cut()
    time.sleep(0.05)
    with pytest.raises(NotSent, match="had been cut"):
        session.run("INSERT")
    assert fake.statements == []
    assert session.is_cut()


def test_without_a_connection_nothing_is_sent():
    with pytest.raises(NotSent):
        Session(NOWHERE, LOGIN, "acceptance", "unit test").run("SELECT 1")
