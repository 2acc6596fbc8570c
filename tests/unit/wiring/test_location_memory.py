"""What is remembered of repositories: private, whole, a file a location, no obstacle where nothing can be kept."""

import stat

import pytest

from holdfast.domain.errors import HoldfastError, PermissionDeniedError
from holdfast.repository.opening.memory_of_locations import Remembered
from holdfast.wiring.location_memory import FileLocationMemory, ReadOnlyMemory, home_folder

SEEN = Remembered(b"p" * 32, 7, b"h" * 32)
LATER = Remembered(b"p" * 32, 9, b"i" * 32)


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def memory(tmp_path, warnings):
    return FileLocationMemory(tmp_path / "deep" / "home", warnings.append)


def test_remembers_each_location(memory):
    assert memory.recall("/a") is None
    memory.remember("/a", SEEN)
    memory.remember("s3://b/ü?x", LATER)
    assert (memory.recall("/a"), memory.recall("s3://b/ü?x")) == (SEEN, LATER)
    memory.remember("/a", LATER)
    assert memory.recall("/a") == LATER


def test_files_are_private_and_nothing_else_is_left(memory, tmp_path):
    for seen in (SEEN, LATER):
        memory.remember("/a", seen)
    folder = tmp_path / "deep" / "home" / "locations"
    (kept,) = folder.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"pin": 5, "sequence": 1, "head": ""}', b"\xff\xfe"])
def test_a_damaged_file_is_named(memory, tmp_path, content):
    memory.remember("/a", SEEN)
    (kept,) = (tmp_path / "deep" / "home" / "locations").iterdir()
    kept.write_bytes(content)
    with pytest.raises(HoldfastError) as caught:
        memory.recall("/a")
    assert str(kept) in caught.value.why


def test_a_folder_in_the_place_of_the_file(memory, tmp_path):
    memory.remember("/a", SEEN)
    (kept,) = (tmp_path / "deep" / "home" / "locations").iterdir()
    kept.unlink()
    kept.mkdir()
    with pytest.raises(PermissionDeniedError):
        memory.recall("/a")


def test_where_nothing_can_be_kept_it_warns_once(tmp_path, warnings):
    (tmp_path / "home").write_text("in the way")
    memory = FileLocationMemory(tmp_path / "home", warnings.append)
    assert memory.recall("/a") is None
    memory.remember("/a", SEEN)
    memory.remember("/a", LATER)
    assert len(warnings) == 1
    assert "HOLDFAST_HOME" in warnings[0]


def test_read_only(memory):
    memory.remember("/a", SEEN)
    reading = ReadOnlyMemory(memory)
    reading.remember("/a", LATER)
    assert reading.recall("/a") == memory.recall("/a") == SEEN


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    assert home_folder() == tmp_path
    monkeypatch.setenv("HOLDFAST_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder() == tmp_path / ".local" / "share" / "holdfast"
