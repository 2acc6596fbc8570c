"""Where a copy is from (section 10)."""

from dataclasses import dataclass

from holdfast.domain.errors import FormatError
from holdfast.repository.format import cbor
from holdfast.repository.format.places import ROOT_BYTES, Located


@dataclass(frozen=True, slots=True)
class Backup:
    """A restore point that some repository's own session made; copies of it are known by it."""

    repository: bytes
    point: bytes

    def encode(self) -> bytes:
        """32 bytes."""
        return self.repository + self.point

    @classmethod
    def decode(cls, data: bytes) -> "Backup":
        """From 32 bytes."""
        return cls(data[:16], data[16:])


@dataclass(frozen=True, slots=True)
class Origin:
    """`backup`: what this is a copy of, however often it was copied. `roots`: those of its volumes, in their order, in
    the repository `copied_from`.
    """

    backup: Backup
    copied_from: bytes
    roots: tuple[Located | None, ...]


def origin_fields(origin: Origin) -> dict[str, object]:
    """As a manifest holds it."""
    return {
        "repository": origin.backup.repository,
        "point": origin.backup.point,
        "from": origin.copied_from,
        "roots": [None if root is None else root.encode_root() for root in origin.roots],
    }


def origin_of(fields: cbor.Fields) -> Origin:
    """The same back; FormatError for anything else."""
    return Origin(
        backup=Backup(fields.sized("repository", 16), fields.sized("point", 16)),
        copied_from=fields.sized("from", 16),
        roots=tuple(None if root is None else _root(root) for root in fields.get("roots", list)),
    )


def _root(value: object) -> Located:
    if not isinstance(value, bytes) or len(value) != ROOT_BYTES:
        raise FormatError("manifest: bad root of an origin", why=f"expected {ROOT_BYTES} bytes")
    return Located.decode_root(value)
