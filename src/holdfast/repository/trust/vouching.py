"""What stands under an older key epoch counts where something under the newest vouches for it (section 21)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.domain.errors import FormatError
from holdfast.repository.format.envelope import DIGEST_BYTES, read_header
from holdfast.repository.format.plan import Plan
from holdfast.repository.object_store import Buffer


@dataclass(frozen=True, slots=True)
class Vouching:
    """Of objects under key epochs before `kid` those count that end with the digest which `digests` has for their key.
    With `kid` 0 all count.
    """

    kid: int = 0
    digests: Mapping[str, bytes] = field(default_factory=dict)

    def require(self, key: str, data: Buffer) -> None:
        """Raises FormatError for an object that opened, but that nobody vouches for."""
        kid = read_header(data, key).kid
        if kid < self.kid and self.digests.get(key) != digest_of(data):
            raise unvouched(key, kid, self.kid)


ALL_COUNT = Vouching()


def digest_of(data: Buffer) -> bytes:
    """The SHA-256 with which an object ends; reading it has compared that with the bytes before."""
    return bytes(memoryview(data)[-DIGEST_BYTES:])


def unvouched(key: str, kid: int, newest: int) -> FormatError:
    """The refusal of what somebody with a past master key may have written."""
    return FormatError(
        f"{key} is of key epoch {kid}, and nothing of epoch {newest} vouches for it",
        why="whoever has the older master key and may write here can have put it there",
        cure="find out who has that key; bring the object back from a copy, or remove it if there was none",
        key=key,
    )


def vouching_of(plan: Plan) -> Vouching:
    """Which index runs count under that plan."""
    return ALL_COUNT if plan.vouched is None else Vouching(plan.kid, plan.vouched)
