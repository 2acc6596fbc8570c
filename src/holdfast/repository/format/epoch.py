"""`epochs/<kid>` (section 19): the older master keys, for who holds this epoch's own, and a mark for who holds the one
before.
"""

import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.errors import FormatError
from holdfast.repository.crypto.keys import KEY_BYTES, MasterKey, expand
from holdfast.repository.format import cbor

FIRST_EPOCH = 1
KID_LIMIT = (1 << 32) - 1
NONCE_BYTES = 16
_ROW = struct.Struct(f">I{KEY_BYTES}s")


@dataclass(frozen=True, slots=True, repr=False)
class Epoch:
    """Where a key epoch began; `older` are the master keys of every epoch before it, by kid; `vouched` what counts of
    `config` and tenants under these, by key and digest (section 21), None where an earlier version wrote it.
    """

    kid: int
    older: Mapping[int, bytes]
    time: str
    vouched: Mapping[str, bytes] | None = None


def encode(epoch: Epoch) -> bytes:
    """Object to bytes."""
    rows = b"".join(_ROW.pack(kid, key) for kid, key in sorted(epoch.older.items()))
    vouched = {} if epoch.vouched is None else {"vouched": dict(epoch.vouched)}
    return cbor.encode({"kid": epoch.kid, "older": rows, "time": epoch.time, **vouched})


def decode(body: bytes) -> Epoch:
    """Bytes to object; FormatError where an epoch between is left out."""
    fields = cbor.decode(body, "epoch")
    kid = fields.natural("kid", KID_LIMIT)
    older = dict(_ROW.unpack(row) for row in fields.rows("older", _ROW.size))
    if not older or list(older) != list(range(FIRST_EPOCH, FIRST_EPOCH + len(older))) or kid != max(older) + 1:
        raise FormatError(f"epoch {kid} does not hold the keys of all before it", why=f"it holds {len(older)}")
    vouched = fields.digests("vouched") if "vouched" in fields.values else None
    return Epoch(kid=kid, older=older, time=fields.get("time", str), vouched=vouched)


def marked_salt(previous: MasterKey, object_key: str, nonce: bytes) -> bytes:
    """The envelope's salt of an epoch's object: 16 random bytes, and the mark of who holds the key before."""
    return nonce + _mark(previous, object_key, nonce)


def is_marked(salt: bytes, previous: MasterKey, object_key: str) -> bool:
    """Whether who held `previous` has begun the epoch with that salt."""
    nonce, mark = salt[:NONCE_BYTES], salt[NONCE_BYTES:]
    return hmac.compare_digest(mark, _mark(previous, object_key, nonce))


def _mark(previous: MasterKey, object_key: str, nonce: bytes) -> bytes:
    return expand(previous.sub("epoch mark"), object_key.encode() + nonce, 16)
