"""Checkpoints of the ledger: each says what all batches up to one sum up to (section 12)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError
from holdfast.repository.format import ledger as form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.ledger import LedgerState
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import Buffer
from holdfast.repository.trust.older_versions import open_newest_good
from holdfast.repository.trust.vouching import digest_of, unvouched


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one says, the key epoch that it is of, and the digest by which a later epoch vouches for it."""

    state: LedgerState
    kid: int
    digest: bytes

    @property
    def key(self) -> str:
        """Its name."""
        return names.checkpoint(self.state.sequence)


def newest_checkpoint(sealed: SealedStore, keys: Iterable[str]) -> Checkpoint | None:
    """Of checkpoints under the newest key epoch, and the one that it vouches for (section 21), the newest that opens,
    or of which an older version does.
    """
    for key in sorted(keys, reverse=True):
        try:
            return open_newest_good(sealed.store, key, partial(_opened, sealed, key))
        except (IntegrityError, ObjectNotFoundError):
            continue  # a checkpoint only saves time; the batches before it are the truth, and check names it
    return None


def _opened(sealed: SealedStore, key: str, data: Buffer) -> Checkpoint:
    state = form.decode_checkpoint(sealed.open(key, data, Kind.LEDGER_CHECKPOINT)[1])
    found = Checkpoint(state, read_header(data, key).kid, digest_of(data))
    if key != found.key:
        raise FormatError(f"{key} is of another sequence", why=f"it says {state.sequence}", key=key)
    newest = sealed.epochs.newest.kid
    if found.kid < newest and sealed.epochs.vouching.digests.get(key) != found.digest:
        raise unvouched(key, found.kid, newest)
    return found
