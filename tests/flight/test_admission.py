from __future__ import annotations

import jwt
import pytest
from pyarrow import flight

from FlightLibrary import FlightLibrary
from FlightLibrary.keywords import admission, base
from tests.flight.tiny import SECRET, TinyFlight

library = FlightLibrary()


@pytest.fixture(autouse=True)
def no_database(monkeypatch):
    """Whether uploads left rows is asked of the tiny server."""
    monkeypatch.setattr("FlightLibrary.keywords.writing.Import.stored", lambda upload: 0)
    monkeypatch.setattr("FlightLibrary.keywords.writing.Import.delete", lambda upload: None)


class Weak(TinyFlight):
    """Takes tokens whoever signed them."""

    def claims(self, token):
        return jwt.decode(token, options={"verify_signature": False})


class Lenient(TinyFlight):
    def claims(self, token):
        wanted = ["sub", "exp", "scopes", "session_type"]
        return jwt.decode(token, SECRET, algorithms=["HS256"], leeway=60, options={"require": wanted})


class AnyAlgorithm(TinyFlight):
    def claims(self, token):
        if jwt.get_unverified_header(token or "a.b.c").get("alg") == "none":
            return jwt.decode(token, options={"verify_signature": False})
        return super().claims(token)


class OpenUpload(TinyFlight):
    def admit(self, method, header):
        return {} if method == flight.FlightMethod.DO_PUT else super().admit(method, header)


class Deaf(TinyFlight):
    def claims(self, token):
        raise jwt.InvalidTokenError("always")


def test_every_wrong_token_is_refused_on_every_call(system):
    system()
    tried = library.wrong_tokens_are_tried_on_every_data_call()
    library.each_should_have_been_refused_as(tried, "UNAUTHENTICATED")
    assert len(tried.answers) == 9 * 26


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Weak, "signed with another secret: DoGet GraphQLQuery served; DoGet OptimizedView served"),
        (Lenient, "expired half a minute ago: DoGet GraphQLQuery served"),
        (AnyAlgorithm, r"unsigned \(alg none\): DoGet GraphQLQuery served"),
        (OpenUpload, "no header: DoPut served"),
        (Deaf, "refuses a right token too"),
    ],
)
def test_a_call_that_is_served_is_seen(system, kind, message):
    system(kind)
    tried = library.wrong_tokens_are_tried_on_every_data_call()
    with pytest.raises(AssertionError, match=message):
        library.each_should_have_been_refused_as(tried, "UNAUTHENTICATED")


def test_another_status_is_seen(system):
    class Wrong(TinyFlight):
        def admit(self, method, header):
            try:
                return super().admit(method, header)
            except flight.FlightUnauthenticatedError as error:
                raise flight.FlightServerError(str(error)) from None

    system(Wrong)
    tried = library.wrong_tokens_are_tried_on_every_data_call()
    with pytest.raises(AssertionError, match=r"234 of 234 calls were not refused .*\nno header: .* UNKNOWN \("):
        library.each_should_have_been_refused_as(tried, "UNAUTHENTICATED")


def test_rows_that_a_refused_upload_left_are_seen(system, monkeypatch):
    monkeypatch.setattr("FlightLibrary.keywords.writing.Import.stored", lambda upload: 3)
    system()
    tried = library.wrong_tokens_are_tried_on_every_data_call()
    with pytest.raises(AssertionError, match="uploads with wrong tokens left 3 rows"):
        library.each_should_have_been_refused_as(tried, "UNAUTHENTICATED")


def test_the_handshake_gives_a_session_that_is_accepted(system):
    system()
    library.session_should_be_accepted(library.session_is_opened_by_handshake())


def test_wrong_identity_tokens_that_are_taken_are_seen(system):
    """The tiny server looks at no identity token, only whether there is one."""
    system()
    answers = library.wrong_identity_tokens_are_handed_over()
    assert [answer.token for answer in answers if answer.status == "UNAUTHENTICATED"] == ["empty"]
    with pytest.raises(AssertionError, match=r"9 of 10 calls .*\nsigned by another key: Handshake served\nexpired"):
        library.each_should_have_been_refused_as(answers, "UNAUTHENTICATED")


def test_without_an_identity_provider_there_is_no_handshake_to_try(system, monkeypatch):
    from dataclasses import replace

    system()
    where = base.addresses()
    monkeypatch.setattr(admission, "addresses", lambda: replace(where, identity=None))
    with pytest.raises(LookupError, match="names no identity provider"):
        library.session_is_opened_by_handshake()
    assert len(library.wrong_tokens_are_tried_on_every_data_call().answers) == 9 * 25
