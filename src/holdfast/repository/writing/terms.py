"""What a session may build upon while it writes: decided when it was opened (ordering rule 3), then only read."""

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format import names
from holdfast.repository.format.plan import SERVES_ALL
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import ObjectInfo
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.sessions.session import WriterSession
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.vouching import Vouching

_NO_RECORD: ledger_form.Record = {}


@dataclass(frozen=True, slots=True)
class IndexRunOffer:
    """An index run that may be loaded. `in_force`: the plan says so; if not, only the run's own epoch can. `digest`:
    of one under a past key epoch, which counts by that alone.
    """

    key: str
    size_bytes: int
    in_force: bool
    digest: bytes | None = None

    def vouching(self, kid: int) -> Vouching:
        """For who writes under the key epoch `kid`."""
        return Vouching(kid, {} if self.digest is None else {self.key: self.digest})


@dataclass(frozen=True, slots=True)
class WritingTerms:
    """`index_runs` in the order in which they are worth loading: the workload's own newest first, then others newest
    first. No chunk of a pack in `condemned` is built upon.
    """

    session: bytes
    workload_id: bytes
    plan_epoch: int
    condemned: frozenset[bytes]
    index_runs: tuple[IndexRunOffer, ...]
    level: CompressionLevel

    def load(self, offer: IndexRunOffer, index: ChunkIndex, access: TenantAccess) -> bool:
        """Make a run's chunks known, where the terms allow it; whether that was so. An unverified run serves only its
        own workload (section 11). One that is gone or damaged costs storage; `check` names it.
        """
        try:
            run = access.read_index_run(offer.key, offer.vouching(access.keys.kid))
        except (IntegrityError, ObjectNotFoundError):
            return False
        if not (offer.in_force or run.plan_epoch >= self.plan_epoch):
            return False
        if not (run.verified or run.workload == self.workload_id):
            return False
        index.load(run)
        return True


def terms_of(session: WriterSession, level: CompressionLevel) -> WritingTerms:
    """The terms of a session that was opened just now."""
    plan = session.plan
    digests = plan.vouched or {}
    return WritingTerms(
        session=session.session,
        workload_id=session.workload_id,
        plan_epoch=plan.since,
        condemned=plan.condemned,
        index_runs=tuple(
            IndexRunOffer(info.key, info.size_bytes, info.key in plan.index_runs, digests.get(info.key))
            for info in _ranked_runs(session)
        ),
        level=level,
    )


def _ranked_runs(session: WriterSession) -> Iterator[ObjectInfo]:
    """Runs of committed sessions, and those that the plan names, that may be worth loading. One that a LIST leaves out
    costs storage, never correctness. In an archive a workload's points share chunks among themselves alone, so that a
    retrieval asks for packs that are full of what it is for.
    """
    own_alone = session.repository.config.archive_class is not None
    prefix = names.index_runs(session.tenant_id)
    live = session.repository.ledger.state.live
    ranked: list[tuple[bool, str, ObjectInfo]] = []
    for info in objects_under(session.repository.store, prefix):
        writer = names.session_of_run(info.key)
        record = live.get(writer, _NO_RECORD)
        served = session.plan.merged.get(writer, SERVES_ALL)
        own = served == session.workload_id or (bool(record) and record["workload"] == session.workload)
        if (own_alone and not own) or served not in (SERVES_ALL, session.workload_id):
            continue
        if record:
            ranked.append((own, record["created"], info))
        elif info.key in session.plan.index_runs:
            ranked.append((own, "", info))
    return (info for _own, _created, info in sorted(ranked, key=lambda item: item[:2], reverse=True))
