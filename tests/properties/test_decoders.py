"""Decoders take what was encoded; any other bytes are a FormatError or a newer format, never anything else."""

from collections.abc import Callable

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.errors import FormatError, IntegrityError, UnsupportedFormatError
from holdfast.repository.format import (
    acknowledgement,
    alive,
    config,
    envelope,
    epoch,
    index_run,
    key_slot,
    ledger,
    manifest,
    map_node,
    pack,
    plan,
    retirement,
    session_checkpoint,
    tenant,
)
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.ledger import LedgerState
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from tests.faults.world import world

Decoder = Callable[[bytes], object]

BODIES: dict[str, Decoder] = {
    "acknowledgement": acknowledgement.decode,
    "config": config.decode,
    "epoch": epoch.decode,
    "index run": index_run.decode,
    "ledger batch": ledger.decode_batch,
    "ledger checkpoint": ledger.decode_checkpoint,
    "manifest": manifest.decode,
    "plan": plan.decode,
    "retirement": retirement.decode,
    "session checkpoint": session_checkpoint.decode,
    "sign of life": alive.decode,
    "tenant": tenant.decode,
    "map leaf": lambda data: map_node.decode(data, level=0, cut=map_node.CUT_FIXED),
    "map node of a stream": lambda data: map_node.decode(data, level=1, cut=map_node.CUT_STREAM),
    "key slot": lambda data: key_slot.decode(data, "keys/x"),
    "envelope": lambda data: envelope.read_header(data, "config"),
    "pack header": lambda data: pack.read_header(data, "packs/x"),
}

SEALED = {
    "acknowledgement": ("sessions/", Kind.ACKNOWLEDGEMENT),
    "config": ("config", Kind.CONFIG),
    "epoch": ("epochs/", Kind.EPOCH),
    "index run": ("index/", Kind.INDEX_RUN),
    "ledger batch": ("ledger/", Kind.LEDGER_BATCH),
    "manifest": ("points/", Kind.MANIFEST),
    "plan": ("plan/", Kind.PLAN),
    "retirement": ("retired/", Kind.RETIREMENT),
    "tenant": ("tenants/", Kind.TENANT),
}

FIELDS = sorted(
    {
        "format", "suite", "class", "repository", "block_size", "pack_size", "name_key", "created", "name", "id_key",
        "chunking_key", "sequence", "previous", "time", "records", "type", "session", "point", "tenant", "workload",
        "kind", "size", "parent", "head", "live", "open", "pins", "volumes", "packs", "index_runs", "plan_epoch",
        "keep_until", "writer", "statistics", "cut", "depth", "root", "source", "epoch", "condemned", "committed",
        "points", "attempt", "number", "pack_rows", "blocks", "proof", "origin", "from", "roots",
    }
)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(
        [bytes(16), bytes(32), bytes(87), bytes(53), b"", b"x", "open", "commit", "image", "standard", 1, 2]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.integers(), inner, max_size=6)
    ),
    max_leaves=20,
)
maps = st.dictionaries(st.sampled_from(FIELDS), values, max_size=len(FIELDS)).map(cbor2.dumps)


def decodes_or_refuses(decode: Decoder, data: bytes) -> None:
    try:
        decode(data)
    except (IntegrityError, UnsupportedFormatError):
        return


@pytest.mark.parametrize("name", BODIES)
@given(data=st.binary(max_size=600))
def test_any_bytes(name, data):
    decodes_or_refuses(BODIES[name], data)


@pytest.mark.parametrize("name", BODIES)
@given(data=maps)
def test_any_map_of_known_fields(name, data):
    decodes_or_refuses(BODIES[name], data)


def bodies() -> dict[str, bytes]:
    """A body of each kind out of a repository that was really written."""
    small = world(with_plan=True).small
    repository = small.open(deterministic_surroundings(40))
    found = {
        name: repository.sealed.read(next(iter(small.store.list(prefix))).key, kind)[1]
        for name, (prefix, kind) in SEALED.items()
    }
    return {**found, "ledger checkpoint": ledger.encode_checkpoint(repository.ledger.state)}


@pytest.fixture(scope="module")
def real() -> dict[str, bytes]:
    return bodies()


@pytest.mark.parametrize("name", [name for name in BODIES if name in SEALED or name == "ledger checkpoint"])
@given(data=st.data())
def test_a_real_body_with_bytes_changed(name, real, data):
    body = bytearray(real[name])
    for at in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    decodes_or_refuses(BODIES[name], bytes(body[:cut] if data.draw(st.booleans()) else body))


def test_a_checkpoint_is_the_state_again(real):
    state = ledger.decode_checkpoint(real["ledger checkpoint"])
    assert isinstance(state, LedgerState)
    assert ledger.decode_checkpoint(ledger.encode_checkpoint(state)) == state


@given(data=st.binary(max_size=64))
def test_nothing_but_a_map_is_a_body(data):
    for name in ("config", "manifest", "plan"):
        with pytest.raises(FormatError):
            BODIES[name](cbor2.dumps([data]))
