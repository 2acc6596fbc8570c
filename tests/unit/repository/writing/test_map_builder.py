"""Maps of fixed volumes against a dict: built whole, grown, shrunk, inherited, block after block."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT, depth_of
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.writing.map_builder import FixedMapBuilder
from tests.unit.repository.writing.map_nodes_in_memory import NodesInMemory, located

BLOCK = 524288
NODE_LIMIT_BYTES = 12 * 1024
Blocks = dict[int, Located | None]


@dataclass
class Built:
    """A map and what a dict says that it holds."""

    volume: VolumeMap
    blocks: Blocks


def build(nodes: NodesInMemory, count: int, blocks: Blocks, base: Built | None = None, *, inherit: bool) -> Built:
    """Set `blocks` over `base` and say what must come of it."""
    reader = None if base is None else nodes.map_reader(base.volume)
    builder = FixedMapBuilder(count, nodes.writer, reader, inherit=inherit)
    for number in sorted(blocks):
        builder.set(number, blocks[number])
    root = builder.finish(0 if base is None else -(-base.volume.size_bytes // BLOCK))
    volume = VolumeMap("volume", count * BLOCK, BLOCK, CUT_FIXED, builder.depth, root, {})
    kept = {n: item for n, item in base.blocks.items() if n < count} if base is not None and inherit else {}
    return Built(volume, kept | blocks)


def read(nodes: NodesInMemory, volume: VolumeMap) -> Blocks:
    """What the leaves say."""
    return {
        number * FANOUT + at: item
        for number, leaf in leaves(volume, nodes.reader)
        for at in range(leaf.count)
        if (item := leaf.located(at)) is not None
    }


def check(nodes: NodesInMemory, built: Built) -> None:
    """The map holds what the dict holds, by its leaves and block by block."""
    expected = {number: item for number, item in built.blocks.items() if item is not None}
    assert read(nodes, built.volume) == expected
    assert (built.volume.root is None) == (not expected)
    reader = nodes.map_reader(built.volume)
    count = built.volume.size_bytes // BLOCK
    asked = sorted({*expected, *(n + 1 for n in expected), 0, count - 1, count, count * FANOUT} - {-1})
    assert {n: reader.entry(0, n) for n in asked} == {n: expected.get(n) for n in asked}


counts = st.one_of(
    st.integers(0, 300),
    st.sampled_from([FANOUT, FANOUT + 1, FANOUT**2 - 1, FANOUT**2, FANOUT**2 + 1, FANOUT**3 + 7]),
)


@st.composite
def blocks_under(draw: st.DrawFn, count: int) -> Blocks:
    """Some blocks of so many: chunks, or zeros that are said."""
    if not count:
        return {}
    edges = [n for n in (0, 1, FANOUT - 1, FANOUT, FANOUT**2 - 1, FANOUT**2, count - 1) if n < count]
    number = st.one_of(st.sampled_from(edges), st.integers(0, count - 1))
    return draw(st.dictionaries(number, st.one_of(st.none(), st.integers(0, 10**6).map(located)), max_size=20))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, Blocks, bool]]:
    """Up to four backups of one volume: block count, blocks set, whether the rest is inherited."""
    steps = []
    for _ in range(draw(st.integers(1, 4))):
        count = draw(counts)
        steps.append((count, draw(blocks_under(count)), draw(st.booleans())))
    return steps


@settings(max_examples=150, deadline=None)
@given(histories())
def test_maps_hold_what_a_dict_holds(history):
    nodes, built = NodesInMemory(), None
    for count, blocks, inherit in history:
        built = build(nodes, count, blocks, built, inherit=inherit)
        assert built.volume.depth == depth_of(count)
        check(nodes, built)


@settings(max_examples=50, deadline=None)
@given(counts.flatmap(lambda count: st.tuples(st.just(count), blocks_under(count))), st.booleans())
def test_equal_content_has_an_equal_root_whatever_its_history(given_map, inherit):
    count, blocks = given_map
    nodes = NodesInMemory()
    straight = build(nodes, count, blocks, inherit=False)
    before = build(nodes, count, {number: located(10**7) for number in blocks}, inherit=False)
    detour = build(nodes, count, blocks, before, inherit=inherit)
    assert (straight.volume.root and straight.volume.root.id) == (detour.volume.root and detour.volume.root.id)


def test_an_unchanged_volume_stores_no_node_and_keeps_its_places():
    nodes = NodesInMemory()
    blocks: Blocks = {number: located(number) for number in range(0, 3 * FANOUT, 5)}
    first = build(nodes, 3 * FANOUT, blocks, inherit=False)
    stored = len(nodes.stored)
    for again, inherit in (({}, True), (blocks, False), (dict(list(blocks.items())[:1]), True)):
        second = build(nodes, 3 * FANOUT, dict(again), first, inherit=inherit)
        assert second.volume.root == first.volume.root
    assert len(nodes.stored) == stored


def test_one_changed_block_stores_one_node_a_level():
    nodes = NodesInMemory()
    count = FANOUT**2 + 1
    blocks: Blocks = {number: located(number) for number in range(0, count, FANOUT)}
    first = build(nodes, count, blocks, inherit=False)
    stored = len(nodes.stored)
    second = build(nodes, count, {700: located(1)}, first, inherit=True)
    check(nodes, second)
    assert len(nodes.stored) - stored == second.volume.depth == 3


@pytest.mark.parametrize("count", [FANOUT, FANOUT**2, FANOUT**3, FANOUT**4 + 1])
def test_map_bytes_follow_what_changed_and_not_the_size(count):
    """Of nodes as full as they can be, before they are compressed: each chunk lies in a pack of its own."""
    nodes = NodesInMemory()
    last = count - 1
    full: Blocks = {0: alone(0), **{n: alone(n) for n in range(max(0, last - FANOUT), count)}}
    for width in (1, FANOUT, FANOUT**2, FANOUT**3):
        full |= {number: alone(number) for number in range(0, min(count, FANOUT * width), width)}
    first = build(nodes, count, full, inherit=False)
    stored = dict(nodes.stored)
    changed = [0, count // 2, last]
    second = build(nodes, count, {number: alone(count + number) for number in changed}, first, inherit=True)
    check(nodes, second)
    new = [len(node) for identifier, node in nodes.stored.items() if identifier not in stored]
    assert sum(new) <= len(changed) * second.volume.depth * NODE_LIMIT_BYTES
    assert max(new) > NODE_LIMIT_BYTES * 9 // 10


def alone(number: int) -> Located:
    """A data chunk in a pack of its own."""
    pack = PackRow(1, b"s" * 16, number.to_bytes(16, "big"))
    return Located((number + 1).to_bytes(32, "big"), Place(pack, 0, 96, 116, 100, 0))


def test_equal_leaves_are_stored_once():
    nodes = NodesInMemory()
    builder = FixedMapBuilder(10 * FANOUT, nodes.writer, None, inherit=False)
    for number in range(10 * FANOUT):
        builder.set(number, located(7))
    builder.finish(0)
    assert len(nodes.stored) == 2


def test_a_volume_that_shrank_to_nothing_has_no_root():
    nodes = NodesInMemory()
    first = build(nodes, 300, {0: located(1), 299: located(2)}, inherit=False)
    assert build(nodes, 0, {}, first, inherit=True).volume.root is None


def test_leaves_announced_together_are_fetched_together():
    nodes = NodesInMemory()
    built = build(nodes, 20 * FANOUT, {number * FANOUT: located(number) for number in range(20)}, inherit=False)
    reader = nodes.map_reader(built.volume)
    reader.announce(range(20))
    assert [reader.entry(0, number * FANOUT) for number in range(20)] == [located(number) for number in range(20)]
    assert nodes.reads == 2
