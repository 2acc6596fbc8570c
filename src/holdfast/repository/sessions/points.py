"""Restore points as a person names them: list, and find by id, prefix or `latest:WORKLOAD[@TIME]`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.domain.errors import IntegrityError, NotFoundError, UsageError
from holdfast.domain.time import format_time, parse_time
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.origin import Backup
from holdfast.repository.opening.point_object import commit_record
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import is_retired, read_point, retired_of
from holdfast.repository.trust.listing import objects_under

LATEST = "latest:"


@dataclass(frozen=True, slots=True)
class PointSummary:
    """What a list shows of a restore point. `origin`: of a copy, the backup that it is a copy of."""

    session: bytes
    key: str
    tenant: str
    workload: str
    kind: str
    created: str
    size_bytes: int
    parent: bytes | None
    origin: Backup | None

    @property
    def id(self) -> str:
        """The point's id: its session's, in hex."""
        return self.session.hex()

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "PointSummary":
        """From a ledger's commit record."""
        origin = record.get("origin")
        return cls(
            session=record["session"],
            key=record["point"],
            tenant=record["tenant"],
            workload=record["workload"],
            kind=record["kind"],
            created=record["created"],
            size_bytes=record["size"],
            parent=record.get("parent"),
            origin=None if origin is None else Backup.decode(origin),
        )


def list_points(repository: Repository, tenant: str | None = None, workload: str | None = None) -> list[PointSummary]:
    """Live points, oldest first, from the ledger; a session open there is resolved by GET of its point key (rule 2)."""
    state = repository.ledger.state
    records = dict(state.live)
    for session, record in state.open.items():
        manifest = _readable_point(repository, record["point"])
        if manifest is not None:
            records[session] = commit_record(record["point"], manifest, record["time"])
    if repository.ledger.damage:
        records.update(_found_by_key(repository, records))
    retired = retired_of(repository, records)
    points = [PointSummary.of_record(record) for session, record in records.items() if session not in retired]
    chosen = [
        point
        for point in points
        if (tenant is None or point.tenant == tenant) and (workload is None or point.workload == workload)
    ]
    return sorted(chosen, key=lambda point: (point.created, point.session))


def _found_by_key(repository: Repository, known: Mapping[bytes, object]) -> dict[bytes, Mapping[str, Any]]:
    """Points that a damaged ledger may hide."""
    found: dict[bytes, Mapping[str, Any]] = {}
    for info in objects_under(repository.store, names.POINTS):
        if names.session_of_point(info.key) in known:
            continue
        manifest = _readable_point(repository, info.key)
        if manifest is not None:
            found[manifest.session] = commit_record(info.key, manifest, manifest.committed)
    return found


def _readable_point(repository: Repository, key: str) -> Manifest | None:
    """The point at that key, None where there is none or it does not open, which is left to `check` to say."""
    try:
        return read_point(repository, key)
    except IntegrityError:
        return None


def stands(repository: Repository, point: PointSummary) -> bool:
    """Whether the object that is this point is there and opens."""
    return _readable_point(repository, point.key) is not None


def find_point(repository: Repository, text: str, tenant: str | None) -> PointSummary:
    """The one point (of any tenant where `tenant` is None) that `text` names: an id, a unique prefix of one, or
    `latest:WORKLOAD[@TIME]`.
    """
    points = list_points(repository, tenant)
    if text.startswith(LATEST):
        return _latest(points, text.removeprefix(LATEST))
    if not text:
        raise UsageError("no restore point was named", why="the name is empty", cure="give an id or latest:WORKLOAD")
    found = [point for point in points if point.id.startswith(text.lower())]
    if not found:
        raise NotFoundError(
            f"no restore point begins with {text}",
            why=f"{len(points)} points were looked at",
            cure="see `holdfast image list`",
        )
    if len(found) > 1:
        raise UsageError(
            f"{text} is not unique", why=f"{len(found)} restore points begin with it", cure="write more of the id"
        )
    return found[0]


def _latest(points: list[PointSummary], text: str) -> PointSummary:
    """The newest of a workload, at or before a time where one is given after the last @."""
    of_workload = [point for point in points if point.workload == text]
    limit = ""
    if not of_workload and "@" in text:
        workload, _, moment = text.rpartition("@")
        limit = format_time(parse_time(moment))
        of_workload = [point for point in points if point.workload == workload and point.created <= limit]
    if not of_workload:
        raise NotFoundError(
            f"there is no restore point {LATEST}{text}",
            why="no point of that workload" + (f" is as old as {limit}" if limit else " exists"),
            cure="see `holdfast image list`",
        )
    return of_workload[-1]


def load_manifest(repository: Repository, point: PointSummary) -> Manifest:
    """The point's manifest, by GET, after making sure that it is not retired (rule 2). Raises NotFoundError."""
    if is_retired(repository, point.session):
        raise NotFoundError(
            f"restore point {point.id} is no more", why="it was deleted meanwhile", cure="see `holdfast image list`"
        )
    manifest = read_point(repository, point.key)
    if manifest is None:
        raise NotFoundError(
            f"restore point {point.id} is missing",
            why=f"the ledger knows it, and {point.key} holds none",
            cure="bring it back from a copy of the store; `holdfast repository check` says what else is missing",
        )
    return manifest
