"""Read a pack whole and open everything in it: digest, header, directory, every chunk, every id (section 8)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError, UnsupportedFormatError
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.pack import OpenedPack, PackHeader
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.whole_pack import bad_chunks
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, as_damage, older_versions


@dataclass(frozen=True, slots=True)
class PackFinding:
    """What is wrong with a pack, "" for nothing. `chunks` are the ids that do not open; none means the pack as a
    whole. `cold`: it lies in an archive class, and only what the store says of it was compared. `tenant`: the id of the
    one whose keys open it, where one's do, and `opened` the pack as they open it.
    """

    why: str = ""
    chunks: frozenset[bytes] = frozenset()
    size_bytes: int = 0
    cold: bool = False
    tenant: bytes = b""
    opened: OpenedPack | None = None

    @property
    def opens_nowhere(self) -> bool:
        """Whether it has chunks, and none of them opens."""
        return self.opened is not None and 0 < len(self.chunks) == len(self.opened.entries)


def read_packs(
    repository: Repository, keys: Iterable[str], written: Mapping[str, StoredPack]
) -> Iterator[tuple[str, PackFinding]]:
    """The same of several, a few at once; `written`: what manifests recorded of them, where they did."""
    tenants = tenants_of(repository)
    return few_at_once(repository.surroundings, lambda key: read_pack(repository, key, written.get(key), tenants), keys)


def read_pack(repository: Repository, key: str, written: StoredPack | None, tenants: Sequence[bytes]) -> PackFinding:
    """Everything that a pack can prove of itself, and that it is the one its manifest recorded, where one did. A whole
    one that something else was put over is as good (rule 9.5).
    """

    def read(version: str | None) -> PackFinding:
        try:
            return examine_pack(repository, key, repository.store.get(key, version=version), written, tenants)
        except NeedsRetrievalError:
            return _stored(repository, key, written, version)
        except (IntegrityError, ObjectNotFoundError, UnsupportedFormatError) as error:
            return PackFinding(why=error.why)

    return _first_whole(repository, key, read)


def as_stored(repository: Repository, key: str, written: StoredPack | None) -> PackFinding:
    """Of a pack that is not read, as a cold one: size and checksum as the store has them (section 17), also of what
    something else was put over. Raises ObjectNotFoundError.
    """
    return _first_whole(repository, key, lambda version: _stored(repository, key, written, version))


def _first_whole(repository: Repository, key: str, look: Callable[[str | None], PackFinding]) -> PackFinding:
    """Of what is found, and else of the newest version that nothing is wrong with."""

    def seen(version: str | None) -> PackFinding:
        try:
            return look(version)
        except UNSEEN as error:
            return PackFinding(as_damage(repository.store, key, error, version).why)

    found = seen(None)
    if not found.why:
        return found
    others = (seen(version) for version in older_versions(repository.store, key))
    return next((one for one in others if not one.why), found)


def _stored(repository: Repository, key: str, written: StoredPack | None, version: str | None) -> PackFinding:
    found = repository.store.head(key, version)
    size_bytes = found.size_bytes
    if written is None or (size_bytes == written.size_bytes and found.sha256 in (None, written.sha256)):
        return PackFinding(size_bytes=size_bytes, cold=True)
    return PackFinding("it is not the pack that its manifest recorded", size_bytes=size_bytes, cold=True)


def examine_pack(
    repository: Repository, key: str, data: Buffer, written: StoredPack | None, tenants: Sequence[bytes]
) -> PackFinding:
    """The same of bytes that are at hand. Raises IntegrityError, UnsupportedFormatError."""
    trailer, sha256 = form.digest(memoryview(data)[:-32])  # one pass tells both
    broken = "" if trailer == memoryview(data)[-32:] else "its SHA-256 does not match its bytes"
    header = form.read_header(data, key)
    if header.repository != repository.master.repository or names.pack(header.pack) != key:
        return PackFinding(broken or "its header names another repository or pack", size_bytes=len(data))
    if written is not None and sha256 != written.sha256 and not broken:
        return PackFinding("it is whole, but not the pack that its manifest recorded", size_bytes=len(data))
    return _judged(repository, header, key, data, tenants, broken)


def _judged(
    repository: Repository, header: PackHeader, key: str, data: Buffer, tenants: Sequence[bytes], broken: str
) -> PackFinding:
    """By the tenant whose it is: of which most chunks open. Where none opens, it may be of a tenant whose own object,
    which names its chunks, does not open: then the pack is whole as far as anybody can tell.
    """
    found, nameless, closed = list[PackFinding](), False, ""
    for tenant_id in tenants:
        session = repository.epochs.of(header.kid).session_keys(tenant_id, header.session)
        cipher_key = session.of_pack(header.pack, holds_maps=header.holds_maps)
        try:
            opened = form.open_body(data, cipher_key, key)
        except IntegrityError as error:
            closed = closed or error.why
            continue
        try:
            chunk_key = repository.tenant_by_id(tenant_id).keys.chunk_key(opened.header.chunk_type)
        except (*NOT_IT, ObjectNotFoundError):
            nameless = True
            continue
        chunks = bad_chunks(opened, data, chunk_key)
        why = broken or (f"{len(chunks)} of its {len(opened.entries)} chunks do not open" if chunks else "")
        found.append(PackFinding(why, chunks, len(data), tenant=tenant_id, opened=opened))
        if not chunks:
            break
    best = min(found, key=lambda one: len(one.chunks), default=None)
    if nameless and (best is None or best.opens_nowhere):
        return PackFinding(broken, size_bytes=len(data))
    return best or PackFinding(broken or closed or "no tenant's keys could be read", size_bytes=len(data))


def tenants_of(repository: Repository) -> Sequence[bytes]:
    """Whose a pack may be, which it does not say itself; a repository has few tenants. Asked after the packs were
    listed: a tenant stands before its first pack. A LIST adds to those in use, it never takes away (rule 5).
    """
    listed = [info.key.removeprefix(names.TENANTS) for info in objects_under(repository.store, names.TENANTS)]
    return list(dict.fromkeys([*repository.known_tenants(), *map(bytes.fromhex, listed)]))
