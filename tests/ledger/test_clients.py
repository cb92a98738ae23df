from __future__ import annotations

import functools
import time

import pytest
from robot.api.types import Secret

from environments.system import Endpoint, Login
from LedgerLibrary.idle import IdleSession
from LedgerLibrary.monitor import poll
from LedgerLibrary.writer import PATIENCE_SECONDS, Access, Background, read, write
from oracles.history import History, HistoryWriter, Kind, Operation, Result
from PatroniLibrary.session import Session

LOGIN = Login("someone", Secret("something"))
NOWHERE = Endpoint("127.0.0.1", 1)  # nothing listens on port 1
MEMBERS = {5433: "member2"}


def attempt(session):
    return write(7, session, base=1000, writer="w", members=MEMBERS)


class TestWrite:
    def test_an_acknowledged_write_names_the_member_and_its_timeline(self, postgres, answers):
        fake = postgres(answers.row(5433, 4))
        operation = attempt(fake.session())
        assert (operation.id, operation.outcome, operation.node) == (1007, Result.ACKED, "member2")
        assert operation.detail == "timeline 4"
        assert "VALUES (1007, 'w')" in fake.statements[0]

    def test_an_unknown_port_is_told_as_it_is(self, postgres, answers):
        assert attempt(postgres(answers.row(6000, 1)).session()).node == "6000"

    def test_what_was_never_sent_has_failed(self):
        operation = attempt(Session(NOWHERE, LOGIN, "acceptance", "unit test"))
        assert operation.outcome is Result.FAILED
        assert operation.detail.startswith("not sent: ")

    def test_what_was_refused_has_failed_and_the_session_is_given_up(self, postgres, answers):
        session = postgres(answers.error("25006", "read-only")).session()
        assert attempt(session).outcome is Result.FAILED
        assert not session.is_open

    @pytest.mark.parametrize("answer", ["close", "warning"])
    def test_what_was_lost_after_sending_or_never_confirmed_is_unknown(self, postgres, answers, answer):
        warning = "canceling wait for synchronous replication due to user request"
        said = answers.warning(warning, answers.row(5433, 1)) if answer == "warning" else answer
        assert attempt(postgres(said).session()).outcome is Result.UNKNOWN

    def test_connecting_does_not_count_as_time_of_the_write(self, postgres, answers, monkeypatch):
        connect = Session.open

        def slowly(session, seconds):
            time.sleep(0.2)
            connect(session, seconds)

        monkeypatch.setattr(Session, "open", slowly)
        operation = attempt(postgres(answers.row(5433, 1)).session())
        assert operation.completed - operation.invoked < 0.1


class TestRead:
    def test_an_answer_is_the_greatest_id_and_who_gave_it(self, postgres, answers):
        operation = read(1, postgres(answers.row(5433, 99)).session(), writer="w", members=MEMBERS)
        assert (operation.outcome, operation.value, operation.node) == (Result.OBSERVED, 99, "member2")

    def test_no_answer_is_a_failed_read(self):
        session = Session(NOWHERE, LOGIN, "acceptance", "unit test")
        assert read(1, session, writer="w", members=MEMBERS).outcome is Result.FAILED


class TestPoll:
    def test_a_member_that_acknowledges_a_write_is_writable(self, postgres, answers):
        found = poll("m1", postgres(answers.row(False), answers.row(3)).session(), "key")
        assert (found.value, found.outcome, found.detail) == (True, Result.OBSERVED, "timeline 3")

    def test_a_member_in_recovery_is_not_and_is_not_written_to(self, postgres, answers):
        fake = postgres(answers.row(True))
        assert poll("m2", fake.session(), "key").value is False
        assert len(fake.statements) == 1

    def test_a_member_that_refuses_the_write_is_not(self, postgres, answers):
        assert poll("m1", postgres(answers.row(False), answers.error("25006")).session(), "key").value is False

    def test_a_member_where_nobody_listens_is_not(self):
        assert poll("m1", Session(NOWHERE, LOGIN, "acceptance", "unit test"), "key").value is False

    def test_a_member_that_waits_for_a_standby_is_neither(self, postgres, answers, monkeypatch):
        monkeypatch.setattr("LedgerLibrary.monitor.ANSWER_SECONDS", 0.2)
        found = poll("m1", postgres(answers.row(False), None).session(), "key")
        assert (found.value, found.outcome) == (None, Result.UNKNOWN)

    def test_a_member_that_is_starting_is_neither(self, postgres, answers):
        starting = answers.error("57P03", "the database system is starting up", severity="FATAL", ready=False)
        assert poll("m1", postgres(greeting=starting).session(), "key").value is None

    def test_any_other_refusal_says_nothing_about_the_role(self, postgres, answers):
        assert poll("m1", postgres(answers.row(False), answers.error("42P01")).session(), "key").value is None


class Client:
    """A background client whose operations take a given time."""

    def __init__(self, path, rate, sessions, takes):
        def operation(number, session):
            begin = time.time()
            time.sleep(takes)
            return Operation(number, Kind.WRITE, begin, time.time(), Result.ACKED)

        access = Access(NOWHERE, LOGIN, "acceptance")
        self.file = HistoryWriter(path, kind="ledger")
        self.background = Background(operation, access, "unit test", rate, sessions, self.file)

    def run(self, seconds):
        self.background.start()
        time.sleep(seconds)
        self.background.stop()
        self.file.close()
        return self.background


def test_operations_fall_due_at_the_rate_and_each_number_once(tmp_path):
    background = Client(tmp_path / "h.jsonl", rate=100, sessions=4, takes=0.001).run(0.5)
    numbers = sorted(int(o.id) for o in background.operations)
    assert numbers == list(range(len(numbers)))
    assert 40 <= len(numbers) <= 52
    assert background.dropped == 0


def test_what_falls_due_while_every_session_waits_is_dropped_not_made_up_for(tmp_path):
    background = Client(tmp_path / "h.jsonl", rate=100, sessions=2, takes=PATIENCE_SECONDS + 0.2).run(1.0)
    assert len(background.operations) <= 8
    assert background.dropped > 20


def test_the_file_holds_what_memory_holds(tmp_path):
    background = Client(tmp_path / "h.jsonl", rate=50, sessions=1, takes=0.001).run(0.2)
    background_file = History.read(tmp_path / "h.jsonl")
    assert background_file.operations == background.operations
    assert background.counts() == {Result.ACKED: len(background.operations)}


def test_stopping_twice_or_before_the_start_is_harmless(tmp_path):
    client = Client(tmp_path / "h.jsonl", rate=50, sessions=1, takes=0.001)
    client.background.stop()
    assert not client.background.is_running
    client.file.close()


def test_a_writer_goes_on_on_a_new_session_when_its_server_cuts_it(tmp_path, postgres, answers):
    fake = postgres(*[answers.row(5433, 1)] * 200)
    file = HistoryWriter(tmp_path / "h.jsonl", kind="ledger")
    operation = functools.partial(write, base=0, writer="w", members=MEMBERS)
    background = Background(operation, Access(fake.endpoint, LOGIN, "acceptance"), "unit test", 50, 1, file)
    background.start()
    time.sleep(0.3)
    fake.cut()
    time.sleep(0.4)
    background.stop()
    file.close()
    outcomes = [o.outcome for o in background.operations]
    assert outcomes[-1] is Result.ACKED
    assert len(fake.open) == 2


def test_an_idle_session_knows_when_it_was_cut(postgres):
    fake = postgres()
    idle = IdleSession(fake.endpoint, LOGIN, "acceptance")
    time.sleep(0.1)
    assert idle.cut_at is None
    cut = time.time()
    fake.cut()
    time.sleep(0.2)
    idle.close()
    assert idle.cut_at == pytest.approx(cut, abs=0.1)


def test_an_idle_session_that_we_close_was_not_cut(postgres):
    idle = IdleSession(postgres().endpoint, LOGIN, "acceptance")
    idle.close()
    assert idle.cut_at is None
