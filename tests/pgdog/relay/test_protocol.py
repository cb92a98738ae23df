"""Frames come whole out of a stream, however it is cut."""

import hashlib
import random

import pytest
from scramp import ScramMechanism

from reference.pgdog import protocol
from reference.pgdog.mirror.login import Login, LoginRefused

FRAMES = [protocol.query(b"select 1"), protocol.SYNC, protocol.frame(b"d", b"x" * 300), protocol.frame(b"P", b"\0" * 9)]


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_gives_the_same_frames(seed):
    chance, stream = random.Random(seed), b"".join(FRAMES * 5)
    splitter, found, at = protocol.Splitter(), [], 0
    while at < len(stream):
        end = at + chance.choice([1, 2, 3, 5, 8, 300, 1000])
        found += splitter.cut(stream[at:end])
        at = end
    assert [part for _, part, _ in found] == FRAMES * 5
    assert [letter for letter, _, _ in found] == [part[0] for part in FRAMES * 5]
    assert all(whole for _, _, whole in found)
    assert splitter.clean
    assert splitter.held == 0


def test_a_frame_beyond_the_limit_is_passed_over():
    splitter, long = protocol.Splitter(), protocol.frame(b"d", b"x" * 1000)
    splitter.largest = 100
    stream = protocol.SYNC + long + protocol.SYNC
    found = [*splitter.cut(stream[:200]), *splitter.cut(stream[200:900]), *splitter.cut(stream[900:])]
    assert [(chr(letter), whole) for letter, _, whole in found] == [("S", True), ("d", False), ("S", True)]
    assert splitter.held == 0


def test_startup_message_is_read_back():
    parameters = {"user": "ö", "database": "app", "options": "-c a=b"}
    message = protocol.startup(protocol.VERSION, parameters)
    assert int.from_bytes(message[:4], "big") == len(message)
    assert protocol.startup_parameters(message[8:]) == parameters


def test_error_fields():
    message = protocol.fatal("57P01", "going down")
    assert protocol.error_fields(message[5:]) == {"S": "FATAL", "V": "FATAL", "C": "57P01", "M": "going down"}


def challenge(method, data=b""):
    return method.to_bytes(4, "big") + data


def test_cleartext_and_md5():
    login = Login("me", "secret")
    assert login.answer(challenge(0)) == b""
    assert login.answer(challenge(3)) == protocol.frame(b"p", b"secret\0")
    inner = hashlib.md5(b"secretme").hexdigest()
    outer = hashlib.md5(inner.encode() + b"salt").hexdigest()
    assert login.answer(challenge(5, b"salt")) == protocol.frame(b"p", b"md5" + outer.encode() + b"\0")


def scram_server(password):
    mechanism = ScramMechanism("SCRAM-SHA-256")
    return mechanism.make_server(lambda user: mechanism.make_auth_info(password))


def test_scram():
    login, server = Login("me", "secret"), scram_server("secret")
    first = login.answer(challenge(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
    name, at = protocol.name_in(first, 5)
    assert name == b"SCRAM-SHA-256"
    server.set_client_first(first[at + 4 :].decode())
    final = login.answer(challenge(11, server.get_server_first().encode()))
    server.set_client_final(final[5:].decode())
    assert login.answer(challenge(12, server.get_server_final().encode())) == b""


def test_a_server_that_does_not_know_the_password_is_refused():
    login, server = Login("me", "secret"), scram_server("secret")
    first = login.answer(challenge(10, b"SCRAM-SHA-256\0\0"))
    server.set_client_first(first[protocol.name_in(first, 5)[1] + 4 :].decode())
    login.answer(challenge(11, server.get_server_first().encode()))
    with pytest.raises(LoginRefused):
        login.answer(challenge(12, b"v=" + b"A" * 43 + b"="))


@pytest.mark.parametrize("asked", [challenge(7), challenge(10, b"SCRAM-SHA-256-PLUS\0\0"), challenge(11, b"r=")])
def test_unknown_methods_are_refused(asked):
    with pytest.raises(LoginRefused):
        Login("me", "secret").answer(asked)
