"""The envelope of every object but packs and slots (section 4): header, sealed body, SHA-256."""

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.domain.errors import FormatError, IntegrityError, QuotaReachedError, UnsupportedFormatError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE, SUITES
from holdfast.repository.crypto.keys import AeadKey
from holdfast.repository.format import names
from holdfast.repository.object_store import Buffer

MAGIC = b"HFOBJT\x00\x01"
MAGIC_STEM = MAGIC[:6]
HEADER = struct.Struct(">8sHHI16s32s32s")
HEADER_BYTES = HEADER.size
DIGEST_BYTES = 32
SALT_BYTES = 32
TAG_BYTES = 16
OBJECT_LIMIT_BYTES = 256 * 1024 * 1024
NONCE = bytes(12)


class Kind(IntEnum):
    """What an object is; stands in its clear header and is sealed with it."""

    CONFIG = 1
    TENANT = 2
    INDEX_RUN = 3
    MANIFEST = 4
    TOMBSTONE = 5
    RETIREMENT = 6
    LEDGER_BATCH = 7
    LEDGER_CHECKPOINT = 8
    PLAN = 9
    ACKNOWLEDGEMENT = 10
    TASK = 11
    RESULT = 12
    ALIVE = 13
    SESSION_CHECKPOINT = 14
    EPOCH = 15
    LEASE = 16


@dataclass(frozen=True, slots=True)
class Header:
    """The clear header; `raw` are its 96 bytes."""

    suite: int
    kind: int
    kid: int
    repository: bytes
    salt: bytes
    commitment: bytes
    raw: bytes


def seal(
    kind: Kind,
    body: bytes,
    *,
    kind_key: bytes,
    object_key: str,
    repository: bytes,
    kid: int,
    salt: bytes,
    suite: int = DEFAULT_SUITE,
) -> bytes:
    """The whole object; `salt` is 32 fresh random bytes. Raises QuotaReachedError for one that no reader would take."""
    size_bytes = HEADER_BYTES + len(body) + TAG_BYTES + DIGEST_BYTES
    if size_bytes > OBJECT_LIMIT_BYTES:
        raise QuotaReachedError(
            f"{object_key} would have {size_bytes} bytes",
            why=f"whoever reads a repository takes {OBJECT_LIMIT_BYTES} at most, so nothing was written",
            cure="if it is a plan, run repository collect-garbage while no backup runs; if it is not, or that does not "
            "help, begin a new repository and copy to it what is to stay",
        )
    name = object_key.encode()
    keys = AeadKey.derive(kind_key, name + salt)
    header = HEADER.pack(MAGIC, suite, kind, kid, repository, salt, keys.commitment)
    sealed = AESGCM(keys.key).encrypt(NONCE, body, header + name)
    digest = hashlib.sha256(header)
    digest.update(sealed)
    return b"".join((header, sealed, digest.digest()))


def check_digest(data: Buffer, object_key: str) -> None:
    """Every object ends with the SHA-256 of what comes before (section 1): tells damage from a wrong key."""
    if len(data) <= DIGEST_BYTES:
        raise damaged(object_key, f"it has only {len(data)} bytes")
    view = memoryview(data)
    if hashlib.sha256(view[:-DIGEST_BYTES]).digest() != view[-DIGEST_BYTES:]:
        raise damaged(object_key, "its SHA-256 does not match its bytes")


def read_header(data: Buffer, object_key: str) -> Header:
    """The clear header of an intact object; its size and digest are checked first."""
    if len(data) > OBJECT_LIMIT_BYTES:
        raise FormatError(
            f"{object_key} has {len(data)} bytes", why=f"allowed are {OBJECT_LIMIT_BYTES}", key=object_key
        )
    check_digest(data, object_key)
    if len(data) < HEADER_BYTES + TAG_BYTES + DIGEST_BYTES:
        raise FormatError(f"{object_key} is too short", why=f"{len(data)} bytes hold no sealed object", key=object_key)
    raw = bytes(memoryview(data)[:HEADER_BYTES])
    magic, suite, kind, kid, repository, salt, commitment = HEADER.unpack(raw)
    check_magic(magic, MAGIC, suite, object_key)
    return Header(suite, kind, kid, repository, salt, commitment, raw)


def check_version(version: int, known: int, structure: str) -> None:
    """Refuse a structure that says it is of a newer format than this program knows (UnsupportedFormatError)."""
    if version > known:
        raise UnsupportedFormatError(
            f"a {structure} is of format {version}",
            why=f"this program knows format {known}",
            cure="use a newer Holdfast",
        )


def check_magic(magic: bytes, expected: bytes, suite: int, object_key: str) -> None:
    """Refuse what is foreign (FormatError) or newer than this program (UnsupportedFormatError)."""
    if magic[:6] != expected[:6]:
        raise FormatError(
            f"{object_key} is not of Holdfast",
            why="it does not begin as an object of a repository does",
            cure="check the location: is it the repository's own folder or prefix?",
            key=object_key,
        )
    if magic != expected or suite not in SUITES:
        raise UnsupportedFormatError(
            f"{object_key} was written by a newer Holdfast",
            why=f"structure {int.from_bytes(magic[6:], 'big')}, suite {suite}; this program knows 1, and the "
            f"suites {', '.join(map(str, SUITES))}",
            cure="use a newer Holdfast",
        )


def is_sealed_under(data: Buffer, kind_key: bytes, object_key: str) -> bool:
    """Whether an intact object's commitment is the one of that key."""
    header = read_header(data, object_key)
    return hmac.compare_digest(_keys(kind_key, header, object_key).commitment, header.commitment)


def _keys(kind_key: bytes, header: Header, object_key: str) -> AeadKey:
    return AeadKey.derive(kind_key, object_key.encode() + header.salt)


def open_object(
    data: Buffer, *, kinds: tuple[Kind, ...], kind_key: Callable[[int], bytes], object_key: str, repository: bytes
) -> tuple[Kind, bytes]:
    """Kind and body of an object that must be of `kinds` and of this repository; `kind_key` gives K_kind of the key
    epoch that the header names, and raises where it has none.

    Raises IntegrityError (naming the object) for damage, FormatError for something else in its place, and for what says
    that it is of a newer structure: nothing vouches for that, and the repository's `config` is not.
    """
    try:
        header = read_header(data, object_key)
    except UnsupportedFormatError as error:
        cure = "use a newer Holdfast; where none has ever written here, somebody else put it there"
        raise FormatError(error.what, why=error.why, cure=cure, key=object_key) from error
    if header.repository != repository:
        raise FormatError(
            f"{object_key} belongs to another repository", why="its header names another id", key=object_key
        )
    if header.kind not in kinds:
        raise FormatError(
            f"{object_key} is of kind {header.kind}", why=f"expected {[int(k) for k in kinds]}", key=object_key
        )
    name = object_key.encode()
    try:
        keys = _keys(kind_key(header.kid), header, object_key)
    except FormatError as error:
        error.objects = (object_key, *error.objects)
        raise
    if not hmac.compare_digest(keys.commitment, header.commitment):
        raise damaged(object_key, "it was not sealed under this repository's key for this name")
    try:
        view = memoryview(data)[HEADER_BYTES:-DIGEST_BYTES]
        return Kind(header.kind), AESGCM(keys.key).decrypt(NONCE, view, header.raw + name)
    except InvalidTag as error:
        raise damaged(object_key, "its seal is broken") from error


def damaged(object_key: str, why: str) -> IntegrityError:
    """The error for an object that is not as it was written."""
    cure = "run `holdfast repository check` to see which points it hurts"
    if object_key == names.CONFIG or object_key.startswith(names.TENANTS):  # nothing else has the keys in it
        cure = "bring it back as it was: an older version in the bucket, or the one in a copy of the whole place"
    return IntegrityError(f"{object_key} is damaged", why=why, cure=cure, objects=(object_key,))
