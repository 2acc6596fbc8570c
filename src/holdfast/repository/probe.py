"""Rule 8: does this store keep its word on conditional writes? 64 parallel creates of one name must have one winner."""

import hashlib

from holdfast.domain.errors import ObjectExistsError, UnsupportedFormatError
from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.surroundings import Surroundings

CREATES = 64


def require_conditional_writes(store: ObjectStore, surroundings: Surroundings) -> None:
    """Try it under a name of its own, which is removed again. Raises UnsupportedFormatError when more than one create
    won.
    """
    key = f"{names.SESSIONS}{surroundings.random_bytes(16).hex()}/probe"

    def create(number: int) -> bool:
        body = number.to_bytes(32, "big")
        try:
            store.create(key, body, hashlib.sha256(body).digest())
        except ObjectExistsError:
            return False
        return True

    try:
        winners = sum(surroundings.transfer.map(create, range(CREATES)))
    finally:
        store.delete(key)
    if winners != 1:
        raise UnsupportedFormatError(
            f"{store.location} does not keep write-once promises",
            why=f"of {CREATES} creates of one name {winners} succeeded; it ignores If-None-Match",
            cure="use a store with conditional writes (AWS S3, a directory); a single-writer mode is not offered yet",
        )
