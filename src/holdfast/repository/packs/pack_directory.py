"""What a pack says it holds, read without its data: header and sealed directory (section 8)."""

from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.format.envelope import damaged
from holdfast.repository.format.pack import FOOTER, HEADER_BYTES, ChunkEntry, PackHeader
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import ObjectInfo, ObjectStore
from holdfast.repository.trust.older_versions import newest_good

# One read from a pack's end holds its directory, unless it has more than some hundred chunks.
_TAIL_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class PackDirectory:
    """A pack without its data; `info` is what the store says of it."""

    info: ObjectInfo
    header: PackHeader
    entries: list[ChunkEntry]

    def located(self) -> list[Located]:
        """Every chunk of the pack with its place, by number."""
        row = PackRow(self.header.kid, self.header.session, self.header.pack)
        return [
            Located(entry.id, Place(row, number, entry.offset, entry.length, entry.plain_length, entry.compression))
            for number, entry in enumerate(self.entries)
        ]


def read_header(store: ObjectStore, pack: bytes) -> PackHeader:
    """The clear header, which nothing vouches for yet, of the newest version that has one. Raises ObjectNotFoundError,
    IntegrityError, UnsupportedFormatError, NeedsRetrievalError.
    """
    key = names.pack(pack)
    return newest_good(
        store, key, lambda version: form.read_header(bytes(store.get(key, 0, HEADER_BYTES, version)), key)
    )


def read_directory(access: TenantAccess, pack: bytes, session: bytes | None = None) -> PackDirectory:
    """Header and directory of a pack of this tenant (and, where one is given, of that session), opened: where it does
    not open, of what something was put over (rule 9.5).

    Raises ObjectNotFoundError, IntegrityError naming the pack.
    """
    return newest_good(access.store, names.pack(pack), lambda version: _directory_of(access, pack, session, version))


def _directory_of(access: TenantAccess, pack: bytes, session: bytes | None, version: str | None) -> PackDirectory:
    key, store, keys = names.pack(pack), access.store, access.keys
    found = store.head(key, version)
    header_bytes = bytes(store.get(key, 0, HEADER_BYTES, version))
    start = max(0, found.size_bytes - _TAIL_BYTES)
    tail = memoryview(store.get(key, start, found.size_bytes - start, version))
    header = form.read_header(header_bytes, key)
    if (header.repository, header.pack) != (keys.repository, pack) or session not in (None, header.session):
        raise damaged(key, "its header names another repository, session or pack")
    span = form.directory_span(tail[-FOOTER.size :], found.size_bytes, key)
    sealed = tail[span.offset - start : span.offset - start + span.length] if span.offset >= start else None
    if sealed is None:
        sealed = memoryview(store.get(key, span.offset, span.length, version))
    pack_key = keys.session(header.kid, header.session).of_pack(pack, holds_maps=header.holds_maps)
    entries = form.open_parts(header_bytes, span, sealed, pack_key, key).entries
    expected = header.chunk_type
    if any(entry.type != expected for entry in entries):
        raise IntegrityError(
            f"{key} has a bad directory",
            why="data and maps share no pack",
            cure="run `holdfast repository check`",
            objects=(key,),
        )
    return PackDirectory(found, header, entries)
