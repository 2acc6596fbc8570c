"""The port to repositories: what the appliance does in one, around the work of a worker.

`wiring/appliance.py` fits `holdfast.repository` to it. A session here is the repository's (16 bytes in hex), not the
appliance's.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.retrieval import ColdData, RetrievalOrder
from holdfast.domain.verification import DamagedObject


@dataclass(frozen=True, slots=True)
class SourceVolume:
    """A volume to back up: `name` (its device) stays the same over a workload's points; `source` says what to read."""

    name: str
    source: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PreparedWork:
    """What was prepared for a worker; session and attempt say where its task lies. `scratch_key` is the one key that it
    gets, and is never stored. `base_snapshots`: what changed since these is asked for, where they still are.
    `locks_until`: the worker locks what it writes, no longer than that; None where nothing is locked. `copied_from`:
    the location of the repository that a copy reads. `reads_versions`: some of what is read lies under what others have
    put over it. `warnings`: lines for a person, from when the session was opened; `alarms`: what somebody has to see to
    in the repository, whatever comes of this.
    """

    session: str
    repository_id: str
    location: str
    kid: int
    scratch_key: bytes
    base_snapshots: tuple[str, ...] = ()
    locks_until: datetime | None = None
    copied_from: str = ""
    reads_versions: bool = False
    warnings: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A committed point of a repository; `created` is RFC 3339, as `points` says it."""

    point: str
    created: str
    parent: str | None
    size_bytes: int
    read_bytes: int
    changed_bytes: int
    stored_bytes: int
    compared_everything: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PointVolume:
    """A volume in a point."""

    name: str
    size_bytes: int
    source: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VolumeTarget:
    """Where a volume of a point goes: `target` is {"kind": "ebs", "region": …, "tags": {…}, …}."""

    name: str
    target: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Examined:
    """A repository that opened: its id, hex, and one line on how it was seen, for others to compare with."""

    repository_id: str
    seen: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of a verification; `opened_packs` serve other workloads' deduplication from now on."""

    packs: int
    chunks: int
    read_bytes: int
    damage: tuple[DamagedObject, ...]
    opened_packs: int


class BackupRepository(Protocol):
    """An open repository."""

    @property
    def repository_id(self) -> str:
        """Its id, hex."""

    @property
    def archive_class(self) -> ArchiveClass | None:
        """Where its data lies, if it is an archive: what lies there is read once it has been retrieved."""

    def new_session(self) -> str:
        """The id of a session that is not open yet; remembered before it is opened, so that none is ever lost."""

    def prepare_backup(
        self,
        session: str,
        attempt: int,
        tenant: str,
        workload: str,
        volumes: Sequence[SourceVolume],
        compression: str,
        keep_until: datetime | None = None,
        avoided_packs: frozenset[str] = frozenset(),
    ) -> PreparedWork:
        """Write the sealed task of that attempt. Parents are chosen with the first attempt, and none whose map leads to
        one of `avoided_packs` (ids, hex), of which nothing is built upon. An immutable repository promises to keep the
        point until `keep_until`; others promise nothing.

        Use the session of the answer from here on: one that was opened and then cut short is ended, and another begun.
        """

    def accept_backup(self, session: str, attempt: int, configuration: bytes) -> BackedUp | None:
        """Check the worker's result and commit, with how the workload was made up in the point; None while there is no
        result. Again after a commit: the same answer.
        """

    def abandon(self, session: str) -> str | None:
        """The session is to have no point: nobody can commit it any more, its scratch is removed. Where a commit came
        first, the id of its point.
        """

    def point_volumes(self, point: str, tenant: str) -> tuple[list[PointVolume], bytes]:
        """The volumes of a point and the configuration that stands in it."""

    def prepare_restore(
        self, session: str, attempt: int, point: str, tenant: str, volumes: Sequence[VolumeTarget]
    ) -> PreparedWork:
        """Pin the point (ordering rule 7) and write the sealed task of that attempt."""

    def restored(self, session: str, attempt: int) -> Mapping[str, Mapping[str, str]] | None:
        """What the targets said, by volume: {"snapshot_id": …}; None while there is no result."""

    def cold_data(self, point: str, tenant: str, volumes: Sequence[str]) -> ColdData:
        """What a restore of these volumes reads that lies in an archive class, as it lies now; asks for nothing."""

    def retrieve(
        self,
        session: str,
        point: str,
        tenant: str,
        volumes: Sequence[str],
        order: RetrievalOrder,
        ordered: datetime,
        tell: Callable[[str], None],
    ) -> ColdData:
        """Pin the point (ordering rule 7), ask for some of what is cold, each pack once, look at what is under way, and
        keep what would go within hours; how far it is. Call it again, from another process, too: at once while there is
        something archived, then now and then until all is readable, and as long as somebody reads it; `end_reading`
        ends it. The order's days are counted from when it was `ordered`, of what can be read already, too. `tell` hears
        what was asked for, and what could not be done now.

        Raises UsageError where nothing is cold, or not retrieved so; NotFoundError for a point that is no more.
        """

    def prepare_verification(self, session: str, attempt: int, point: str, tenant: str) -> PreparedWork:
        """Pin the point and write the sealed task of that attempt: the packs that a worker is to read whole.

        Raises UsageError where a repository cannot be read back (an archive).
        """

    def verified(self, session: str, attempt: int, point: str, tenant: str) -> Verified | None:
        """What the worker's result comes to, as far as it is believed; None while there is none. Again: the same, but
        for `opened_packs`. Raises IntegrityError for a result that is refused.
        """

    def promises(self, point: str, tenant: str, until: datetime) -> bool:
        """Whether a point is kept until then by what the repository itself promised: an immutable one alone promises
        anything, and where nothing is promised nothing is missed. Raises NotFoundError for a point that is no more.
        """

    def damage_of(self, point: str, tenant: str, suspected: Mapping[str, str]) -> tuple[DamagedObject, ...]:
        """What a look at a point finds: maps that do not open, packs that are gone or not as they were written, and of
        those `suspected` (objects, and why) what is true; no cold data is read. Of a point that is no more, or does not
        open, all volumes lack something.
        """

    def has_result(self, session: str, attempt: int) -> bool:
        """Whether the worker of that attempt has left one, of which nothing is believed yet."""

    def end_reading(self, session: str) -> None:
        """Unpin and remove the scratch; again is no error."""

    def retire(self, point: str, tenant: str) -> None:
        """The point is no more; gone already is no error."""

    def points(self, tenant: str) -> list[Mapping[str, str | int]]:
        """id, workload, created, size_bytes, parent, and of a copy `copy_of`, the backup that it is of; of every live
        point, oldest first.
        """

    def remove_stale_scratch(self, sessions: Sequence[str]) -> None:
        """Remove what these sessions left under `sessions/`."""


class Copying(Protocol):
    """Two open repositories, of which one is copied into the other. A copy is a session there, as a backup is, and is
    given up like one; `reader` is a session of the repository that is read, under which the point is pinned.
    """

    def prepare_copy(
        self,
        reader: str,
        session: str,
        attempt: int,
        point: str,
        tenant: str,
        keep_until: datetime | None = None,
        avoided_packs: frozenset[str] = frozenset(),
    ) -> PreparedWork:
        """Pin the point, and write the sealed task of that attempt. What it builds upon is chosen with the first one,
        and nothing that leads to one of `avoided_packs` of the target (ids, hex). An immutable repository promises to
        keep the copy until `keep_until`; others promise nothing. A further attempt may have another reader, and takes
        over what the earlier ones have stored.

        Use the session of the answer from here on, as of `prepare_backup`. Raises NotFoundError for a point that is no
        more, UsageError for one that no worker copies (a stream).
        """

    def accept_copy(self, session: str, attempt: int) -> BackedUp | None:
        """Check the worker's result and commit; None while there is no result. Again after a commit: the same answer.
        Raises NotFoundError where the point that was copied is no more.
        """

    def end_copy(self, reader: str, session: str) -> None:
        """Unpin the point, and remove the scratch on both sides; again is no error."""


class OpenRepositories(Protocol):
    """Opens repositories by name, and keeps them open as long as it pays."""

    def open(self, name: str) -> AbstractContextManager[BackupRepository]:
        """Raises NotFoundError, WrongKeyError, IntegrityError, UnavailableError; KeyPinError for another one than this
        appliance saw there, RollbackError for one that was set back.
        """

    def copying(self, source: str, target: str) -> AbstractContextManager[Copying]:
        """Two of them at once. Raises as `open`, and UsageError for one repository under two names."""

    def examine(self, location: str, password: bytes | None, seen: str) -> Examined:
        """The repository there, if it opens with that password, and is what `seen` says, or has come of that. Raises as
        `open` does.
        """

    def accept(self, name: str) -> None:
        """A person said that the repository is right as it is now, set back or replaced: it is opened anew, and what
        was remembered of it counts no more. Raises what `open` raises.
        """

    def collect(
        self, name: str, wish: CollectionWish, tell: Callable[[str], None], stopped: Callable[[], bool]
    ) -> Collected:
        """Free what no point needs; takes long, holds up nothing else here. `tell` hears what it does, from any thread.

        Raises CancelledError soon after `stopped` is true, what `open` raises, and IntegrityError where a point or a
        chunk is missing. Stopped or killed anywhere, the next one goes on.
        """
