"""The section of a system replaces what stands between its marks, and nothing else."""

from __future__ import annotations

import pytest

from reporting.field_report.place import END, START, MarksProblem, placed

FIRST, LAST = START.format(system="fraiseql"), END.format(system="fraiseql")
OTHER = f"{START.format(system='pgdog')}\n## PgDog\n{END.format(system='pgdog')}\n"
HAND = "# Field report\n\n## The cluster\n\n* by hand\n"


def test_a_first_section_goes_to_the_end():
    assert placed(HAND, "fraiseql", "## New\n\ntext\n") == f"{HAND}\n{FIRST}\n## New\n\ntext\n{LAST}\n"
    assert placed("", "fraiseql", "## New\n") == f"{FIRST}\n## New\n{LAST}\n"


def test_a_section_is_replaced_where_it_stands_and_all_else_stays():
    before = f"{HAND}\n{FIRST}\n## Old\n\nold\n{LAST}\n\n## Measuring  \n\n{OTHER}"
    after = f"{HAND}\n{FIRST}\n## New\n{LAST}\n\n## Measuring  \n\n{OTHER}"
    assert placed(before, "fraiseql", "## New\n") == after
    assert placed(after, "fraiseql", "## New\n") == after


def test_each_system_has_a_section_of_its_own():
    text = placed(placed(OTHER, "fraiseql", "## New\n"), "pgdog", "## PgDog again\n")
    assert text == f"{OTHER.replace('## PgDog', '## PgDog again')}\n{FIRST}\n## New\n{LAST}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{FIRST}\n", "its first one stands 1 times, its last one 0 times; leave one of each, or none"),
        (f"{LAST}\n", "its first one stands 0 times, its last one 1 times; leave one of each, or none"),
        (
            f"{FIRST}\n{FIRST}\n{LAST}\n",
            "its first one stands 2 times, its last one 1 times; leave one of each, or none",
        ),
        (f"{LAST}\n{FIRST}\n", "the last one stands before the first one"),
        (f"{FIRST}\n{OTHER}{LAST}\n", "one of pgdog stands between them"),
    ],
)
def test_damaged_marks_are_told_before_anything_is_lost(text, reason):
    with pytest.raises(MarksProblem) as caught:
        placed(text, "fraiseql", "## New\n")
    assert str(caught.value) == f"the marks of fraiseql are damaged: {reason}"
