"""Maps of streams against the rule of section 15, written out level by level."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.errors import HoldfastError
from holdfast.repository.crypto.keyed_hash import KeyedHash
from holdfast.repository.format import map_node
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_STREAM
from holdfast.repository.format.places import Located, Place
from holdfast.repository.reading.map_reader import leaves, parts
from holdfast.repository.writing import map_builder
from holdfast.repository.writing.map_builder import StreamMapBuilder
from tests.unit.repository.writing.map_nodes_in_memory import PACK, NodesInMemory

LEAST, MODULUS, FULL = 2, 4, 5


def chunk(number: int, length: int) -> Located:
    """A chunk whose id's end is the number."""
    return Located(number.to_bytes(32, "big"), Place(PACK, number, 96, length + 16, length, 0))


def build(nodes: NodesInMemory, chunks: list[Located]) -> VolumeMap:
    builder = StreamMapBuilder(nodes.writer)
    for item in chunks:
        builder.append(item)
    root, depth = builder.finish()
    return VolumeMap("dump", builder.size_bytes, 0, CUT_STREAM, depth, root, {})


def expected(chunks: list[Located], least: int, modulus: int, full: int) -> tuple[list[list[int]], int]:
    """What every node of every level covers, leaves first, and the depth."""
    items = [(item.id, item.place.plain_length) for item in chunks]
    levels: list[list[int]] = []
    nodes = NodesInMemory()
    located, spans = list(chunks), [length for _id, length in items]
    while True:
        parts, start = [], 0
        for at, item in enumerate(located):
            size = at - start + 1
            ends = size >= least and int.from_bytes(item.id[-2:], "big") % modulus == 0
            if ends or size == full or at == len(located) - 1:
                parts.append((start, at + 1))
                start = at + 1
        level = len(levels)
        closed = []
        for first, end in parts:
            plain = map_node.encode(level, CUT_STREAM, list(located[first:end]), spans[first:end])
            closed.append((nodes.writer.put(plain), sum(spans[first:end])))
        levels.append([span for _node, span in closed])
        if len(closed) == 1:
            return levels, len(levels)
        located, spans = [node for node, _span in closed], [span for _node, span in closed]


def found(nodes: NodesInMemory, volume: VolumeMap) -> list[Located]:
    return [
        item
        for _number, leaf in leaves(volume, nodes.reader)
        for at in range(leaf.count)
        if (item := leaf.located(at)) is not None
    ]


def spans_by_level(nodes: NodesInMemory, volume: VolumeMap) -> list[list[int]]:
    """What each node covers as its parent says, and as it says itself."""
    assert volume.root is not None
    located, spans, levels = [volume.root], [volume.size_bytes], []
    for level in reversed(range(volume.depth)):
        levels.append(spans)
        read = [map_node.decode(nodes.stored[item.id], level=level, cut=CUT_STREAM) for item in located]
        assert [node.span_bytes for node in read] == spans
        located = [item for node in read for at in range(node.count) if (item := node.located(at)) is not None]
        spans = [span for node in read for span in node.spans[: node.count]]
    return levels[::-1]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 10)), min_size=1, max_size=120))
def test_nodes_end_where_the_rule_says(rows):
    chunks = [chunk(number, length) for number, length in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_builder, "_STREAM_NODE_LEAST", LEAST)
        patch.setattr(map_builder, "_STREAM_NODE_MODULUS", MODULUS)
        patch.setattr(map_builder, "FANOUT", FULL)
        nodes = NodesInMemory()
        volume = build(nodes, chunks)
    levels, depth = expected(chunks, LEAST, MODULUS, FULL)
    assert volume.depth == depth
    assert volume.size_bytes == sum(length for _number, length in rows)
    assert found(nodes, volume) == chunks
    assert spans_by_level(nodes, volume) == levels


@pytest.mark.parametrize("count", [1, 31, 32, 33, 127, 128, 129, 5000])
@pytest.mark.parametrize("step", [1, 64])
def test_real_limits(count, step):
    nodes, chunks = NodesInMemory(), [chunk(number * step, 7) for number in range(1, count + 1)]
    volume = build(nodes, chunks)
    levels, depth = expected(chunks, 32, 64, 128)
    assert (volume.depth, spans_by_level(nodes, volume)) == (depth, levels)
    assert found(nodes, volume) == chunks


def test_a_lost_node_costs_what_it_covers_and_no_more():
    nodes, chunks = NodesInMemory(), [chunk(64 * number, number % 9 + 1) for number in range(1, 5001)]
    volume = build(nodes, chunks)
    assert volume.depth > 2
    whole = list(parts(volume, nodes.reader))
    assert [part.start for part in whole] == [0, *(part.end for part in whole[:-1])]
    levels = set()
    for lost in [*list(nodes.stored)[::40], *list(nodes.stored)[-3:]]:
        plain = nodes.stored.pop(lost)
        left = list(parts(volume, nodes.reader))
        gap = [part for part in left if isinstance(part.found, HoldfastError)]
        levels.add(plain[1])
        assert [part.end - part.start for part in gap] == [int.from_bytes(plain[8:16], "big")]
        kept = [part.start for part in left if part not in gap]
        assert kept == [part.start for part in whole if not gap[0].start <= part.start < gap[0].end]
        nodes.stored[lost] = plain
    assert levels == {0, 1, 2}


def test_an_empty_stream_has_no_root():
    volume = build(NodesInMemory(), [])
    assert (volume.root, volume.depth, volume.size_bytes) == (None, 1, 0)


def test_a_chunk_more_in_front_leaves_most_nodes_as_they_were():
    nodes = NodesInMemory()
    chunks = [
        Located(KeyedHash(bytes(32)).of(number.to_bytes(4, "big")), Place(PACK, number, 96, 26, 10, 0))
        for number in range(3000)
    ]
    build(nodes, chunks)
    before = len(nodes.stored)
    build(nodes, [chunk(9, 10), *chunks])
    assert len(nodes.stored) - before <= 4
