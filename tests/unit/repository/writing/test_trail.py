"""When a session leaves a checkpoint, and what stands in it: only rows of which nothing can be lost any more."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from threading import Event, Timer
from typing import Any

import pytest

from holdfast.domain.errors import UnavailableError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.format.session_checkpoint import BLOCKS_LIMIT, decode, encode
from holdfast.repository.progress import Silence
from holdfast.repository.writing.trail import Trail, TrailOwner
from holdfast.testing.deterministic_surroundings import InlineExecutor
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume

SESSION, OTHER = b"s" * 16, b"o" * 16
PACK_SIZE_BYTES = 16 << 20
GIB = 1 << 30


class Walk:
    """A trail whose packs are acknowledged when the test says so."""

    def __init__(
        self, size_bytes: int = 100 * GIB, transfer: Any = None, leave: Any = None, *, anew: bool = True
    ) -> None:
        self.left: list[Any] = []
        self.packs: list[StoredPack] = []
        self.closed = 0
        self.transfer: Any = transfer or InlineExecutor()
        owner = TrailOwner(SESSION, 1, b"w" * 16, leave or self.left.append)
        self.trail = Trail(owner, self, [], PACK_SIZE_BYTES, self.transfer)
        self.source = MemorySource(MemoryVolume(size_bytes))
        self.trail.begin("volume", self.source, anew=anew)

    def acknowledged(self) -> list[StoredPack]:
        return self.packs

    def close(self) -> None:
        self.closed += 1

    def acknowledge(self, *packs: int) -> None:
        self.packs += [StoredPack(bytes([pack]) * 16, False, PACK_SIZE_BYTES, bytes(32)) for pack in packs]

    def read(self, block: int, pack: int | None, size_bytes: int, session: bytes = SESSION) -> None:
        held = None
        if pack is not None:
            row = PackRow(1, session, bytes([pack]) * 16)
            held = Located(bytes(32), Place(row, 0, 96, 100, BLOCK_SIZE_BYTES, 1))
        self.trail.read(block, held, size_bytes, Silence())

    def blocks(self, at: int = -1) -> list[int]:
        return [int(number) for volume in self.left[at].volumes for number in volume.columns()["block"]]


def test_a_row_waits_for_its_pack():
    walk = Walk()
    walk.read(0, 1, 0)
    walk.read(1, 2, 0)
    walk.read(2, None, 0)
    walk.read(3, 7, 0, OTHER)
    walk.acknowledge(2)
    walk.read(4, 1, GIB)
    assert walk.blocks() == [1, 2, 3]
    assert [pack.pack[0] for pack in walk.left[0].packs] == [2]
    walk.acknowledge(1)
    walk.read(5, 1, GIB)
    assert walk.blocks() == [0, 4, 5]
    assert [pack.pack[0] for pack in walk.left[1].packs] == [1]
    assert [(one.number, decode(encode(one))) for one in walk.left] == [(1, walk.left[0]), (2, walk.left[1])]


@pytest.mark.parametrize(
    ("size_bytes", "anew", "share_bytes"),
    [
        (GIB, True, PACK_SIZE_BYTES),
        (8 * GIB, True, 32 << 20),
        (256 * GIB, True, GIB),
        (1000 * GIB, True, GIB),
        (256 << 20, False, PACK_SIZE_BYTES),
        (8 * GIB, False, 256 << 20),
        (1000 * GIB, False, GIB),
    ],
)
def test_one_for_each_share_of_the_source(size_bytes, anew, share_bytes):
    walk = Walk(size_bytes, anew=anew)
    walk.read(0, None, share_bytes - 1)
    assert walk.left == []
    walk.read(1, None, 1)
    assert walk.blocks() == [0, 1]
    walk.read(2, None, share_bytes - 1)
    assert len(walk.left) == 1
    walk.read(3, None, 1)
    assert walk.blocks() == [2, 3]


class OneAtATime(Executor):
    """Does what it is told when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.waiting.append((future, partial(call, *given, **named)))
        return future

    def go(self) -> None:
        for future, call in self.waiting:
            try:
                future.set_result(call())
            except UnavailableError as error:
                future.set_exception(error)
        self.waiting = []


def test_reading_goes_on_while_one_is_left():
    """A store that is far away takes as long for one as some blocks take; none is begun before the last has arrived,
    and what was read meanwhile is in the next.
    """
    walk = Walk(transfer=OneAtATime())
    walk.read(0, None, GIB)
    walk.read(1, None, GIB)
    walk.read(2, None, GIB)
    assert (len(walk.transfer.waiting), walk.left) == (1, [])
    walk.transfer.go()
    walk.read(3, None, 0)
    assert (walk.blocks(), len(walk.transfer.waiting)) == ([0], 1)
    walk.transfer.go()
    assert walk.blocks() == [1, 2, 3]
    walk.trail.finish()
    assert walk.trail.left == 2


def test_who_ends_waits_for_the_one_under_way():
    for end in (Trail.finish, Trail.abandon):
        begun, go_on = Event(), Event()
        left: list[Any] = []

        def leave(checkpoint: Any, *, begun: Event = begun, go_on: Event = go_on, left: list[Any] = left) -> None:
            begun.set()
            go_on.wait()
            left.append(checkpoint)

        with ThreadPoolExecutor(1) as thread:
            walk = Walk(transfer=thread, leave=leave)
            walk.read(0, None, GIB)
            begun.wait()
            Timer(0.05, go_on.set).start()
            end(walk.trail)
            assert len(left) == 1


def test_who_gives_up_does_not_wait_for_one_that_has_not_begun():
    walk = Walk(transfer=OneAtATime())
    walk.read(0, None, GIB)
    walk.trail.abandon()
    [(future, _call)] = walk.transfer.waiting
    assert future.cancelled()


def test_when_all_waits_for_one_pack_that_is_let_go():
    """A volume of equal blocks fills no pack: without that all of it would be read again."""
    walk = Walk(size_bytes=GIB)
    walk.read(0, 1, (64 << 20) - 1)
    assert walk.closed == 0
    walk.read(1, 1, 1)
    assert (walk.closed, walk.left) == (1, [])
    walk.acknowledge(1)
    walk.read(2, 1, PACK_SIZE_BYTES - 1)
    assert walk.left == []
    walk.read(3, 1, 1)
    assert (walk.closed, walk.blocks()) == (1, [0, 1, 2, 3])


def test_of_a_large_volume_much_more_may_wait_for_packs():
    walk = Walk(size_bytes=64 * GIB)
    walk.read(0, 1, (512 << 20) - 1)
    assert walk.closed == 0
    walk.read(1, 1, 1)
    assert walk.closed == 1


def test_many_rows_are_several_checkpoints():
    """Packs of blocks that compress to nothing hold a hundred thousand."""
    walk = Walk()
    for block in range(BLOCKS_LIMIT + 10):
        walk.read(block, 1, 0)
    walk.acknowledge(1)
    walk.read(BLOCKS_LIMIT + 10, 1, GIB)
    assert [len(walk.blocks(at)) for at in (0, 1)] == [BLOCKS_LIMIT, 11]
    assert [len(one.packs) for one in walk.left] == [1, 0]


def test_two_volumes_in_one_checkpoint():
    walk = Walk()
    walk.read(9, 1, 0)
    walk.trail.begin("second", walk.source, anew=True)
    walk.acknowledge(1)
    walk.read(3, 1, GIB)
    assert [volume.name for volume in walk.left[0].volumes] == ["volume", "second"]
    assert walk.blocks() == [9, 3]


def test_a_source_without_identity_leaves_nothing():
    class Device(MemorySource):
        @property
        def identity(self) -> Any:
            return None

    walk = Walk()
    walk.trail.begin("device", Device(MemoryVolume(GIB)), anew=True)
    walk.read(0, None, 2 * GIB)
    assert walk.left == []


def test_one_that_cannot_be_left_is_the_last():
    class Listener(Silence):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    def refuse(checkpoint: Any) -> None:
        raise UnavailableError("no", why="no", cure="no")

    walk = Walk(leave=refuse)
    listener = Listener()
    for block in range(3):
        walk.trail.read(block, None, 2 * GIB, listener)
    assert len(listener.notes) == 1
    walk.trail.finish()
    assert walk.trail.left == 0


def test_the_last_one_is_missed_by_nobody():
    """All is read: that it does not stand is known, and no more."""

    def refuse_the_second(checkpoint: Any) -> None:
        if checkpoint.number == 2:
            raise UnavailableError("no", why="no", cure="no")

    walk = Walk(leave=refuse_the_second)
    walk.read(0, None, GIB)
    walk.read(1, None, GIB)
    walk.trail.finish()
    assert walk.trail.left == 1
