"""The standalone reader restores what the product writes, and refuses what is not in order, in plain words."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import index_run, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.pack import open_body, read_header
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point
from holdfast.repository.writing.pack_writer import PackWriter
from tests.golden.make_repository import make
from tests.golden.test_repository import GOLDEN, LIVE, RECORD, RETIRED, DigestTarget, opened

READER = Path(__file__).parents[2] / "tools" / "standalone_reader.py"
WEB = next(point for point in reversed(LIVE) if point["workload"] == "web")


@dataclass
class Answer:
    """What a run of the reader gave."""

    status: int
    digest: str
    words: str
    out: Path


class Reader:
    """Runs the reader as a person would."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def __call__(self, repository: Path, point: str, *more: str, secret: str = RECORD["password"]) -> Answer:
        password, out = self._work / "password", self._work / "out"
        password.write_text(secret + "\n")
        call = [sys.executable, *map(str, (READER, repository, point, out, "--password-file", password)), *more]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return Answer(done.returncode, done.stdout.strip(), done.stderr, out)


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN, tmp_path / "v1"))


def refused(answer: Answer, word: str) -> None:
    assert answer.status == 1
    assert answer.digest == ""
    assert word in answer.words
    assert not answer.out.exists()


def packs(folder: Path, *, holds_maps: bool) -> list[Path]:
    found = [path for path in (folder / "packs").glob("*/*") if read_header(path.read_bytes(), "").holds_maps]
    return found if holds_maps else [path for path in (folder / "packs").glob("*/*") if path not in found]


@pytest.mark.parametrize("point", LIVE, ids=lambda point: f"{point['workload']}-{point['id'][:4]}")
def test_point_is_restored_byte_for_byte(read, point):
    answer = read(GOLDEN, point["id"][:8])
    assert (answer.status, answer.digest) == (0, point["sha256"]), answer.words
    with answer.out.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == point["sha256"]


def test_image_is_restored_sparse(read):
    answer = read(GOLDEN, "latest:web", "--volume", "volume", secret=RECORD["recovery_code"].lower())
    assert (answer.status, answer.digest) == (0, WEB["sha256"]), answer.words
    assert answer.out.stat().st_blocks * 512 < WEB["size"] // 8


@pytest.mark.parametrize("point", RETIRED, ids=lambda point: point["workload"])
def test_retired_point_is_none(read, point):
    refused(read(GOLDEN, point["id"]), "No restore points")
    refused(read(GOLDEN, f"latest:{point['workload']}"), "No restore points")


@pytest.mark.parametrize("forged", [b"anything", (GOLDEN / "retired" / RETIRED[0]["id"]).read_bytes()])
def test_retirement_that_does_not_open_or_is_of_another_point_retires_nothing(read, copied, forged):
    """Whoever may put objects can take the name."""
    (copied / "retired" / WEB["id"]).write_bytes(forged)
    answer = read(copied, "latest:web", "--volume", "volume")
    assert answer.digest == WEB["sha256"], answer.words


@pytest.mark.parametrize("secret", ["wrong", RECORD["recovery_code"][:-1] + "0", ""])
def test_other_secret_opens_nothing(read, secret):
    answer = read(GOLDEN, "latest:web", secret=secret)
    refused(answer, "No key slot opens")
    assert "sealed with another key" in answer.words
    assert "is for another kind of secret: recovery" in answer.words
    assert "CBOR" not in answer.words


def test_what_is_not_there_is_said(read, tmp_path):
    refused(read(tmp_path / "nowhere", "latest:web"), "nowhere")
    refused(read(GOLDEN, "latest:none"), f"workloads: {', '.join(sorted({point['workload'] for point in LIVE}))}.")
    refused(read(GOLDEN, "fffff"), "No restore points")
    refused(read(GOLDEN, ""), "restore points are named by")
    refused(read(GOLDEN, "latest:web", "--volume", "none"), "--volume")
    refused(read(GOLDEN, "latest:web", "--tenant", "none"), "tenants/")


def test_existing_file_is_not_touched(read, tmp_path):
    (tmp_path / "out").write_text("mine")
    answer = read(GOLDEN, "latest:small")
    assert (answer.status, (tmp_path / "out").read_text()) == (1, "mine")
    assert answer.words.endswith("out exists already.\n")


@pytest.mark.parametrize("pattern", ["config", "keys/*", "tenants/*", f"points/*/*/{WEB['id']}", "packs/*/*"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "garbage"])
def test_damage_is_refused(read, copied, pattern, harm):
    for path in copied.glob(pattern):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes({"flip": data, "cut": data[:100], "empty": b"", "garbage": b"x" * 5000}[harm])
    refused(read(copied, WEB["id"]), "error: ")


def test_object_in_anothers_place_is_refused(read, copied):
    first, second = (f"points/*/*/{point['id']}" for point in LIVE[:2])
    [one], [other] = copied.glob(first), copied.glob(second)
    one.write_bytes(other.read_bytes())
    refused(read(copied, LIVE[0]["id"]), "sealed with another key")


def move_pack(repository: Repository, folder: Path, path: Path) -> None:
    """What a collector does: seal a pack's chunks anew in another pack, say so in an index run, delete the first."""
    data = path.read_bytes()
    header, point = read_header(data, ""), find_point(repository, WEB["id"], DEFAULT_TENANT)
    tenant, tenant_id = repository.tenant(), repository.tenant_id(DEFAULT_TENANT)
    keys = repository.master.session_keys(tenant_id, header.session)
    old = open_body(data, keys.of_pack(header.pack, holds_maps=header.holds_maps), "")
    session = repository.surroundings.random_bytes(16)
    writer = PackWriter(repository.access(), session, holds_maps=header.holds_maps)
    index = ChunkIndex()
    for number, entry in enumerate(old.entries):
        sealed = data[entry.offset : entry.offset + entry.length]
        stored = old.cipher.open_into(number, entry, sealed, memoryview(bytearray(entry.length)))
        assert stored is not None
        chunk = PreparedChunk(entry.id, entry.plain_length, entry.compression, bytes(stored))
        index.add(entry.id, CHUNK_TYPE_MAP if header.holds_maps else CHUNK_TYPE_DATA, writer.add(chunk))
    writer.finish()
    [(rows, table)] = index.own_rows()
    run = IndexRun(session, tenant.keys.workload_id(point.workload), True, 0, table, rows)
    repository.sealed.write(Kind.INDEX_RUN, names.index_run(tenant_id, session, 0), index_run.encode(run))
    path.unlink()


@pytest.mark.parametrize("holds_maps", [False, True], ids=["data", "maps"])
def test_chunks_that_moved_are_found_by_the_index(read, copied, holds_maps):
    repository = opened(copied, RECORD["password"])
    for path in packs(copied, holds_maps=holds_maps):
        move_pack(repository, copied, path)
    answer = read(copied, WEB["id"])
    assert (answer.status, answer.digest) == (0, WEB["sha256"]), answer.words
    target = DigestTarget()
    restore_volume(repository, find_point(repository, WEB["id"], DEFAULT_TENANT), target, Silence())
    assert target.digest.hexdigest() == WEB["sha256"]


@pytest.mark.parametrize("holds_maps", [False, True], ids=["data", "maps"])
def test_chunks_that_are_gone_are_missed(read, copied, holds_maps):
    for path in packs(copied, holds_maps=holds_maps):
        path.unlink()
    refused(read(copied, WEB["id"]), "missing")


def test_what_the_product_writes_today_is_read(read, tmp_path):
    record = make(tmp_path / "today", with_long_stream=False)
    digests = {point["sha256"] for point in record["points"]}
    assert digests == {point["sha256"] for point in RECORD["points"] if point["workload"] != "long"}
    for point in record["points"]:
        if not point["retired"]:
            answer = read(tmp_path / "today", point["id"])
            assert (answer.status, answer.digest) == (0, point["sha256"]), answer.words
            answer.out.unlink()


def test_reader_knows_nothing_of_holdfast_and_is_short():
    text = READER.read_text()
    assert "import holdfast" not in text
    assert "from holdfast" not in text
    assert len(text.splitlines()) < 300
