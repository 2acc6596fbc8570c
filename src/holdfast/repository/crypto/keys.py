"""The key schedule of section 3: every key is derived from the master key or from a tenant's two random keys."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from holdfast.domain.errors import ChunksMovedError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE, KeyedHash

KEY_BYTES = 32
CHUNK_TYPE_DATA = 1
CHUNK_TYPE_MAP = 2


def expand(key: bytes, info: bytes, length: int) -> bytes:
    """X of section 1: HKDF-Expand with SHA-256, RFC 5869 section 2.3."""
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(key)


@dataclass(frozen=True, slots=True)
class AeadKey:
    """An AEAD key and the commitment that stands beside what it sealed."""

    key: bytes
    commitment: bytes

    @classmethod
    def derive(cls, parent: bytes, info: bytes) -> "AeadKey":
        """Split 64 derived bytes into key and commitment."""
        both = expand(parent, info, 64)
        return cls(both[:32], both[32:])


@dataclass(frozen=True, slots=True, repr=False)
class SessionKeys:
    """SD and SM of one session: they open its data packs and its map packs. A worker may lack SD (None)."""

    data: bytes | None
    map: bytes

    def of_pack(self, pack: bytes, *, holds_maps: bool) -> AeadKey:
        """The key of one pack (section 3). Raises ChunksMovedError where SD is not held."""
        parent = self.map if holds_maps else self.data
        if parent is None:
            raise ChunksMovedError(
                f"the key of data pack {pack.hex()} is not held here",
                why="a worker holds the data keys of the sessions that its task names, and no others",
                cure="prepare the task again: its chunks have moved since",
            )
        return AeadKey.derive(parent, b"pack" + pack)


@dataclass(frozen=True, slots=True, repr=False)
class EpochKeys:
    """K_map and K_index of one tenant in one key epoch: its maps and its index open with them whole."""

    map: bytes
    index: bytes

    def session_map_key(self, session: bytes) -> bytes:
        """SM of `session`."""
        return expand(self.map, b"sess" + session, KEY_BYTES)


@dataclass(frozen=True, slots=True, repr=False)
class KeyRing:
    """The keys of one tenant that a party holds. It writes under the key epoch `kid`; `epoch` gives the keys of that
    one and of others, and raises where they are not held. `data_key` gives SD of an epoch's session, None where it is
    not held: who has the master keys holds all of them, a worker those of its task.
    """

    repository: bytes
    suite: int
    kid: int
    tenant: bytes
    id_key: bytes
    epoch: Callable[[int], EpochKeys]
    data_key: Callable[[int, bytes], bytes | None]

    def chunk_key(self, chunk_type: int) -> KeyedHash:
        """What names chunks of a type."""
        return chunk_key(self.id_key, chunk_type, self.suite)

    def session(self, kid: int, session: bytes) -> SessionKeys:
        """What of a session's keys is held; `kid` is the epoch of its packs."""
        return SessionKeys(self.data_key(kid, session), self.epoch(kid).session_map_key(session))


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """MK of one key epoch, bound to its repository; the root of every derivation."""

    key: bytes
    repository: bytes
    kid: int = 1
    suite: int = DEFAULT_SUITE

    def sub(self, label: str) -> bytes:
        """sub(label) of section 3."""
        return expand(self.key, b"hf1/" + label.encode() + self.repository + self.kid.to_bytes(4, "big"), KEY_BYTES)

    def map_key(self, tenant: bytes) -> bytes:
        """K_map(tenant)."""
        return expand(self.sub("map"), b"tenant" + tenant, KEY_BYTES)

    def index_key(self, tenant: bytes) -> bytes:
        """K_index(tenant)."""
        return expand(self.sub("index"), b"tenant" + tenant, KEY_BYTES)

    def data_key(self, session: bytes) -> bytes:
        """SD of `session`."""
        return expand(self.sub("data"), b"sess" + session, KEY_BYTES)

    def epoch_keys(self, tenant: bytes) -> EpochKeys:
        """K_map and K_index of `tenant`."""
        return EpochKeys(self.map_key(tenant), self.index_key(tenant))

    def session_keys(self, tenant: bytes, session: bytes) -> SessionKeys:
        """SD and SM of `session`."""
        return SessionKeys(self.data_key(session), self.epoch_keys(tenant).session_map_key(session))

    def scratch_key(self, session: bytes) -> bytes:
        """SS of `session`."""
        return expand(self.sub("scratch"), session, KEY_BYTES)

    def task_mark(self) -> KeyedHash:
        """What makes the appliance's mark on tasks; 4 bytes where a session has 16, so its key is no session's SS."""
        return KeyedHash(expand(self.sub("scratch"), b"task", KEY_BYTES), self.suite)

    def slot_check(self) -> bytes:
        """The 16 bytes by which a slot of a later epoch is told from one that a rotation left (section 5)."""
        return expand(self.key, b"hf1/slot check", 16)

    def checkpoint_mark(self) -> KeyedHash:
        """What makes the mark on session checkpoints of who has MK; 10 bytes, so its key is no session's SS either."""
        return KeyedHash(expand(self.sub("scratch"), b"checkpoint", KEY_BYTES), self.suite)

    def pin(self) -> bytes:
        """What a party remembers of the key; says nothing about it."""
        return expand(self.key, b"check", KEY_BYTES)


@dataclass(frozen=True, slots=True, repr=False)
class TenantKeys:
    """A tenant's random keys (section 7); they outlive key rotation, so deduplication goes on."""

    id_key: bytes
    chunking_key: bytes
    suite: int = DEFAULT_SUITE

    def workload_id(self, name: str) -> bytes:
        """The 16 bytes that stand for a workload's name in keys."""
        return KeyedHash(expand(self.id_key, b"hf1/workload", KEY_BYTES), self.suite).of(name.encode())[:16]

    def chunk_key(self, chunk_type: int) -> KeyedHash:
        """What names chunks of a type."""
        return chunk_key(self.id_key, chunk_type, self.suite)

    def gear(self) -> bytes:
        """The 256 u32 of the stream cutter (section 15)."""
        return expand(self.chunking_key, b"hf1/gear", 1024)


def tenant_id(name_key: bytes, name: str, suite: int = DEFAULT_SUITE) -> bytes:
    """The 16 bytes that stand for a tenant's name in keys (section 2)."""
    return KeyedHash(name_key, suite).of(b"tenant" + name.encode())[:16]


def chunk_key(id_key: bytes, chunk_type: int, suite: int = DEFAULT_SUITE) -> KeyedHash:
    """What names a tenant's chunks of a type (section 3)."""
    return KeyedHash(expand(id_key, b"hf1/chunk" + bytes([chunk_type]), KEY_BYTES), suite)
