"""Rule 8: does this store keep its word on conditional writes? 64 parallel creates of one name must have one winner."""

import hashlib

from holdfast.domain.errors import ObjectExistsError, UnsupportedFormatError
from holdfast.repository.format import names
from holdfast.repository.format.config import Config
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.surroundings import Surroundings

CREATES = 64


def winners_of_one_name(store: ObjectStore, surroundings: Surroundings) -> int:
    """How many creates succeeded, under a name of its own, which is removed again: one, where If-None-Match counts."""
    key = names.probe(surroundings.random_bytes(16))

    def create(number: int) -> bool:
        body = number.to_bytes(32, "big")
        try:
            store.create(key, body, hashlib.sha256(body).digest())
        except ObjectExistsError:
            return False
        return True

    try:
        return sum(surroundings.transfer.map(create, range(CREATES)))
    finally:
        store.delete(key)


def require_conditional_writes(store: ObjectStore, surroundings: Surroundings, config: Config) -> None:
    """Raises UnsupportedFormatError where a repository relies on conditional writes and its store has lost them."""
    if config.single_writer:
        return
    winners = winners_of_one_name(store, surroundings)
    if winners != 1:
        raise UnsupportedFormatError(
            f"{store.location} does not keep write-once promises any more",
            why=f"of {CREATES} creates of one name {winners} succeeded: it ignores If-None-Match, and the repository "
            "was made where that counts",
            cure="put the repository back where conditional writes count; or copy its points into a new one here, "
            "which is then in single-writer mode (`holdfast repository init`, `holdfast repository copy`)",
        )
