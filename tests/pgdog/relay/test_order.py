"""Whose turn it is to write to a mirror."""

import pytest

from reference.pgdog.mirror.order import Order
from reference.pgdog.mirror.unit import Unit
from tests.pgdog.relay.script import SYNC, Script, bind, execute, parse


class Ordered(Script):
    """Enters what took effect into an order, as a lane does."""

    def __init__(self, order):
        super().__init__()
        self.recorder.emit = self.enter
        self.recorder._reserve = lambda: {self: order.reserve()}
        self.order = order

    def enter(self, unit):
        self.units.append(unit)
        unit.place = (unit.places or {}).get(self)
        if unit.wrote:
            self.order.enter(unit)


@pytest.fixture
def order():
    return Order()


def begun(order):
    script = Ordered(order)
    script.did("begin", "BEGIN", "=T")
    script.did("insert 1", "INSERT 0 1", "=T")
    return script


def ask_to_commit(script, way):
    if way == "simple":
        script.ask(" ;Commit")
    else:
        script.ask(parse("", "COMMIT"), bind(""), execute(), SYNC)


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_a_commit_has_its_place_from_when_it_was_sent(order, way):
    first, second = begun(order), Ordered(order)
    ask_to_commit(first, way)
    second.did("insert 2", "INSERT 0 1", "=I")
    assert not order.turn(second.units[0])
    first.answer(*([] if way == "simple" else ["1", "2"]), "COMMIT", "=I")
    assert order.turn(first.units[0])
    assert order.turn(second.units[0], 1)
    first.units[0].place.release()
    assert order.turn(second.units[0])


@pytest.mark.parametrize("answers", [["!40001", "=I"], ["ROLLBACK", "=I"], None])
def test_a_place_for_nothing_holds_nobody_up(order, answers):
    first, second = begun(order), Ordered(order)
    first.ask("commit")
    second.did("insert 2", "INSERT 0 1", "=I")
    if answers:
        first.answer(*answers)
    else:
        first.recorder.gone()
    assert order.turn(second.units[0])


def release(unit):
    assert unit.place is not None
    unit.place.release()


def test_who_is_done_before_its_turn_is_passed_over(order):
    units = [Unit([], 0, True, (), ()) for _ in range(3)]
    for unit in units:
        order.enter(unit)
    release(units[1])
    assert order.turn(units[0])
    release(units[0])
    assert order.turn(units[2])


def test_the_recorder_asks_for_no_place_for_what_only_read(order):
    script = Ordered(order)
    script.did("begin", "BEGIN", "=T")
    script.did("select 1", "SELECT 1", "=T")
    script.did("commit", "COMMIT", "=I")
    assert script.units[0].places is None
