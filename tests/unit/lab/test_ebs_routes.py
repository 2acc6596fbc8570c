"""Whatever is sent to the EBS direct APIs, the answer is one of theirs."""

import base64
import errno
import hashlib
import io
import json
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.lab.block_store import BlockStore
from holdfast.lab.ebs_direct import Caller, EbsDirect
from holdfast.lab.ebs_routes import EbsRoutes
from holdfast.lab.records import NO_VOLUME, SnapshotRecord
from holdfast.lab.tokens import TokenIssuer
from holdfast.repository.block_source import BLOCK_SIZE_BYTES

NOW = 1_000.0
KINDS = {
    "ValidationException", "ResourceNotFoundException", "ConcurrentLimitExceededException", "ConflictException",
    "InternalServerException",
}  # fmt: skip
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))
FIELDS = [
    "VolumeSize", "ParentSnapshotId", "Description", "Tags", "ClientToken", "Encrypted", "KmsKeyArn", "Timeout",
]  # fmt: skip


def snapshot(name, completed_at):
    return SnapshotRecord(
        id=name, account="1", region="r", volume_id=NO_VOLUME, size_gib=1, lineage=name, started_at=NOW,
        completed_at=completed_at,
    )  # fmt: skip


class World:
    def __init__(self, folder):
        store = BlockStore(Path(folder), lambda: NOW)
        direct = EbsDirect(
            store, TokenIssuer(bytes(32), lambda: NOW), lambda: NOW, 0.0, lambda record: None, lambda *_: None
        )
        self.routes = EbsRoutes(direct, lambda environ: Caller("1", "r"), None)
        self.store = store
        store.start(snapshot("snap-a", None))
        store.complete("snap-a", NOW)
        store.start(snapshot("snap-b", None))

    def ask(self, method, path, query="", body=b"", **headers):
        started = []

        def start(status, headers, exc_info=None, /):
            started.append((int(status.split()[0]), dict(headers)))
            return lambda data: None

        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO(body),
        } | headers  # fmt: skip
        (answer,) = self.routes(environ, start)
        status, sent = started[0]
        assert sent["Content-Length"] == str(len(answer))
        if status >= 400:
            assert sent["x-amzn-ErrorType"] in KINDS
            assert json.loads(answer)["Message"]
        return status


@pytest.fixture(scope="module")
def world():
    with tempfile.TemporaryDirectory() as folder:
        yield World(folder)


@given(document=st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)) | JSON)
@example(document={"VolumeSize": True})
@example(document={"VolumeSize": 1, "Tags": [{"Key": "a"}]})
@example(document={"VolumeSize": 1, "ParentSnapshotId": "snap-b"})
@example(document={"VolumeSize": 1, "ParentSnapshotId": "snap-a\n"})
def test_any_document_starts_a_snapshot_or_is_refused(world, document):
    assert world.ask("POST", "/snapshots", body=json.dumps(document).encode()) in (201, 400, 404, 409)


@given(body=st.binary(max_size=50))
@example(body=b"[" * 100_000)
def test_any_bytes_start_a_snapshot_or_are_refused(world, body):
    assert world.ask("POST", "/snapshots", body=body) == 400


@given(
    path=st.sampled_from(["/snapshots/snap-a/blocks", "/snapshots/snap-a/changedblocks", "/snapshots/snap-a/blocks/1"]),
    query=st.dictionaries(
        st.sampled_from(["maxResults", "pageToken", "startingBlockIndex", "firstSnapshotId", "blockToken"]),
        st.text(max_size=8) | st.integers().map(str) | st.just("snap-a"),
    ),
)
def test_any_query_lists_or_is_refused(world, path, query):
    assert world.ask("GET", path, urlencode(query)) in (200, 400, 404)


@given(
    number=st.text(max_size=6) | st.integers().map(str),
    headers=st.dictionaries(
        st.sampled_from(
            ["HTTP_X_AMZ_CHECKSUM", "HTTP_X_AMZ_CHECKSUM_ALGORITHM", "HTTP_X_AMZ_DATA_LENGTH", "HTTP_X_AMZ_PROGRESS"]
        ),
        st.sampled_from(["SHA256", "524288", "", "AAAA", "é", "-1"]),
    ),
    body=st.binary(max_size=20),
)
def test_any_block_is_written_or_refused(world, number, headers, body):
    assert world.ask("PUT", f"/snapshots/snap-b/blocks/{number}", body=body, **headers) in (400, 404)


@given(count=st.text(max_size=5) | st.integers().map(str), checksum=st.text(max_size=5))
def test_any_completion_is_refused(world, count, checksum):
    headers = {
        "HTTP_X_AMZ_CHANGEDBLOCKSCOUNT": count, "HTTP_X_AMZ_CHECKSUM": f"!{checksum}",
        "HTTP_X_AMZ_CHECKSUM_ALGORITHM": "SHA256", "HTTP_X_AMZ_CHECKSUM_AGGREGATION_METHOD": "LINEAR",
    }  # fmt: skip
    assert world.ask("POST", "/snapshots/completion/snap-b", **headers) == 400


@given(path=st.text(max_size=30), method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"]))
def test_any_path_is_known_or_not_found(world, path, method):
    assert world.ask(method, f"/{path}") in (400, 404)


def test_full_disk_is_a_fault_of_the_server(world, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(world.store, "put", full)
    data = bytes(BLOCK_SIZE_BYTES)
    headers = {
        "HTTP_X_AMZ_CHECKSUM": base64.b64encode(hashlib.sha256(data).digest()).decode(),
        "HTTP_X_AMZ_CHECKSUM_ALGORITHM": "SHA256", "HTTP_X_AMZ_DATA_LENGTH": str(len(data)),
    }  # fmt: skip
    assert world.ask("PUT", "/snapshots/snap-b/blocks/1", body=data, **headers) == 500
