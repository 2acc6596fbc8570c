"""The body of `tenants/<tenant>` (section 7)."""

from dataclasses import dataclass

from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.crypto.keys import TenantKeys
from holdfast.repository.format import cbor


@dataclass(frozen=True, slots=True, repr=False)
class Tenant:
    """A tenant: the bounds of its deduplication."""

    name: str
    keys: TenantKeys
    created: str


def encode(tenant: Tenant) -> bytes:
    """Object to bytes."""
    return cbor.encode(
        {
            "name": tenant.name,
            "id_key": tenant.keys.id_key,
            "chunking_key": tenant.keys.chunking_key,
            "created": tenant.created,
        }
    )


def decode(body: bytes, suite: int = DEFAULT_SUITE) -> Tenant:
    """Bytes to object; `suite` is the repository's."""
    fields = cbor.decode(body, "tenant")
    keys = TenantKeys(id_key=fields.sized("id_key", 32), chunking_key=fields.sized("chunking_key", 32), suite=suite)
    return Tenant(name=fields.get("name", str), keys=keys, created=fields.get("created", str))
