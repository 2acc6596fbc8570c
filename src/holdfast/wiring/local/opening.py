"""A repository is opened, or made: store, key, surroundings and what this machine remembers are put together."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from holdfast.domain.errors import HoldfastError, KeyPinError, SecondWriterError, UsageError, WrongKeyError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.crypto.password import MEMORY_KIB
from holdfast.repository.format import names
from holdfast.repository.keys.slots import PasswordCost, Secret
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.memory_of_locations import LocationMemory, recognise, remember
from holdfast.repository.opening.repository import (
    NewRepository,
    Repository,
    create_repository,
    open_repository,
    require_class,
)
from holdfast.repository.retrieval_jobs import OpenJobs, no_jobs
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.stores.location import ROLE_VARIABLE, asked_class, open_retrieval_jobs, open_store
from holdfast.repository.surroundings import CLOCK_TOLERANCE, Surroundings
from holdfast.repository.upkeep.renewal.notice import ending
from holdfast.wiring.existing_store import open_existing
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.location_memory import FileLocationMemory, ReadOnlyMemory, home_folder
from holdfast.wiring.machine import machine_surroundings
from holdfast.wiring.password_words import PASSWORD, PasswordWords

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LocalRepository:
    """An open repository and the requests that its store was asked so far; `jobs`: those of its place."""

    repository: Repository
    counts: RequestCounts
    memory: LocationMemory
    jobs: OpenJobs = no_jobs

    @property
    def requests(self) -> dict[str, int]:
        """Requests so far, by kind: get, put, list, head."""
        counts = self.counts.requests
        return {kind: counts[kind] for kind in ("get", "put", "list", "head")}


@contextmanager
def opened(
    location: str,
    password: bytes | None,
    warn: Warn,
    *,
    accept_ledger: bool = False,
    remembering: bool = True,
    words: PasswordWords = PASSWORD,
) -> Iterator[LocalRepository]:
    """Open the repository at `location` and remember it as it was left, also by work that failed: what was committed
    before must not go away unseen. Afterwards it is told where locks end soon and nobody has renewed them.

    `password`: a password or recovery code; None tries the slots of a key service. `accept_ledger`: a person said that
    what is there now is right. Without `remembering` what is remembered is compared and left as it is. `words`: how a
    person would have given the password.
    """
    counts = RequestCounts()
    memory: LocationMemory = FileLocationMemory(home_folder(), warn)
    if not remembering:
        memory = ReadOnlyMemory(memory)
    with machine_surroundings() as surroundings, closing(open_existing(location, counts)) as store:
        repository = _unlocked(store, password, surroundings, words)
        require_class(repository, asked_class(location))
        _tell_of_clock(repository, warn)
        recognise(repository, memory, accept=accept_ledger)
        try:
            with _given_back(repository, warn):
                jobs = partial(open_retrieval_jobs, location, os.environ.get(ROLE_VARIABLE))
                yield LocalRepository(repository, counts, memory, jobs)
        except KeyPinError:
            raise  # it is not what it was, and what was remembered is right
        except BaseException:
            with suppress(HoldfastError):  # what happened before it is told
                remember(repository, memory)
            raise
        remember(repository, memory)
        tell_of_locks(repository, warn)


def _tell_of_clock(repository: Repository, warn: Warn) -> None:
    ahead = repository.clock_ahead()
    if abs(ahead) > CLOCK_TOLERANCE:
        seconds = round(abs(ahead).total_seconds())
        warn(
            f"this machine's clock is {seconds} s {'ahead of' if ahead > timedelta(0) else 'behind'} that of "
            f"{repository.store.location}: promises are judged by the latter; set this one right"
        )


def tell_of_locks(repository: Repository, warn: Warn) -> None:
    """A warning where locks of an immutable repository begin to end within 72 hours and nobody has renewed them."""
    if told := ending(repository):
        command = f"holdfast repository renew-locks {shlex.quote(repository.store.location)}"
        warn(f"{told} and nobody renews them: run `{command}`, once a day")


@contextmanager
def _given_back(repository: Repository, warn: Warn) -> Iterator[None]:
    """In single-writer mode the lease is given back, whatever happened; where that fails the work done counts still."""
    try:
        yield
    except BaseException:
        with suppress(SecondWriterError):  # what happened before it is told
            _give_back(repository, warn)
        raise
    _give_back(repository, warn)


def _give_back(repository: Repository, warn: Warn) -> None:
    try:
        repository.give_back()
    except SecondWriterError:
        raise
    except HoldfastError as error:
        warn(f"the lease could not be given back ({error}): nobody else writes until it is taken over, in an hour")


def _unlocked(
    store: ObjectStore, password: bytes | None, surroundings: Surroundings, words: PasswordWords
) -> Repository:
    try:
        return open_repository(store, Secret(password, LazyKeyService()), surroundings)
    except WrongKeyError as error:
        if password is not None:
            if words is not PASSWORD:
                error.cure = f"{words.cure}, with a password or recovery code of {store.location}"
            raise
        raise WrongKeyError(
            f"{store.location} does not open without a password",
            why="none was given, there is nobody to ask, and it has no slot of a key service that opens",
            cure=f"{words.cure}; the recovery code opens it too",
        ) from error


@contextmanager
def initialised(
    location: str,
    warn: Warn,
    password: bytes | None,
    kms_key: str | None,
    kdf_memory_bytes: int,
    *,
    suite: int = DEFAULT_SUITE,
    immutable: bool = False,
) -> Iterator[NewRepository]:
    """Make a repository; what was remembered of the location is replaced. Raises UsageError where no key is given."""
    if password is None and kms_key is None:
        raise UsageError(
            "a repository needs a key",
            why="no password was given, there is nobody to ask, and no --kms-key",
            cure=f"{PASSWORD.cure}, or add --kms-key KEY",
        )
    with machine_surroundings() as surroundings, closing(open_store(location)) as store:
        new = create_repository(
            store,
            surroundings,
            password=password,
            cost=password_cost(kdf_memory_bytes),
            wrapper=None if kms_key is None else LazyKeyService(),
            kms_key=kms_key,
            archive_class=asked_class(location),
            suite=suite,
            immutable=immutable,
        )
        remember(new.repository, FileLocationMemory(home_folder(), warn), forget=True)
        yield new


def holds_others(store: ObjectStore) -> bool:
    """Whether the place has anything of somebody else, as far as it may be looked at."""
    with suppress(HoldfastError):
        return any(not names.is_object(info.key) for info in store.list(""))
    return False


def password_cost(kdf_memory_bytes: int) -> PasswordCost:
    """What each try of a new password costs. Raises UsageError for what a reader would refuse."""
    low, high = MEMORY_KIB
    if not low <= kdf_memory_bytes // 1024 <= high:
        raise UsageError(
            f"--kdf-memory of {kdf_memory_bytes} bytes is not allowed",
            why="less protects too little, more locks small machines out (docs/format/repository.md, section 5)",
            cure=f"choose from {low // 1024}MiB to {high // 1024}MiB",
        )
    return PasswordCost(memory_kib=kdf_memory_bytes // 1024)
