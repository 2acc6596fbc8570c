"""Repositories that are kept open: once for all, anew when they were changed, and never closed under who uses them."""

import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.testing.memory_records import memory_records
from holdfast.testing.simulated_site import OpenBox
from holdfast.wiring import open_repositories
from holdfast.wiring.open_repositories import KeptOpenRepositories


class Store:
    """Knows whether it was closed."""

    def __init__(self, location: str) -> None:
        self.location, self.closed = location, False

    def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True


class World:
    """Opens whatever is asked for; `gates` hold up the opening of a location."""

    def __init__(self, monkeypatch) -> None:
        self.stores: list[Store] = []
        self.gates: dict[str, threading.Event] = {}
        self.definitions = memory_records().repositories
        for name in ("one", "other"):
            self.definitions.put(RepositoryDefinition(name, f"s3://{name}"), None)
        monkeypatch.setattr(open_repositories, "open_store", self.open_store)
        monkeypatch.setattr(open_repositories, "open_repository", lambda store, *_words: self.open_repository(store))
        for name in ("recognise", "remember"):
            monkeypatch.setattr(open_repositories, name, lambda *_words, **_more: None)
        self.repositories = KeptOpenRepositories(self.definitions, OpenBox(), cast(Any, None), cast(Any, None))

    def open_store(self, location):
        self.stores.append(Store(location))
        return self.stores[-1]

    def open_repository(self, store):
        assert self.gates.get(store.location, _OPEN).wait(120)
        return _Repository()


class _Repository:
    class config:  # noqa: N801 - as an attribute
        single_writer = False

    def __init__(self) -> None:
        self.ledger = _Ledger()


class _Ledger:
    def __init__(self) -> None:
        self.damage: list[str] = []

    def refresh(self) -> None:
        """Read already."""

    def require_standing(self) -> None:
        """It stands."""


_OPEN = threading.Event()
_OPEN.set()


@pytest.fixture
def world(monkeypatch) -> World:
    return World(monkeypatch)


def change(world, name="one"):
    world.definitions.put(replace(world.definitions.get(name), description="changed"), None)


def test_it_is_opened_once(world):
    with world.repositories.open("one") as first, world.repositories.open("one") as second:
        assert first is second
    assert [(store.location, store.closed) for store in world.stores] == [("s3://one", False)]
    world.repositories.close()
    assert world.stores[0].closed


def test_what_was_changed_is_opened_anew_and_closed_when_nobody_uses_it_any_more(world):
    with world.repositories.open("one") as before:
        change(world)
        with world.repositories.open("one") as after:
            assert after is not before
            assert not world.stores[0].closed, "somebody commits in there"
        assert not world.stores[0].closed
    assert [store.closed for store in world.stores] == [True, False]


def test_what_nobody_uses_is_closed_when_it_is_opened_anew(world):
    with world.repositories.open("one"):
        pass
    change(world)
    with world.repositories.open("one"):
        assert [store.closed for store in world.stores] == [True, False]


def test_one_whose_ledger_is_damaged_is_opened_anew_for_it_may_have_been_mended(world):
    with world.repositories.open("one") as before, before.turn() as repository:
        repository.ledger.damage.append("ledger/3 does not open")
    with world.repositories.open("one") as after, world.repositories.open("one") as again:
        assert after is not before
        assert again is after
    assert [store.closed for store in world.stores] == [True, False]


def test_one_that_cannot_be_reached_holds_up_nobody_else(world):
    world.gates["s3://one"] = threading.Event()

    def use_it() -> None:
        with world.repositories.open("one"):
            pass

    waiting = [threading.Thread(target=use_it) for _ in range(2)]
    for thread in waiting:
        thread.start()
    with world.repositories.open("other"):
        assert all(thread.is_alive() for thread in waiting)
    world.gates["s3://one"].set()
    for thread in waiting:
        thread.join(120)
    assert sorted(store.location for store in world.stores) == ["s3://one", "s3://other"], "opened for both at once"
