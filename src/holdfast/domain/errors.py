"""The one error tree of Holdfast.

    HoldfastError                     exit 1   failed
    ├── UsageError                    exit 2   the words of the call are off
    │   └── MissingExtraError         exit 2   a command whose extra is not installed
    ├── NotFoundError                 exit 4   what was named does not exist
    │   ├── ObjectNotFoundError       exit 4   an object of a repository is not there
    │   ├── SourceGoneError           exit 4   the source vanished while it was read
    │   └── PluginMissingError        exit 4   what the verb needs is in a plug-in that is not installed
    ├── PermissionDeniedError         exit 5   credentials or rights are missing
    │   ├── WrongKeyError             exit 5   no key slot opens with what was given
    │   ├── NotAuthenticatedError     exit 5   nobody has said who is asking
    │   └── CertificateError          exit 5   the other side is not who it was when it was trusted
    ├── IntegrityError                exit 6   damage was found
    │   ├── FormatError               exit 6   bytes that are no valid structure
    │   └── UnreadableError           exit 6   an object is there and is put so that nobody here may read it
    ├── ConflictError                 exit 7   something else is there already
    │   ├── ObjectExistsError         exit 7   a write-once name is taken
    │   ├── KeyPinError               exit 7   the key is not the one remembered here
    │   │   └── RollbackError         exit 7   ledger, plan or key epoch are behind what is remembered, or forked
    │   ├── LeaseHeldError            exit 7   somebody else writes, and one may at a time
    │   ├── SecondWriterError         exit 7   two wrote at once where one may
    │   └── QuotaReachedError         exit 7   a quota of the account or a limit of ours is reached
    ├── NeedsRetrievalError           exit 8   it lies in an archive class and has to be retrieved first
    ├── LocksEndingError              exit 1   locks end before what they were promised for
    ├── UnsupportedFormatError        exit 1   made by a newer Holdfast
    ├── PluginContractError           exit 1   a plug-in was made for another contract
    ├── CancelledError                exit 1   somebody cancelled the session
    ├── UnavailableError              exit 1   the other side cannot be reached
    │   ├── ThrottledError            exit 1   the other side asks for patience
    │   ├── WorkerLostError           exit 1   a worker ended without a result, or never began
    │   └── ChunksMovedError          exit 1   a collection moved what a worker was told of
    ├── OutOfSpaceError               exit 1   the store or target is full
    └── InterruptedByUserError        exit 130 Ctrl-C; the last line says whether to run it again

Every error says what happened, why, and what to do; the code is stable and stands in docs/errors.md. Foreign exceptions
become one of these at one place in each adapter.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar


class HoldfastError(Exception):
    """Something failed; `what` happened, `why` it did, and its `cure`, each one line for a person."""

    code: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str, cure: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


class UsageError(HoldfastError):
    """The words of the call cannot be meant as they stand."""

    code = "usage"
    exit_status = 2


class MissingExtraError(UsageError):
    """The command belongs to an extra of the distribution that is not installed."""

    code = "missing-extra"


class NotFoundError(HoldfastError):
    """What was named does not exist."""

    code = "not-found"
    exit_status = 4


class ObjectNotFoundError(NotFoundError):
    """A store has no object under this key; `key` is relative to the repository."""

    code = "object-not-found"

    def __init__(self, key: str, *, why: str = "the store has no object under this key", cure: str = "") -> None:
        super().__init__(f"object {key} not found", why=why, cure=cure or "run `holdfast repository check`")
        self.key = key


class SourceGoneError(NotFoundError):
    """The source (a snapshot, a file) vanished while it was read."""

    code = "source-gone"


class PluginMissingError(NotFoundError):
    """What was asked for is done by a plug-in that is not installed."""

    code = "plugin-missing"


class PermissionDeniedError(HoldfastError):
    """Credentials are missing, invalid, or lack a right."""

    code = "permission-denied"
    exit_status = 5


class WrongKeyError(PermissionDeniedError):
    """No intact key slot opens with the password, recovery code or KMS key given."""

    code = "wrong-key"


class NotAuthenticatedError(PermissionDeniedError):
    """A request without a token or certificate that is known."""

    code = "not-authenticated"


class CertificateError(PermissionDeniedError):
    """The other side shows another certificate than the one that was pinned."""

    code = "certificate"


class IntegrityError(HoldfastError):
    """Damage was found; `objects` names the damaged repository objects."""

    code = "damaged"
    exit_status = 6

    def __init__(self, what: str, *, why: str, cure: str, objects: tuple[str, ...] = ()) -> None:
        super().__init__(what, why=why, cure=cure)
        self.objects = objects


def damaged_objects(error: HoldfastError) -> tuple[str, ...]:
    """Those that an error names as damaged; none where it is of something else."""
    return error.objects if isinstance(error, IntegrityError) else ()


class FormatError(IntegrityError):
    """Bytes that are no valid structure of the repository format."""

    code = "bad-format"

    def __init__(self, what: str, *, why: str, cure: str = "run `holdfast repository check`", key: str = "") -> None:
        super().__init__(what, why=why, cure=cure, objects=(key,) if key else ())


class UnreadableError(IntegrityError):
    """An object is there, and nobody here may read it, while all others are read: what it says is not known."""

    code = "unreadable"


class ConflictError(HoldfastError):
    """Something else already stands where this should go."""

    code = "conflict"
    exit_status = 7


class ObjectExistsError(ConflictError):
    """A write-once key is taken; `key` is relative to the repository."""

    code = "object-exists"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"object {key} exists already",
            why="every object of a repository is written once",
            cure="run the command again; it takes a new name",
        )
        self.key = key


class KeyPinError(ConflictError):
    """The repository's key or ledger is not the one this party remembers for the location."""

    code = "key-pin"


class RollbackError(KeyPinError):
    """The repository is not what it was when this party saw it last: the store was set back, or the ledger forked."""

    code = "rolled-back"


class LeaseHeldError(ConflictError):
    """In a repository in single-writer mode another party holds the lease."""

    code = "lease-held"


class SecondWriterError(ConflictError):
    """In a repository in single-writer mode this party has lost the lease, or another one wrote in spite of it."""

    code = "second-writer"


class QuotaReachedError(ConflictError):
    """A quota of the AWS account, or a limit that was set here, leaves no room now."""

    code = "quota-reached"


class NeedsRetrievalError(HoldfastError):
    """What is to be read lies in an archive class: somebody must ask for it, wait, and pay. `packs`: the objects of a
    repository that it is about, where a plan did not know of them.
    """

    code = "needs-retrieval"
    exit_status = 8

    def __init__(self, what: str, *, why: str, cure: str, packs: tuple[str, ...] = ()) -> None:
        super().__init__(what, why=why, cure=cure)
        self.packs = packs


class LocksEndingError(HoldfastError):
    """Locks of an immutable repository end before a promise does: they could not be renewed for a week."""

    code = "locks-ending"


class UnsupportedFormatError(HoldfastError):
    """The repository was made by a newer Holdfast or uses what this one does not know."""

    code = "unsupported-format"


class PluginContractError(HoldfastError):
    """A plug-in was made for another version of the plug-in contract."""

    code = "plugin-contract"


class CancelledError(HoldfastError):
    """Somebody cancelled the session that this belongs to."""

    code = "cancelled"


class UnavailableError(HoldfastError):
    """The other side cannot be reached, or answered with a passing fault."""

    code = "unavailable"


class ThrottledError(UnavailableError):
    """The other side asks for patience; trying again later is right. `in_words`: it said so, and not merely by a status
    that a gateway with nothing behind it has, too.
    """

    code = "throttled"
    in_words = False


class WorkerLostError(UnavailableError):
    """A worker ended without a result, fell silent, or never began."""

    code = "worker-lost"


class ChunksMovedError(UnavailableError):
    """What a worker was told of has been moved meanwhile, by a collection; told anew it goes on."""

    code = "chunks-moved"


class OutOfSpaceError(HoldfastError):
    """The store or target has no room left."""

    code = "out-of-space"


class InterruptedByUserError(HoldfastError):
    """The person at the keyboard stopped the command."""

    code = "interrupted"
    exit_status = 130


def error_again(
    code: str, what: str, *, why: str, cure: str, exit_status: int = 1, objects: Sequence[str] = (), key: str = ""
) -> HoldfastError:
    """An error from what was stored or sent of it: of the class that has its code, else, as a newer Holdfast may know
    more codes, of the first that has its exit status.
    """
    kind = _BY_CODE.get(code) or _BY_EXIT_STATUS.get(exit_status, HoldfastError)
    error = kind.__new__(kind)
    HoldfastError.__init__(error, what, why=why, cure=cure)
    if isinstance(error, IntegrityError):
        error.objects = tuple(objects)
    if isinstance(error, NeedsRetrievalError):
        error.packs = ()  # they are for who reads, and neither stored nor sent
    if isinstance(error, ObjectNotFoundError | ObjectExistsError):
        error.key = key
    return error


def _tree(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


_BY_CODE = {kind.code: kind for kind in _tree(HoldfastError)}
# The classes nearest to the root come last, so that they are those which stay.
_BY_EXIT_STATUS = {kind.exit_status: kind for kind in reversed(list(_tree(HoldfastError)))}
