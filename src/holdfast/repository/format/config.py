"""The body of `config` (section 6)."""

from dataclasses import dataclass

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import UnsupportedFormatError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE, SUITES
from holdfast.repository.format import cbor

FORMAT = 1
PACK_SIZE_BYTES = 16 * 1024 * 1024
# Of archives, where each pack that is retrieved costs a request and nothing is read of it before it is there as a
# whole, and of immutable repositories, where each lock is renewed on its own.
LARGE_PACK_SIZE_BYTES = 64 * 1024 * 1024
STANDARD = "standard"
ARCHIVE = "archive"
PACK_SIZE_LIMIT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """What a repository is; written once. `archive_class` is where its data packs go, None for class standard;
    `immutable`: what is in it is locked (ordering rule 9); `single_writer`: its store ignores If-None-Match (rule 8).
    """

    repository: bytes
    name_key: bytes
    created: str
    block_size_bytes: int
    pack_size_bytes: int = PACK_SIZE_BYTES
    archive_class: ArchiveClass | None = None
    suite: int = DEFAULT_SUITE
    immutable: bool = False
    single_writer: bool = False

    @property
    def repository_class(self) -> str:
        """`standard` or `archive`."""
        return STANDARD if self.archive_class is None else ARCHIVE


def encode(config: Config) -> bytes:
    """Object to bytes."""
    fields = {
        "format": FORMAT,
        "suite": config.suite,
        "repository": config.repository,
        "class": config.repository_class,
        "block_size": config.block_size_bytes,
        "pack_size": config.pack_size_bytes,
        "name_key": config.name_key,
        "created": config.created,
    }
    if config.archive_class is not None:
        fields["storage_class"] = config.archive_class.value
    if config.immutable:
        fields["immutable"] = True
    if config.single_writer:
        fields["single_writer"] = True
    return cbor.encode(fields)


def decode(body: bytes) -> Config:
    """Bytes to object; UnsupportedFormatError for a newer format or an unknown suite or class."""
    fields = cbor.decode(body, "config")
    version, suite = fields.natural("format"), fields.natural("suite")
    name = fields.get("class", str)
    storage_class = fields.get("storage_class", str) if name == ARCHIVE else None
    known = name == STANDARD or storage_class in ArchiveClass.__members__
    called = name if storage_class is None else f"{name} in {storage_class}"
    if version > FORMAT or suite not in SUITES or not known:
        raise UnsupportedFormatError(
            f"this repository has format {version}, suite {suite}, class {called}",
            why=f"this program knows format {FORMAT}, suites {', '.join(map(str, SUITES))}, class {STANDARD} and "
            f"{ARCHIVE} in {' or '.join(ArchiveClass)}",
            cure="use a newer Holdfast",
        )
    return Config(
        repository=fields.sized("repository", 16),
        name_key=fields.sized("name_key", 32),
        created=fields.get("created", str),
        block_size_bytes=fields.natural("block_size", 8 * 1024 * 1024),
        pack_size_bytes=fields.natural("pack_size", PACK_SIZE_LIMIT_BYTES),
        archive_class=None if storage_class is None else ArchiveClass(storage_class),
        suite=suite,
        immutable=bool(fields.optional("immutable", bool)),
        single_writer=bool(fields.optional("single_writer", bool)),
    )
