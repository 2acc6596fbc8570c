"""What stands under a retirement's name (ordering rule 2)."""

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError, UnsupportedFormatError
from holdfast.repository.format import names
from holdfast.repository.format import retirement as retirement_form
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.retirement import Retirement
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import Buffer
from holdfast.repository.trust.older_versions import open_newest_good


def read_retirement(sealed: SealedStore, session: bytes) -> tuple[Retirement, int] | None:
    """The retirement of that session's point, and under which key epoch it stands; None where none opens."""
    key = names.retired(session)

    def opened(data: Buffer) -> tuple[Retirement, int]:
        body = sealed.open(key, data, Kind.RETIREMENT)[1]
        return retirement_form.decode(body), read_header(data, key).kid

    try:
        retirement, kid = open_newest_good(sealed.store, key, opened)
    except (ObjectNotFoundError, IntegrityError, UnsupportedFormatError):
        return None
    return None if retirement.session != session else (retirement, kid)
