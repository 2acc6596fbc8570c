"""Restore points that other appliances of the server have: who rescans a repository leaves these to them.

The mirror may be a moment behind, or be collected anew just now: whoever answers is asked for what it tells beyond it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.domain.errors import HoldfastError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord, RepositoryRescanOrder
from holdfast.protocol.encoding import from_document
from holdfast.server.connections import ApplianceConnections
from holdfast.server.ports.records import Records

_PAGE = 500
# A body has at most 1 MiB, and an id takes 35 bytes of it.
_IDS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Ids of points in repositories, in order; a warning for each appliance whose newest ones are not known."""

    ids: tuple[str, ...]
    warnings: tuple[str, ...]


class PointsElsewhere:
    """Asks the mirror, and appliances."""

    def __init__(self, records: Records, connections: ApplianceConnections) -> None:
        self._records = records
        self._connections = connections

    def of_others(self, appliance: Appliance) -> Elsewhere:
        """What all others have."""
        ids: set[str] = set()
        warnings = []
        for other in self._records.appliances.all():
            if other.name == appliance.name or other.state == ApplianceState.DEPLOYING:
                continue
            known = self._records.mirror.documents("point", other.name)
            ids |= {one.id for one in known if one.document["repository"] is not None}
            try:
                for change in self._news(other):
                    if change.document is None:
                        ids.discard(change.id)
                    elif change.document["repository"] is not None:
                        ids.add(change.id)
            except HoldfastError as error:
                warnings.append(
                    f"appliance {other.name} cannot be asked for its newest restore points, which may be taken on; "
                    f"rescan again when it answers, or when it is no more and removed ({error.what}: {error.why})"
                )
        return Elsewhere(tuple(sorted(ids)), tuple(warnings))

    def _news(self, appliance: Appliance) -> Iterator[ChangeRecord]:
        """Changes of points that the mirror may not have; some that it has among them."""
        reached = appliance.synced_usn
        while True:
            query = {"after": str(reached), "limit": str(_PAGE)}
            answer = self._connections.send(appliance, "GET", "/changes", query=query)
            page = from_document(ChangePage, answer, "what an appliance says of its changes")
            yield from (change for change in page.changes if change.kind == "point")
            if not page.changes:
                return
            reached = page.changes[-1].usn


def orders_without(ids: Sequence[str]) -> Iterator[RepositoryRescanOrder]:
    """What to take on but for these, which are in order: all, in as many parts as there are bodies needed."""
    after = ""
    for begin in range(0, max(len(ids), 1), _IDS_AT_ONCE):
        portion = tuple(ids[begin : begin + _IDS_AT_ONCE])
        up_to = portion[-1] if begin + _IDS_AT_ONCE < len(ids) else ""
        yield RepositoryRescanOrder(portion, after, up_to)
        after = up_to
