"""Work that is told to stop ends before its next request, in the middle of a list too."""

import hashlib

import pytest

from holdfast.domain.errors import CancelledError
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.stoppable import StoppableStore

BODY = b"content"


@pytest.fixture
def words():
    """What `stopped` answers from now on."""
    return [False]


@pytest.fixture
def store(words):
    made = StoppableStore(MemoryStore(), lambda: words[0])
    for key in ("a", "b", "c"):
        made.create(key, BODY, hashlib.sha256(BODY).digest())
    return made


REQUESTS = {
    "create": lambda store: store.create("d", BODY, hashlib.sha256(BODY).digest()),
    "get": lambda store: store.get("a"),
    "head": lambda store: store.head("a"),
    "list": lambda store: list(store.list("")),
    "delete": lambda store: store.delete("a"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_request_is_made_any_more(store, words, name):
    words[0] = True
    with pytest.raises(CancelledError):
        REQUESTS[name](store)
    words[0] = False
    assert [info.key for info in store.list("")] == ["a", "b", "c"]


def test_a_list_ends_where_it_is(store, words):
    listed = iter(store.list(""))
    assert next(listed).key == "a"
    words[0] = True
    with pytest.raises(CancelledError):
        next(listed)
