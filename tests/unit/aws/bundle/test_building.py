"""A bundle is made once, is the same whenever it is made of the same, and another one when anything is another."""

import gzip
import hashlib
import tarfile
from dataclasses import replace

import pytest

from holdfast.aws.bundle.building import BundleContents, make_bundle
from holdfast.aws.bundle.distributions import InstalledFile


@pytest.fixture
def contents(tmp_path):
    files = []
    for name, text in (("a/__init__.py", ""), ("a/b.py", "b = 1\n")):
        place = tmp_path / name.replace("/", "-")
        place.write_text(text)
        files.append(InstalledFile(name, place, ""))
    return BundleContents("worker", b"{}\n", tuple(files))


def test_it_holds_the_description_and_the_files_in_order(contents, tmp_path):
    bundle = make_bundle(contents, tmp_path / "out")
    with tarfile.open(bundle.path) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == [
        "holdfast-bundle.json",
        "site-packages/a/__init__.py",
        "site-packages/a/b.py",
    ]
    assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
    assert hashlib.sha256(bundle.path.read_bytes()).hexdigest() == bundle.sha256
    assert bundle.path.stat().st_size == bundle.size_bytes


def test_the_same_gives_the_same_wherever_and_whenever(contents, tmp_path):
    first = make_bundle(contents, tmp_path / "one")
    contents.files[1].place.touch()
    second = make_bundle(contents, tmp_path / "two")
    assert first.sha256 == second.sha256
    assert first.key == second.key


def test_it_is_made_once(contents, tmp_path):
    first = make_bundle(contents, tmp_path / "out")
    before = first.path.stat()
    assert make_bundle(contents, tmp_path / "out") == first
    after = first.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_damaged_one_is_made_again(contents, tmp_path):
    first = make_bundle(contents, tmp_path / "out")
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-1])
    assert make_bundle(contents, tmp_path / "out") == first
    assert first.path.read_bytes() == whole


def test_another_file_gives_another_bundle(contents, tmp_path):
    first = make_bundle(contents, tmp_path / "out")
    contents.files[1].place.write_text("b = 2\n")
    changed = make_bundle(contents, tmp_path / "out")
    described = make_bundle(replace(contents, description=b"{ }\n"), tmp_path / "out")
    assert len({first.key, changed.key, described.key}) == 3
    assert b"b = 2" in gzip.decompress(changed.path.read_bytes())


def test_nothing_half_made_is_left(contents, tmp_path):
    gone = InstalledFile("a/gone.py", tmp_path / "gone.py", "recorded")
    with pytest.raises(FileNotFoundError):
        make_bundle(replace(contents, files=(*contents.files, gone)), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
