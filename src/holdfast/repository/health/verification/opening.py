"""Packs that somebody else has read whole serve other workloads too: a further part of their session's index run.

Rule 7, in this order: the newest plan, the packs, the run. Nothing of a row is the worker's word: directories are
opened here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.delegation.results import ReadPack
from holdfast.repository.delegation.tasks import PackOrder
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.plans import plan_to_write_under
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.pack_directory import PackDirectory, read_directory
from holdfast.repository.sessions.recorded_packs import manifests_of
from holdfast.repository.sessions.session import WriterSession
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.vouching import vouching_of
from holdfast.repository.writing.commit import write_index_runs


def open_to_others(
    repository: Repository, point: Manifest, orders: Iterable[PackOrder], good: Mapping[bytes, ReadPack]
) -> int:
    """Write index runs of what was read and serves its own workload alone until now; how many packs."""
    plan = plan_to_write_under(repository.sealed, repository.ledger.state.plan_epoch)
    tenant_id, tenant = repository.tenant_id(point.tenant), repository.tenant(point.tenant)
    access = repository.access_with(tenant_id, tenant.keys)
    by_session: dict[bytes, list[PackOrder]] = defaultdict(list)
    for one in orders:
        if one.recorded and one.row.pack not in plan.condemned:
            by_session[one.row.session].append(one)
    live, opened = repository.ledger.state.live, 0
    for session, manifest in manifests_of(repository, sorted(by_session.keys() & live.keys())):
        known = _verified_packs(repository, access, tenant_id, session, plan)
        new = [one for one in by_session[session] if one.row.pack not in known]
        index, found = ChunkIndex(plan.condemned, access.surroundings.scratch), 0
        for one, directory in few_at_once(repository.surroundings, lambda one: _directory(access, one), new):
            if directory is None:
                continue
            if len(directory.entries) != good[one.row.pack].chunks:
                raise untrue(one.row.pack)
            for located in directory.located():
                index.add(located.id, CHUNK_TYPE_DATA, located.place)
            found += 1
        owner = WriterSession(
            repository=repository,
            tenant=tenant,
            tenant_id=tenant_id,
            workload=manifest.workload,
            workload_id=tenant.keys.workload_id(manifest.workload),
            session=session,
            plan=plan,
            started=manifest.created,
        )
        write_index_runs(owner, index, verified=True)
        opened += found
    return opened


def untrue(pack: bytes) -> IntegrityError:
    """The refusal of a result that calls that pack good."""
    key = names.pack(pack)
    return IntegrityError(
        f"the worker says that {key} is good, and it is not",
        why="a chunk of it, read here, does not open, or the pack has another number of them",
        cure="verify the point again: where that finds damage, it has come since; where not, find out what ran there",
        objects=(key,),
    )


def _directory(access: TenantAccess, order: PackOrder) -> PackDirectory | None:
    """Of a pack that stands as its manifest recorded it, None where it does not any more."""
    try:
        read = read_directory(access, order.row.pack, order.row.session)
    except ObjectNotFoundError:
        return None
    same = read.info.size_bytes == order.size_bytes and read.info.sha256 in (None, order.sha256)
    return read if same and read.header.kid == order.row.kid and not read.header.holds_maps else None


def _verified_packs(
    repository: Repository, access: TenantAccess, tenant_id: bytes, session: bytes, plan: Plan
) -> set[bytes]:
    """Packs that runs of the session open to others already; one that a LIST leaves out costs another such run."""
    found: set[bytes] = set()
    for info in list(objects_under(repository.store, f"{names.index_runs(tenant_id)}{session.hex()}-")):
        try:
            run = access.read_index_run(info.key, vouching_of(plan))
        except (IntegrityError, ObjectNotFoundError):
            continue  # `check` names it
        if run.verified:
            found.update(run.packs.ids())
    return found
