"""The body of `config` (section 6)."""

from dataclasses import dataclass

from holdfast.domain.errors import UnsupportedFormatError
from holdfast.repository.crypto.keyed_hash import SUITE
from holdfast.repository.format import cbor

FORMAT = 1
PACK_SIZE_BYTES = 16 * 1024 * 1024
STANDARD = "standard"
PACK_SIZE_LIMIT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """What a repository is; written once."""

    repository: bytes
    name_key: bytes
    created: str
    block_size_bytes: int
    pack_size_bytes: int = PACK_SIZE_BYTES
    repository_class: str = STANDARD


def encode(config: Config) -> bytes:
    """Object to bytes."""
    return cbor.encode(
        {
            "format": FORMAT,
            "suite": SUITE,
            "repository": config.repository,
            "class": config.repository_class,
            "block_size": config.block_size_bytes,
            "pack_size": config.pack_size_bytes,
            "name_key": config.name_key,
            "created": config.created,
        }
    )


def decode(body: bytes) -> Config:
    """Bytes to object; UnsupportedFormatError for a newer format or an unknown suite or class."""
    fields = cbor.decode(body, "config")
    version, suite = fields.natural("format"), fields.natural("suite")
    name = fields.get("class", str)
    if version > FORMAT or suite != SUITE or name != STANDARD:
        raise UnsupportedFormatError(
            f"this repository has format {version}, suite {suite}, class {name}",
            why=f"this program knows format {FORMAT}, suite {SUITE}, class {STANDARD}",
            cure="use a newer Holdfast",
        )
    return Config(
        repository=fields.sized("repository", 16),
        name_key=fields.sized("name_key", 32),
        created=fields.get("created", str),
        block_size_bytes=fields.natural("block_size", 8 * 1024 * 1024),
        pack_size_bytes=fields.natural("pack_size", PACK_SIZE_LIMIT_BYTES),
        repository_class=name,
    )
