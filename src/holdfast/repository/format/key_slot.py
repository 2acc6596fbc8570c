"""Key slots (section 5): the master key wrapped under a password, a recovery code or a KMS key."""

import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.domain.errors import FormatError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.crypto.keys import AeadKey, MasterKey
from holdfast.repository.format import cbor
from holdfast.repository.format.envelope import check_digest, check_magic, check_version
from holdfast.repository.format.epoch import FIRST_EPOCH, KID_LIMIT
from holdfast.repository.object_store import Buffer

MAGIC = b"HFSLOT\x00\x01"
FIXED = struct.Struct(">8sH")
TAIL_BYTES = 32 + 12 + 48 + 32
SLOT_LIMIT_BYTES = 64 * 1024
FIRST_FORMAT, FORMAT = 1, 2
CHECK = "check"

PASSWORD = "password"  # noqa: S105 - the name of a kind of slot
RECOVERY = "recovery"
KMS = "kms"


@dataclass(frozen=True, slots=True)
class KeySlot:
    """A slot as stored: who may open it stands in the clear, the master key does not."""

    slot: bytes
    repository: bytes
    kid: int
    kind: str
    label: str
    created: str
    parameters: Mapping[str, Any]
    raw_head: bytes = b""
    commitment: bytes = b""
    nonce: bytes = b""
    wrapped: bytes = b""
    suite: int = DEFAULT_SUITE

    def is_of(self, master: MasterKey) -> bool:
        """Whether the slot leads to this master key, as far as can be told without opening it (section 5)."""
        if (self.repository, self.kid) != (master.repository, master.kid):
            return False
        return self.kid == FIRST_EPOCH or self.parameters.get(CHECK) == master.slot_check()


def seal(slot: KeySlot, kek: bytes, master: bytes, nonce: bytes) -> bytes:
    """The slot object that wraps `master` under `kek`; `nonce` is 12 fresh random bytes."""
    header = cbor.encode(
        {
            "format": FIRST_FORMAT if slot.kid == FIRST_EPOCH else FORMAT,
            "suite": slot.suite,
            "repository": slot.repository,
            "kid": slot.kid,
            "slot": slot.slot,
            "kind": slot.kind,
            "label": slot.label,
            "created": slot.created,
            **slot.parameters,
        }
    )
    head = FIXED.pack(MAGIC, len(header)) + header
    keys = AeadKey.derive(kek, b"hf1/slot" + slot.repository + slot.slot)
    sealed = head + keys.commitment + nonce + AESGCM(keys.key).encrypt(nonce, master, head)
    return sealed + hashlib.sha256(sealed).digest()


def decode(data: Buffer, object_key: str) -> KeySlot:
    """An intact slot; IntegrityError names a damaged one, so that it is not taken for a wrong password."""
    if len(data) > SLOT_LIMIT_BYTES:
        raise FormatError(
            f"{object_key} has {len(data)} bytes", why=f"a key slot has at most {SLOT_LIMIT_BYTES}", key=object_key
        )
    check_digest(data, object_key)
    raw = bytes(data)
    if len(raw) < FIXED.size + TAIL_BYTES:
        raise FormatError(f"{object_key} is too short", why="it holds no key slot", key=object_key)
    magic, length = FIXED.unpack(raw[: FIXED.size])
    check_magic(magic, MAGIC, DEFAULT_SUITE, object_key)
    end = FIXED.size + length
    if len(raw) != end + TAIL_BYTES:
        raise FormatError(f"{object_key} has a wrong length", why=f"its header says {length} bytes", key=object_key)
    fields = cbor.decode(raw[FIXED.size : end], object_key)
    suite = fields.natural("suite")
    check_magic(magic, MAGIC, suite, object_key)
    check_version(fields.natural("format"), FORMAT, "key slot")
    known = {"format", "suite", "repository", "kid", "slot", "kind", "label", "created"}
    return KeySlot(
        slot=fields.sized("slot", 16),
        repository=fields.sized("repository", 16),
        kid=fields.natural("kid", KID_LIMIT),
        kind=fields.get("kind", str),
        label=fields.get("label", str),
        created=fields.get("created", str),
        parameters={key: value for key, value in fields.values.items() if key not in known},
        raw_head=raw[:end],
        commitment=raw[end : end + 32],
        nonce=raw[end + 32 : end + 44],
        wrapped=raw[end + 44 : end + 92],
        suite=suite,
    )


def unwrap(slot: KeySlot, kek: bytes) -> MasterKey | None:
    """The master key, or None when `kek` is not this slot's."""
    keys = AeadKey.derive(kek, b"hf1/slot" + slot.repository + slot.slot)
    if not hmac.compare_digest(keys.commitment, slot.commitment):
        return None
    try:
        master = AESGCM(keys.key).decrypt(slot.nonce, slot.wrapped, slot.raw_head)
    except InvalidTag:
        return None
    return MasterKey(master, slot.repository, slot.kid, slot.suite)
