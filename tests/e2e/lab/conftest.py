"""One lab for all tests that leave it as it was; those that turn the clock or ask for faults start their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.lab.account import HOUR_SECONDS, Account
from tests.labs import start_lab


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    with start_lab(faults="quota=off,pending=100ms") as lab:
        yield Account(lab.endpoint)


@pytest.fixture(scope="session")
def slow_account() -> Iterator[Account]:
    """A lab in which whatever takes time takes an hour, and has it when the test turns the clock."""
    with start_lab(faults=f"quota=off,pending={HOUR_SECONDS}s") as lab:
        yield Account(lab.endpoint)


@pytest.fixture
def new_account() -> Iterator[Callable[..., Account]]:
    """A lab of one's own, with the faults and the state asked for."""
    started = []

    def start(faults: str = "quota=off,pending=100ms", state: Path | None = None) -> Account:
        started.append(start_lab(state, faults))
        return Account(started[-1].endpoint)

    yield start
    for lab in started:
        lab.stop()


@pytest.fixture(scope="module")
def own_account() -> Iterator[Account]:
    """A lab for one module, whose clock and faults its tests may change."""
    with start_lab(faults="quota=off,pending=100ms") as lab:
        yield Account(lab.endpoint)
