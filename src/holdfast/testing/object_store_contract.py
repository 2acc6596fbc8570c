"""The suite that every object store must pass, built in or not.

Subclass `ObjectStoreContract` in a test file, name the subclass `Test…`, and give it a fixture `store`: a new, empty
store.
"""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.domain.errors import ObjectExistsError, ObjectNotFoundError, PermissionDeniedError, UsageError
from holdfast.repository.object_store import Buffer, ObjectStore, StorageTerms
from holdfast.repository.surroundings import CLOCK_TOLERANCE

WRITERS = 64
BIG_OBJECT_BYTES = 20 * 1024 * 1024


def put(store: ObjectStore, key: str, body: Buffer = b"body") -> None:
    """Create an object with its right checksum."""
    store.create(key, body, hashlib.sha256(body).digest())


def keys(store: ObjectStore, prefix: str = "", start_after: str = "") -> list[str]:
    """The keys that the store lists."""
    return [found.key for found in store.list(prefix, start_after)]


def patterned(size_bytes: int) -> bytes:
    """Bytes of which no two 8-byte groups are equal, so that a shifted or torn answer shows."""
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size_bytes // 8)))[:size_bytes]


class ObjectStoreContract:
    """What `holdfast.repository.object_store.ObjectStore` promises, as tests."""

    # False for a server that is known to let a lock be shortened, which AWS never does.
    strict_locks = True
    # False for a server that looks whether a key is free and then writes it: of writers at once, several may win.
    atomic_creation = True

    def now(self) -> datetime:
        """The time by which the store judges locks."""
        return datetime.now(UTC)

    @pytest.fixture
    def store(self) -> ObjectStore:
        """A new, empty store; the subclass gives it."""
        raise NotImplementedError

    def test_what_is_created_is_read_back(self, store: ObjectStore) -> None:
        put(store, "packs/ab/cd", b"some bytes")
        assert bytes(store.get("packs/ab/cd")) == b"some bytes"

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_every_kind_of_buffer_is_accepted(self, store: ObjectStore, kind: Callable[[bytes], Buffer]) -> None:
        put(store, "config", kind(b"some bytes"))
        assert bytes(store.get("config")) == b"some bytes"

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        put(store, "empty", b"")
        assert bytes(store.get("empty")) == b""
        assert store.head("empty").size_bytes == 0
        assert keys(store) == ["empty"]

    def test_a_big_object_is_read_back(self, store: ObjectStore) -> None:
        body = patterned(BIG_OBJECT_BYTES)
        put(store, "packs/00/big", body)
        assert bytes(store.get("packs/00/big")) == body
        middle = BIG_OBJECT_BYTES // 2 - 3
        assert bytes(store.get("packs/00/big", middle, 600_000)) == body[middle : middle + 600_000]

    def test_no_object_is_written_twice(self, store: ObjectStore) -> None:
        put(store, "points/a", b"first")
        for body in (b"second", b"first"):
            with pytest.raises(ObjectExistsError) as caught:
                put(store, "points/a", body)
            assert caught.value.key == "points/a"
        assert bytes(store.get("points/a")) == b"first"

    def test_one_of_many_writers_wins(self, store: ObjectStore) -> None:
        start = threading.Barrier(WRITERS)

        def write(number: int) -> bool:
            start.wait()
            try:
                put(store, "points/contended", b"written by %d" % number)
            except ObjectExistsError:
                return False
            return True

        with ThreadPoolExecutor(WRITERS) as pool:
            winners = [number for number, won in enumerate(pool.map(write, range(WRITERS))) if won]
        assert winners
        assert len(winners) == 1 or not self.atomic_creation
        assert bytes(store.get("points/contended")) in [b"written by %d" % number for number in winners]

    def test_no_reader_sees_a_part(self, store: ObjectStore) -> None:
        """While objects are written, whoever finds one finds all of it."""
        body = patterned(3 * 1024 * 1024)
        names = [f"packs/00/{number}" for number in range(6)]
        written = threading.Event()
        seen: list[bytes] = []

        def read() -> None:
            while True:
                last_round = written.is_set()
                for name in names:
                    try:
                        seen.append(hashlib.sha256(store.get(name)).digest())
                    except ObjectNotFoundError:
                        continue
                if last_round:
                    return

        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(read)
            for name in names:
                put(store, name, body)
            written.set()
            reader.result()
        assert len(seen) >= len(names)
        assert set(seen) == {hashlib.sha256(body).digest()}

    @pytest.mark.parametrize(
        ("offset", "length"),
        [
            (0, None),
            (0, 1),
            (0, 100),
            (7, 20),
            (99, 1),
            (40, None),
            (90, 50),
            (0, 1000),
            (100, 5),
            (1000, 5),
            (100, None),
        ],
    )
    def test_ranges_end_where_the_object_ends(self, store: ObjectStore, offset: int, length: int | None) -> None:
        body = patterned(100)
        put(store, "packs/aa/ranged", body)
        wanted = body[offset:] if length is None else body[offset : offset + length]
        assert bytes(store.get("packs/aa/ranged", offset, length)) == wanted

    def test_a_range_of_nothing_is_empty_but_asks(self, store: ObjectStore) -> None:
        put(store, "packs/aa/ranged")
        assert bytes(store.get("packs/aa/ranged", 2, 0)) == b""
        with pytest.raises(ObjectNotFoundError):
            store.get("packs/aa/missing", 2, 0)

    @pytest.mark.parametrize(("offset", "length"), [(-1, None), (-1, 5), (0, -1)])
    def test_negative_ranges_are_refused(self, store: ObjectStore, offset: int, length: int | None) -> None:
        put(store, "packs/aa/ranged")
        with pytest.raises(UsageError):
            store.get("packs/aa/ranged", offset, length)

    def test_what_is_missing_is_not_found(self, store: ObjectStore) -> None:
        for ask in (store.get, store.head):
            with pytest.raises(ObjectNotFoundError) as caught:
                ask("packs/00/missing")
            assert caught.value.key == "packs/00/missing"
        with pytest.raises(ObjectNotFoundError):
            store.get("packs/00/missing", 5, 10)

    def test_a_folder_is_no_object(self, store: ObjectStore) -> None:
        put(store, "packs/00/one")
        for ask in (store.get, store.head):
            with pytest.raises(ObjectNotFoundError):
                ask("packs/00")
        store.delete("packs/00")
        assert keys(store) == ["packs/00/one"]

    def test_what_lies_below_an_object_is_not_found(self, store: ObjectStore) -> None:
        put(store, "config")
        for ask in (store.get, store.head):
            with pytest.raises(ObjectNotFoundError):
                ask("config/part")
        store.delete("config/part")
        assert keys(store) == ["config"]

    def test_head_tells_the_facts(self, store: ObjectStore) -> None:
        body = patterned(1234)
        put(store, "packs/00/facts", body)
        facts = store.head("packs/00/facts")
        assert (facts.key, facts.size_bytes) == ("packs/00/facts", 1234)
        assert facts.sha256 in (None, hashlib.sha256(body).digest())
        assert facts.modified is None or facts.modified.tzinfo is not None

    def test_an_empty_store_lists_nothing(self, store: ObjectStore) -> None:
        assert keys(store) == []
        assert keys(store, "packs/") == []

    def test_lists_are_sorted_by_key(self, store: ObjectStore) -> None:
        """`-` sorts before `/`, `0` after it: a walk of folders must not show."""
        names = ["a/b", "a-b", "a0", "a/c/d", "a/c-d", "a/c0", "A", "b", "a/b.c", "zz/1/2/3", "zz/1/2-3"]
        for name in names:
            put(store, name)
        assert keys(store) == sorted(names)

    def test_a_prefix_is_the_begin_of_a_key(self, store: ObjectStore) -> None:
        for name in ("packs/aa/1", "packs/ab/1", "packs/b/1", "pack", "packs-old/1", "points/1"):
            put(store, name)
        assert keys(store, "packs/") == ["packs/aa/1", "packs/ab/1", "packs/b/1"]
        assert keys(store, "packs/a") == ["packs/aa/1", "packs/ab/1"]
        assert keys(store, "pack") == ["pack", "packs-old/1", "packs/aa/1", "packs/ab/1", "packs/b/1"]
        assert keys(store, "packs/ab/1") == ["packs/ab/1"]
        assert keys(store, "packs/ab/1/") == []
        assert keys(store, "q") == []

    def test_a_list_goes_on_after_any_key(self, store: ObjectStore) -> None:
        names = sorted(["a/1", "a/2", "a-1", "b/1/x", "b/1/y", "b/2", "c"])
        for name in names:
            put(store, name)
        for start_after in [*names, "a", "a/", "a/15", "b/1", "b/1/x0", "bb", "zzz"]:
            assert keys(store, "", start_after) == [name for name in names if name > start_after], start_after
        assert keys(store, "b/", "b/1/x") == ["b/1/y", "b/2"]
        assert keys(store, "b/", "a/1") == ["b/1/x", "b/1/y", "b/2"]
        assert keys(store, "a/", "b") == []

    def test_a_list_tells_sizes(self, store: ObjectStore) -> None:
        put(store, "one", b"1")
        put(store, "three", b"333")
        assert [(found.key, found.size_bytes) for found in store.list("")] == [("one", 1), ("three", 3)]

    def test_odd_keys_stay_as_they_are(self, store: ObjectStore) -> None:
        names = [
            "sp ace/x",
            "per%20cent",
            "plus+and=equals&amp",
            "quo'te\"s",
            "tilde~!*()",
            "que?ry#f",
            "a" * 255,
            "x:y@z,;$[]",
        ]
        for number, name in enumerate(names):
            put(store, name, b"%d" % number)
        for number, name in enumerate(names):
            assert bytes(store.get(name)) == b"%d" % number
            assert store.head(name).key == name
        assert keys(store) == sorted(names)
        for name in names:
            store.delete(name)
        assert keys(store) == []

    @pytest.mark.parametrize(
        "key",
        [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "../a", "a\nb", "a\0b", "ä", "x" * 513,
            "incoming/a", ".a", "a/.nfs1", "lost+found/a",
        ],
    )  # fmt: skip
    def test_what_is_no_key_is_refused(self, store: ObjectStore, key: str) -> None:
        for ask in (
            lambda: put(store, key),
            lambda: store.get(key),
            lambda: store.head(key),
            lambda: store.delete(key),
        ):
            with pytest.raises(UsageError):
                ask()

    def test_what_is_deleted_is_gone(self, store: ObjectStore) -> None:
        put(store, "packs/00/one")
        put(store, "packs/00/two")
        store.delete("packs/00/one")
        assert keys(store) == ["packs/00/two"]
        with pytest.raises(ObjectNotFoundError):
            store.get("packs/00/one")

    def test_deleting_what_is_not_there_is_no_error(self, store: ObjectStore) -> None:
        assert store.delete("packs/00/missing")
        put(store, "packs/00/one")
        assert store.delete("packs/00/one")
        assert store.delete("packs/00/one")

    def test_what_was_deleted_has_no_version_left(self, store: ObjectStore) -> None:
        put(store, "packs/00/one", b"1")
        put(store, "packs/00/one2", b"2")
        assert [(found.key, found.size_bytes) for found in store.versions("packs/00/one")] == [
            ("packs/00/one", 1),
            ("packs/00/one2", 1),
        ]
        assert store.delete("packs/00/one")
        assert [found.key for found in store.versions("packs/")] == ["packs/00/one2"]
        put(store, "packs/00/one", b"again")
        assert bytes(store.get("packs/00/one")) == b"again"

    def test_a_version_is_read_by_its_name(self, store: ObjectStore) -> None:
        put(store, "config", b"some bytes")
        [found] = store.versions("config")
        assert bytes(store.get("config", 5, 3, found.version)) == b"byt"
        with pytest.raises(ObjectNotFoundError):
            store.get("config", 0, None, "no-such-version")
        if store.protection().versions:
            assert store.head("config", found.version) == store.head("config")

    def test_its_time_is_told_by_its_answers_or_never(self, store: ObjectStore) -> None:
        put(store, "config", b"some bytes")
        told = store.time()
        assert told is None or abs(told - self.now()) < CLOCK_TOLERANCE

    def test_what_is_on_top_is_reinstated_as_it_is(self, store: ObjectStore) -> None:
        put(store, "config", b"some bytes")
        [found] = store.versions("config")
        assert found.shown
        if store.protection().versions:
            assert found.version is not None
            store.reinstate("config", found.version)
        with pytest.raises(ObjectNotFoundError):
            store.reinstate("config", "no-such-version")
        assert list(store.versions("config")) == [found]

    def test_what_is_hidden_stays_and_frees_its_name(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectNotFoundError):
            store.hide("config")
        put(store, "config", b"first")
        if not store.protection().versions:
            with pytest.raises(UsageError):
                store.hide("config")
            assert bytes(store.get("config")) == b"first"
            return
        store.hide("config")
        assert list(store.list("config")) == []
        put(store, "config", b"second")
        assert [bytes(store.get("config", version=one.version)) for one in store.versions("config")] == [
            b"second",
            b"first",
        ]

    def test_a_lock_is_kept_or_refused(self, store: ObjectStore) -> None:
        now = self.now()
        day, terms = timedelta(days=1), StorageTerms(retain_until=now + timedelta(days=2))
        if not store.protection().locks:
            with pytest.raises(UsageError):
                store.create("config", b"1", hashlib.sha256(b"1").digest(), terms)
            put(store, "config", b"1")
            with pytest.raises(UsageError):
                store.extend("config", store.head("config").version, now + day)
            assert store.head("config").locked_until is None
            return
        store.create("config", b"1", hashlib.sha256(b"1").digest(), terms)
        found = store.head("config")
        assert found.locked_until is not None
        assert timedelta(0) <= found.locked_until - now - 2 * day < timedelta(seconds=1)
        assert not store.delete("config")
        assert bytes(store.get("config")) == b"1"
        assert keys(store) == ["config"]
        store.extend("config", found.version, now + 3 * day)
        store.extend("config", found.version, now + 3 * day)
        extended = store.head("config").locked_until
        assert extended is not None
        assert extended >= now + 3 * day
        if self.strict_locks:
            with pytest.raises(PermissionDeniedError):
                store.extend("config", found.version, now + day)
            assert store.head("config").locked_until == extended
            with pytest.raises(ObjectNotFoundError):
                store.extend("packs/00/missing", None, now + day)

    def test_many_threads_work_at_once(self, store: ObjectStore) -> None:
        def work(number: int) -> bool:
            body = patterned(1000 + number)
            put(store, f"packs/{number % 7:02x}/{number:04}", body)
            return bytes(store.get(f"packs/{number % 7:02x}/{number:04}")) == body

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(work, range(100)))
        assert len(keys(store, "packs/")) == 100
