"""What people may write for a place, and what it comes to."""

import os

import pytest

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import UsageError
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.stores.location import (
    DirectoryLocation,
    MemoryLocation,
    asked_class,
    open_store,
    parse_location,
)
from holdfast.repository.stores.s3.location import S3Location
from holdfast.testing.object_store_contract import put


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("memory:", MemoryLocation()),
        ("/srv/backup", DirectoryLocation("/srv/backup")),
        ("/srv//backup/../backup/", DirectoryLocation("/srv/backup")),
        ("repo", DirectoryLocation(os.path.abspath("repo"))),
        ("./a:b", DirectoryLocation(os.path.abspath("a:b"))),
        ("file:///srv/my%20backup", DirectoryLocation("/srv/my backup")),
        ("file://localhost/srv", DirectoryLocation("/srv")),
        ("s3://bucket", S3Location("bucket")),
        ("s3://bucket/", S3Location("bucket")),
        ("s3://bucket/a/b/", S3Location("bucket", "a/b")),
        ("S3://bucket/a%20b", S3Location("bucket", "a b")),
        ("s3://bucket/p?region=eu-central-1", S3Location("bucket", "p", "eu-central-1")),
        ("s3://bucket?endpoint=http://127.0.0.1:9000/", S3Location("bucket", endpoint="http://127.0.0.1:9000")),
        ("s3://bucket?path_style=true", S3Location("bucket", path_style=True)),
        ("s3://bucket?path_style=false&class=standard", S3Location("bucket", path_style=False)),
        ("file:///srv/a%3Fclass=archive", DirectoryLocation("/srv/a?class=archive")),
        ("s3://Old_Bucket/p?path_style=true", S3Location("Old_Bucket", "p", path_style=True)),
        ("s3://My_bucket?endpoint=http://h:1", S3Location("My_bucket", endpoint="http://h:1")),
        ("s3://my.bucket-1-s3alias", S3Location("my.bucket-1-s3alias")),
        ("/srv/what?", DirectoryLocation("/srv/what?")),
        ("s3://bucket/p?storage_class=STANDARD_IA", S3Location("bucket", "p", storage_class="STANDARD_IA")),
    ],
)
def test_a_place_is_understood_and_its_canonical_form_means_the_same(text, place):
    assert parse_location(text) == place
    assert parse_location(place.canonical) == place


def test_the_canonical_form_has_one_order():
    first = parse_location("s3://b-1/p?region=r&endpoint=http://h:1&storage_class=STANDARD_IA&path_style=true")
    second = parse_location("s3://b-1/p/?path_style=true&storage_class=STANDARD_IA&endpoint=http://h:1&region=r")
    assert first.canonical == second.canonical
    assert first.canonical == "s3://b-1/p?endpoint=http://h:1&path_style=true&region=r&storage_class=STANDARD_IA"


@pytest.mark.parametrize(
    "text",
    [
        "", "a\0b", "memory:x", "http://host/x", "ebs:snap-1", "file://other/srv", "file:relative", "file:///a?b=c",
        "s3:bucket", "s3://", "s3:///prefix", "s3://b/p", "s3://bucket/a//b", "s3://bucket/a/../b", "s3://bucket/%0a",
        "s3://bucket/%C3%BC", "s3://bucket/" + "x" * 501, "s3://bucket#part", "s3://bucket?regoin=x", "s3://bucket?region",
        "s3://bucket?region=", "s3://bucket?region=a&region=b", "s3://bucket?path_style=yes", "s3://bucket?class=cold",
        "s3://bucket?class=archive", "s3://bucket?class=archive&storage_class=STANDARD",
        "s3://bucket?class=archive&storage_class=GLACIER_IR", "s3://bucket?class=standard&storage_class=GLACIER",
        "s3://bucket?storage_class=DEEP_ARCHIVE", "s3://bucket?storage_class=GLACIER", "s3://bucket?endpoint=host:9000",
        "s3://bucket?endpoint=http://host/path", "s3://bucket?endpoint=http://u:p@host", "s3://bucket?endpoint=ftp://host",
        "s3://bucket?endpoint=http://169.254.169.254", "s3://bucket?endpoint=http://[fd00:ec2::254]:80",
        "s3://bucket?endpoint=http://2852039166", "s3://bucket?endpoint=http://0xa9fea9fe:80",
        "s3://bucket?endpoint=http://169.254.170.2:80", "s3://bucket?endpoint=http://[fe80::1]",
        "s3://Bucket/p", "s3://buck_et", "s3://bu..cket", "s3://192.168.5.4", "s3://-bucket", "s3://bucket-", "s3://bu",
        "s3://" + "b" * 64, "s3://BUCKET?path_style=false", "dir?class=archive&storage_class=GLACIER",
        "/srv/a?region=x",
        "s3://bucket?endpoint=http://host:99999", "s3://bucket?endpoint=http://[broken",
    ],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_a_cure(text):
    with pytest.raises(UsageError) as caught:
        parse_location(text)
    assert caught.value.why
    assert caught.value.cure


@pytest.mark.parametrize("archive_class", list(ArchiveClass))
def test_an_archive_is_asked_for_and_is_no_part_of_the_place(archive_class):
    text = f"s3://bucket/p?class=archive&storage_class={archive_class}"
    assert parse_location(text) == S3Location("bucket", "p", archive_class=archive_class)
    assert asked_class(text) is archive_class
    assert parse_location(text).canonical == "s3://bucket/p"
    assert asked_class("s3://bucket/p") is asked_class("/srv") is None


def test_a_secret_in_a_location_is_not_repeated():
    with pytest.raises(UsageError) as caught:
        parse_location("s3://key:the-secret@bucket/p")
    assert "the-secret" not in f"{caught.value} {caught.value.cure}"


def test_an_opened_store_counts(tmp_path):
    counts = RequestCounts()
    store = open_store(str(tmp_path / "repository"), counts=counts)
    assert store.location == str(tmp_path / "repository")
    put(store, "packs/00/a")
    assert store.get("packs/00/a") == b"body"
    assert counts.requests == {"get": 1, "put": 1, "list": 0, "head": 0, "delete": 0, "retrieve": 0}
    store.close()


def test_two_stores_in_memory_share_nothing():
    first, second = open_store("memory:"), open_store(parse_location("memory:"))
    put(first, "a")
    assert list(second.list("")) == []
    assert first.location == "memory:"
