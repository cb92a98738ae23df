from __future__ import annotations

import pytest

from PgDogLibrary.amount import Amount


@pytest.mark.parametrize(
    ("text", "number"), [("50 queries", 50), ("1 time", 1), (" 30 ", 30), ("10 000 rows", 10_000), ("0", 0)]
)
def test_an_amount_is_read_as_criteria_write_it(text, number):
    assert Amount.parse(text) == number


@pytest.mark.parametrize("text", ["", "queries", "1.5 rows", "-3 rows", "5%"])
def test_what_is_no_amount_is_told(text):
    with pytest.raises(ValueError, match="is no amount; write a whole number"):
        Amount.parse(text)
