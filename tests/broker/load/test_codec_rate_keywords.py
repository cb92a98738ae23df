from __future__ import annotations

import time
from datetime import timedelta

import pytest

from BrokerLibrary.keywords.codec_rate import CodecRateKeywords, CodecRates
from BrokerLibrary.protocol_v2 import workload
from LoadLibrary.rate import Rate
from tests.broker.load.conftest import records, values


def test_what_is_parsed_is_what_was_built_and_both_have_a_rate(run, said):
    codec = CodecRateKeywords()
    rates = codec.trades_are_built_and_parsed_in_batches(timedelta(seconds=0.05))
    codec.parsed_trades_should_be_those_that_were_built(rates)
    codec.construction_should_be_faster_than(rates, Rate(1))
    codec.parsing_should_be_faster_than(rates, Rate(1))
    built, parsed = records(run)
    assert (built["target"]["of"], parsed["target"]["of"]) == ("construction rate", "parsing rate")
    assert built["load"]["ok"] == parsed["load"]["ok"] >= 50_000
    assert {"construction one by one", "parsing one by one"} <= values(run).keys()
    with pytest.raises(AssertionError, match="at least 1e\\+12 wanted"):
        codec.parsing_should_be_faster_than(rates, Rate(1e12))


def unread(buffer):
    time.sleep(0.01)
    return workload.Counts(50_000, 0)


@pytest.mark.parametrize(
    ("name", "spoil", "finding"),
    [
        ("construct", lambda batch, buffer: buffer.__setitem__(slice(100, 101), buffer[100] ^ 1), "message 1 at"),
        ("construct", lambda batch, buffer: batch.columns["price"].__setitem__(7, 1), "price differs"),
        ("construct", lambda batch, buffer: batch.sequences.__setitem__(7, 1), "sequence differs"),
    ],
)
def test_a_codec_that_writes_something_else_is_found(run, monkeypatch, name, spoil, finding):
    real = getattr(workload, name)

    def wrong(batch, buffer):
        counts = real(batch, buffer)
        if len(batch) > 10_000:
            spoil(batch, buffer)
        return counts

    monkeypatch.setattr(workload, name, wrong)
    monkeypatch.setattr(workload, "parse", unread)
    rates = CodecRateKeywords().trades_are_built_and_parsed_in_batches(timedelta(seconds=0.01))
    with pytest.raises(AssertionError, match=finding):
        CodecRateKeywords().parsed_trades_should_be_those_that_were_built(rates)


def test_the_scalar_codec_must_write_the_same_bytes(run, monkeypatch):
    real = workload.construct_singly
    monkeypatch.setattr(workload, "construct_singly", lambda batch: real(batch)[::-1])
    monkeypatch.setattr(workload, "parse_singly", lambda stream: workload.Counts(1, 1))
    rates = CodecRateKeywords().trades_are_built_and_parsed_in_batches(timedelta(seconds=0.01))
    assert isinstance(rates, CodecRates)
    assert rates.wrong[0] == "the batched codec writes other bytes than the scalar one"
