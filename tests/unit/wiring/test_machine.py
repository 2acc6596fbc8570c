"""Threads of a process know for whom they work."""

import asyncio

from holdfast.domain.errors import UnavailableError
from holdfast.patience import Patience, Waiting, told_to
from holdfast.wiring.machine import CarryingThreads, machine_surroundings
from tests.unit.sleeping_clock import SleepingClock


def wait_for(what: str) -> str:
    clock = SleepingClock()
    patience = Patience(waiting=Waiting(clock.sleep, lambda: 1.0, clock.now))
    for _ in range(6):
        patience.wait_or_raise(UnavailableError(what, why="no route", cure="wait"))
    return what


def test_what_a_thread_waits_for_is_told_to_who_gave_it_the_work():
    mine: list[str] = []
    theirs: list[str] = []
    with machine_surroundings() as machine:
        with told_to(mine.append):
            here = [machine.transfer.submit(wait_for, "mine"), machine.compute.submit(wait_for, "mine, too")]
            with told_to(theirs.append):
                there = machine.transfer.submit(wait_for, "theirs")
        nobody = machine.transfer.submit(wait_for, "nobody's")
        assert [one.result() for one in (*here, there, nobody)] == ["mine", "mine, too", "theirs", "nobody's"]
    assert len(mine) == 1, "one a minute"
    assert theirs == ["theirs, which is tried again: no route"]


def test_so_it_is_with_calls_that_are_made_beside_a_loop():
    lines: list[str] = []

    async def work() -> str:
        with CarryingThreads(1) as steps, told_to(lines.append):
            return await asyncio.get_running_loop().run_in_executor(steps, wait_for, "beside")

    assert asyncio.run(work()) == "beside"
    assert lines == ["beside, which is tried again: no route"]
