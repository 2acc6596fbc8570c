"""What stands under older keys is handed over to a key epoch that begins (section 21)."""

from collections.abc import Iterator, Mapping

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.ledger import Record
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.plans import plan_to_write_under
from holdfast.repository.opening.point_object import read_point_object
from holdfast.repository.opening.repository import Repository
from holdfast.repository.opening.unknown_points import require_known
from holdfast.repository.sessions.session import record_commit, record_retirements
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import all_keys
from holdfast.repository.trust.vouching import digest_of


def vouched_for(repository: Repository) -> Mapping[str, bytes]:
    """What a new epoch vouches for, by key and digest: `config` and the tenants as they stand and count now, and the
    checkpoint that the ledger was read from, for the batches before it may be gone (rule 9.2). Tenants are those that a
    LIST shows, and those that the ledger has a session of. Raises IntegrityError where one does not open: nobody would
    believe it any more.
    """
    found: dict[str, bytes] = {}
    state = repository.ledger.whole()
    used = {names.tenant_of_point(str(one["point"])) for one in [*state.live.values(), *state.open.values()]}
    tenants = {*filter(names.is_object, all_keys(repository.store, names.TENANTS)), *map(names.tenant, used)}
    for key in (names.CONFIG, *sorted(tenants)):
        kind = Kind.CONFIG if key == names.CONFIG else Kind.TENANT

        def digest(data: Buffer, key: str = key, kind: Kind = kind) -> bytes:
            repository.sealed.open(key, data, kind)
            if kind == Kind.TENANT:
                repository.require_counted(key, data)
            else:
                repository.epochs.vouching.require(key, data)
            return digest_of(data)

        try:
            found[key] = repository.sealed.counting(kind, key, digest)
        except ObjectNotFoundError as error:
            raise IntegrityError(
                f"{key} is missing",
                why="without it nothing of its tenant opens, or nothing at all",
                cure="bring it back from a copy of the store, or from the bucket's older versions; rotate then",
                objects=(key,),
            ) from error
    begun_at = repository.ledger.begun_at
    return found if begun_at is None else {**found, begun_at.key: begun_at.digest}


def record_unsaid(repository: Repository) -> None:
    """What crashes have left unsaid in the ledger is told to it: points whose commits died before their record, and
    retirements. To be done before the epoch begins: behind the first batch under it what stands under an older key
    counts for no session that is open, or that the ledger does not know, and retires nothing that it counts. Raises
    IntegrityError where the ledger, or what stands under such a name, is damaged: it may be a point; and for a point of
    a session that it does not know.
    """
    ledger = repository.ledger
    require_known(ledger.unknown_points())
    for record in list(ledger.whole().open.values()):
        record_commit(repository, str(record["point"]))
    record_retirements(repository)


def hand_over(repository: Repository) -> None:
    """The newest plan and the ledger go on under the newest epoch, which from then on vouches for what was before. What
    is said of points is said of those that are still live.
    """
    plan_to_write_under(repository.sealed, repository.ledger.state.plan_epoch)
    unnamed = list(_unnamed_manifests(repository))
    repository.ledger.append_as(lambda state: [record for record in unnamed if record["session"] in state.live])


def _unnamed_manifests(repository: Repository) -> Iterator[Record]:
    """Points whose `commit` does not say which manifest is theirs, as earlier versions wrote it: it is said now."""

    def sha256_of(record: Record) -> bytes | None:
        try:
            found = read_point_object(repository.sealed, repository.ledger.state, str(record["point"]))
        except IntegrityError:
            return None  # `check` names it
        return None if found is None or found.manifest is None else found.sha256

    unnamed = [record for record in repository.ledger.state.live.values() if "manifest" not in record]
    for record, sha256 in few_at_once(repository.surroundings, sha256_of, unnamed):
        if sha256 is not None:
            yield {**record, "manifest": sha256}
