"""The key schedule of section 3: every key is derived from the master key or from a tenant's two random keys."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from holdfast.domain.errors import ChunksMovedError
from holdfast.repository.crypto.keyed_hash import keyed_hash
from holdfast.repository.object_store import Buffer

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
class KeyRing:
    """The keys of one tenant that a party holds. Maps and index open with it whole; `data_key` gives a session's SD,
    None where it is not held: who has the master key holds all of them, a worker those of its task.
    """

    repository: bytes
    kid: int
    tenant: bytes
    id_key: bytes
    map_key: bytes
    index_key: bytes
    data_key: Callable[[bytes], bytes | None]

    def chunk_key(self, chunk_type: int) -> bytes:
        """The key under which chunks of a type are named."""
        return chunk_key(self.id_key, chunk_type)

    def session(self, session: bytes) -> SessionKeys:
        """What of a session's keys is held."""
        return SessionKeys(self.data_key(session), expand(self.map_key, b"sess" + session, KEY_BYTES))


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """MK of one key epoch, bound to its repository; the root of every derivation."""

    key: bytes
    repository: bytes
    kid: int = 1

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

    def session_keys(self, tenant: bytes, session: bytes) -> SessionKeys:
        """SD and SM of `session`."""
        return SessionKeys(self.data_key(session), expand(self.map_key(tenant), b"sess" + session, KEY_BYTES))

    def key_ring(self, tenant: bytes, id_key: bytes) -> KeyRing:
        """Everything that a tenant's packs and index runs open with; `id_key` is kept in the tenant's object."""
        return KeyRing(
            repository=self.repository,
            kid=self.kid,
            tenant=tenant,
            id_key=id_key,
            map_key=self.map_key(tenant),
            index_key=self.index_key(tenant),
            data_key=self.data_key,
        )

    def scratch_key(self, session: bytes) -> bytes:
        """SS of `session`."""
        return expand(self.sub("scratch"), session, KEY_BYTES)

    def task_proof_key(self) -> bytes:
        """The key of the appliance's mark on tasks; 4 bytes where a session has 16, so it is no session's SS."""
        return expand(self.sub("scratch"), b"task", KEY_BYTES)

    def checkpoint_proof_key(self) -> bytes:
        """The key of the mark on session checkpoints of who has MK; 10 bytes, so it is no session's SS either."""
        return expand(self.sub("scratch"), b"checkpoint", KEY_BYTES)

    def pin(self) -> bytes:
        """What a party remembers of the key; says nothing about it."""
        return expand(self.key, b"check", KEY_BYTES)


@dataclass(frozen=True, slots=True, repr=False)
class TenantKeys:
    """A tenant's random keys (section 7); they outlive key rotation, so deduplication goes on."""

    id_key: bytes
    chunking_key: bytes

    def workload_id(self, name: str) -> bytes:
        """The 16 bytes that stand for a workload's name in keys."""
        return keyed_hash(expand(self.id_key, b"hf1/workload", KEY_BYTES), name.encode())[:16]

    def chunk_key(self, chunk_type: int) -> bytes:
        """The key under which chunks of a type are named."""
        return chunk_key(self.id_key, chunk_type)

    def gear(self) -> bytes:
        """The 256 u32 of the stream cutter (section 15)."""
        return expand(self.chunking_key, b"hf1/gear", 1024)


def tenant_id(name_key: bytes, name: str) -> bytes:
    """The 16 bytes that stand for a tenant's name in keys (section 2)."""
    return keyed_hash(name_key, b"tenant" + name.encode())[:16]


def chunk_key(id_key: bytes, chunk_type: int) -> bytes:
    """The key under which a tenant's chunks of a type are named (section 3)."""
    return expand(id_key, b"hf1/chunk" + bytes([chunk_type]), KEY_BYTES)


def chunk_id(type_key: bytes, plain: Buffer) -> bytes:
    """A chunk's id under its type's key."""
    return keyed_hash(type_key, plain)
