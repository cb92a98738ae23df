from __future__ import annotations

import pytest

from HAProxyLibrary import ports
from HAProxyLibrary.ports import Answer
from PatroniLibrary.session import Refused

MEMBERS = {1: "member1", 2: "member2", 3: "member3"}


def answers(*port_numbers):
    return [Answer(port, port != 1) for port in port_numbers]


def test_connections_that_reach_all_expected_servers_are_right():
    assert ports.wrong_answers(answers(2, 3, 2, 3), MEMBERS, ["member2", "member3"]) is None


def test_a_connection_that_reached_another_server_is_told():
    problem = ports.wrong_answers(answers(2, 1, 3, 1), MEMBERS, ["member2", "member3"])
    assert problem == "2 of 4 connections reached member1, expected only member2, member3"


def test_a_server_that_nobody_reached_is_told():
    problem = ports.wrong_answers(answers(2, 2), MEMBERS, ["member2", "member3"])
    assert problem == "none of 2 connections reached member3 (member2 2)"


def test_an_unknown_server_is_told_by_its_port():
    assert "reached port 9" in str(ports.wrong_answers(answers(9), MEMBERS, ["member1"]))


def test_no_connection_at_all_is_not_right():
    assert ports.wrong_answers([], MEMBERS, ["member1"]) == "none of 0 connections reached member1 ()"


def test_a_refusal_tells_its_sqlstate_and_an_accepted_write_none():
    def refused():
        raise Refused("25006", "cannot execute INSERT in a read-only transaction")

    assert ports.refusal(refused) == "25006"
    assert ports.refusal(lambda: None) == ""


def test_no_connection_is_no_refusal():
    def unreachable():
        raise ConnectionError("nobody there")

    with pytest.raises(ConnectionError):
        ports.refusal(unreachable)
