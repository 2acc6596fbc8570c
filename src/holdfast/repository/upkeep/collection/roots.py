"""What must be kept readable: from a reading of the ledger to its end, never from a LIST (rule 4.2)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format import retirement as retirement_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.opening.point_object import seen_point_object
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import read_point


@dataclass(frozen=True, slots=True)
class Roots:
    """`points`: live ones and those of open sessions. `pinned`: of them and of retired ones, those that somebody reads.
    `opened`: sessions that had not ended when the ledger was read.
    """

    points: tuple[Manifest, ...]
    pinned: tuple[Manifest, ...]
    opened: frozenset[bytes]


def read_roots(repository: Repository, known: dict[bytes, Manifest]) -> Roots:
    """Every root as of now. `known` saves requests: manifests are written once; it grows.

    Raises IntegrityError where a root is damaged or missing, UnavailableError where one is there and is not shown: then
    nothing may be deleted.
    """
    state = repository.ledger.whole()
    live = _manifests(repository, known, ((record["session"], str(record["point"])) for record in state.live.values()))
    for record in state.live.values():
        if record["session"] not in live:
            raise _missing(str(record["point"]))
    opened = _manifests(
        repository, known, ((record["session"], str(record["point"])) for record in state.open.values())
    )
    for session in state.open.keys() - opened.keys():
        manifest = _asked_again(repository, str(state.open[session]["point"]))
        if manifest is not None:
            opened[session] = known[session] = manifest
    points = {**live, **opened}
    read = {point for record in state.pins.values() for point in record["points"]}
    gone = _manifests(repository, known, _retired_keys(repository, read - points.keys()))
    return Roots(
        points=tuple(points.values()),
        pinned=tuple(manifest for session, manifest in {**points, **gone}.items() if session in read),
        opened=frozenset(state.open),
    )


def _retired_keys(repository: Repository, sessions: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    """Where retired points stand, as their retirements say. A session that has none either never was a point."""
    for session in sorted(sessions):
        try:
            body = repository.sealed.read(names.retired(session), Kind.RETIREMENT)[1]
        except ObjectNotFoundError:
            continue
        yield session, retirement_form.decode(body).point


def _manifests(
    repository: Repository, known: dict[bytes, Manifest], keys: Iterable[tuple[bytes, str]]
) -> dict[bytes, Manifest]:
    """Those that are points, by session."""
    wanted = dict(keys)
    unknown = [(session, key) for session, key in wanted.items() if session not in known]
    known.update((session, manifest) for session, manifest in _read(repository, unknown) if manifest is not None)
    return {session: known[session] for session in wanted if session in known}


def _read(repository: Repository, keys: list[tuple[bytes, str]]) -> Iterator[tuple[bytes, Manifest | None]]:
    manifests = repository.surroundings.transfer.map(lambda item: read_point(repository, item[1]), keys)
    return zip((session for session, _key in keys), manifests, strict=True)


def _asked_again(repository: Repository, key: str) -> Manifest | None:
    """The point under a name that showed none: it came meanwhile, or that answer was wrong."""
    found = seen_point_object(repository.sealed, repository.ledger.state, key)
    return None if found is None or found.manifest is None else read_point(repository, key)


def _missing(key: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is missing, and the ledger counts it as a restore point",
        why="it was removed, or this store does not show all that it holds",
        cure="bring it back from the bucket's older versions; collect nothing before",
        objects=(key,),
    )
