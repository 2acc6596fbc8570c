"""Repositories and images without a server: the one place that puts store, key, surroundings, source and target
together.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import HoldfastError, SecondWriterError, UsageError, WrongKeyError
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.images.changed_blocks import parse_changed_blocks
from holdfast.images.file_errors import translated
from holdfast.repository.block_source import BlockReference, BlockTarget
from holdfast.repository.copying.copy import CopyReport, copy_points, plan_copy
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.crypto.password import MEMORY_KIB
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.health.checking.scrub import ScrubReport, scrub
from holdfast.repository.health.checking.verify import VerifyReport, verify_point
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
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Progress
from holdfast.repository.reading.restore import RestoreReport, restore_volume
from holdfast.repository.reading.retrieval import retrieving
from holdfast.repository.reading.retrieval.plan import RetrievalPlan, plan_for_packs, plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import KeepingProgress, Retrieval
from holdfast.repository.sessions.points import PointSummary, find_point, list_points, load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.counting import RequestCounts
from holdfast.repository.stores.location import asked_class, open_store
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.upkeep.renewal.renew import RenewalReport
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_stream, backup_volume
from holdfast.wiring import collecting
from holdfast.wiring.existing_store import open_existing
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.location_memory import FileLocationMemory, ReadOnlyMemory, home_folder
from holdfast.wiring.password_words import PASSWORD, PasswordWords
from holdfast.wiring.process_vigil import ProcessVigil
from holdfast.wiring.sources import STREAM, open_source
from holdfast.wiring.targets import open_target

TRANSFER_WIDTH = 4

Warn = Callable[[str], None]
# A store's Date is to the second, and on its way for some.
_CLOCK_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LocalRepository:
    """An open repository and the requests that its store was asked so far."""

    repository: Repository
    counts: RequestCounts
    memory: LocationMemory

    @property
    def requests(self) -> dict[str, int]:
        """Requests so far, by kind: get, put, list, head."""
        counts = self.counts.requests
        return {kind: counts[kind] for kind in ("get", "put", "list", "head")}


@contextmanager
def machine_surroundings() -> Iterator[Surroundings]:
    """This machine's clock, randomness and threads. When the work fails or is stopped, what is queued is dropped."""
    cores = len(os.sched_getaffinity(0))
    compute = ThreadPoolExecutor(cores, "compute")
    transfer = ThreadPoolExecutor(2 * TRANSFER_WIDTH, "transfer")
    finished = False
    try:
        yield Surroundings(
            now=lambda: datetime.now(UTC),
            random_bytes=os.urandom,
            compute=compute,
            transfer=transfer,
            compute_width=cores,
            transfer_width=TRANSFER_WIDTH,
            pause=time.sleep,
            party=f"{socket.gethostname()}, process {os.getpid()}",
        )
        finished = True
    finally:
        for executor in (compute, transfer):
            executor.shutdown(wait=finished, cancel_futures=True)


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
    """Open the repository at `location` and, when the work in it succeeded, remember it as it was left.

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
        with _given_back(repository, warn):
            yield LocalRepository(repository, counts, memory)
        remember(repository, memory)


def _tell_of_clock(repository: Repository, warn: Warn) -> None:
    ahead = repository.clock_ahead()
    if abs(ahead) > _CLOCK_TOLERANCE:
        seconds = round(abs(ahead).total_seconds())
        warn(
            f"this machine's clock is {seconds} s {'ahead of' if ahead > timedelta(0) else 'behind'} that of "
            f"{repository.store.location}: promises are judged by the latter; set this one right"
        )


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


def collect(opened: LocalRepository, wish: CollectionWish, progress: Progress) -> Collected:
    """One collection, with this machine's clock to wait by."""
    collected = collecting.collect(opened.repository, wish, progress, time.sleep)
    remember(opened.repository, opened.memory, plan_epoch=collected.plan)
    return collected


def renew_locks(opened: LocalRepository, progress: Progress, *, dry_run: bool) -> RenewalReport:
    """Make the locks of an immutable repository last. Raises UsageError, LocksEndingError."""
    return collecting.renew(opened.repository, progress, dry_run=dry_run)


def _unlocked(
    store: ObjectStore, password: bytes | None, surroundings: Surroundings, words: PasswordWords
) -> Repository:
    try:
        return open_repository(store, Secret(password, LazyKeyService()), surroundings)
    except WrongKeyError as error:
        if password is not None:
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


def copy(there: LocalRepository, here: LocalRepository, order: CopyOrder, progress: Progress) -> CopyReport:
    """Copy restore points of the one into the other."""
    return copy_points(there.repository, here.repository, order, progress, ProcessVigil(home_folder()))


def backup_order(
    opened: LocalRepository, workload: str, parent: str | None, compression: str, keep: timedelta | None
) -> BackupOrder:
    """What to back up as what; `compression`: fast, default or best. `keep`: how long from now it is promised to be
    there.
    """
    keep_until = None if keep is None else opened.repository.surroundings.now() + keep
    return BackupOrder(workload, parent, level=CompressionLevel[compression.upper()], keep_until=keep_until)


def back_up(
    opened: LocalRepository, source: str, order: BackupOrder, changed_blocks: Path | None, progress: Progress
) -> BackupReport:
    """Back up what `source` names: a file, a device, `-` or `ebs:snap-…`."""
    if source == STREAM:
        if changed_blocks is not None:
            raise UsageError(
                "a stream takes no list of changed blocks",
                why="its chunks are found by their content",
                cure="leave --changed-blocks out",
            )
        if sys.stdin.isatty():
            raise UsageError(
                "standard input is a terminal", why="nothing is piped into it", cure="pipe something, or name a file"
            )
        return backup_stream(opened.repository, sys.stdin.buffer, order, progress)
    with closing(open_source(source, progress.note)) as volume:
        listed = None if changed_blocks is None else partial(_listed_blocks, changed_blocks)
        return backup_volume(opened.repository, volume, order, progress, listed, ProcessVigil(home_folder()))


def target(text: str, point: PointSummary, tell: Callable[[str], None], *, force: bool) -> BlockTarget:
    """What `text` names for a volume of the point: a file, a device, `-` or `ebs:`. Nothing is written yet;
    `tell` is given a line where AWS is waited for.
    """
    return open_target(text, point, tell, force=force)


def restore(
    opened: LocalRepository,
    point: PointSummary,
    place: BlockTarget,
    retrieved: Retrieval,
    progress: Progress,
    volume: str | None,
) -> RestoreReport:
    """Restore a volume of the point to `place`; copies that were retrieved for it are kept while it goes on."""
    return restore_volume(opened.repository, point, place, KeepingProgress(progress, retrieved), volume)


def retrieval(opened: LocalRepository, point: PointSummary, volume: str | None, *, whole: bool) -> Retrieval:
    """What has to be retrieved before that volume, or with `whole` all of the point, can be read. Asks for nothing."""
    return Retrieval(opened.repository, plan_retrieval(opened.repository, point, None if whole else (volume,)))


def retrieval_for_copy(there: LocalRepository, here: LocalRepository, order: CopyOrder) -> Retrieval:
    """What has to be retrieved of `there` before those points can be copied to `here`. Asks for nothing."""
    source = there.repository
    if source.config.archive_class is None:
        return Retrieval(source, RetrievalPlan((), None))
    estimates = plan_copy(source, here.repository, order).estimates
    packs = frozenset(pack for one in estimates for pack in one.packs)
    return Retrieval(source, plan_for_packs(source, tuple(one.point.session for one in estimates), packs))


def retrieve(
    opened: LocalRepository, wanted: Retrieval, order: RetrievalOrder, progress: Progress, *, wait: bool
) -> int:
    """Ask for it, and wait with this machine's clock; how many packs were asked for."""
    return retrieving.retrieve(opened.repository, wanted, order, progress, time.sleep if wait else None)


def find(opened: LocalRepository, point: str) -> PointSummary:
    """The point that a person named."""
    return find_point(opened.repository, point, None)


def points(opened: LocalRepository, workload: str | None) -> list[PointSummary]:
    """Restore points, oldest first."""
    return list_points(opened.repository, None, workload)


def manifest(opened: LocalRepository, point: str) -> Manifest:
    """Everything that a point says of itself."""
    return load_manifest(opened.repository, find(opened, point))


def delete(opened: LocalRepository, point: PointSummary) -> None:
    """Retire a point: it is no more, and what only it needs may be collected one day."""
    retire(opened.repository, point.session, point.key)


def verify(opened: LocalRepository, point: PointSummary, retrieved: Retrieval, progress: Progress) -> VerifyReport:
    """Read all of a point as a restore would; copies that were retrieved for it are kept while it goes on."""
    return verify_point(opened.repository, point, KeepingProgress(progress, retrieved))


def scrubbed(location: str, percent: int, progress: Progress) -> ScrubReport:
    """Read a repository that need not be opened, and so much of its packs."""
    with machine_surroundings() as surroundings, closing(open_existing(location)) as store:
        return scrub(store, surroundings, percent, progress)


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


def _listed_blocks(path: Path, size_bytes: int) -> Iterator[BlockReference]:
    with translated(path), path.open(encoding="utf-8", errors="replace") as lines:
        return parse_changed_blocks(lines, size_bytes)
