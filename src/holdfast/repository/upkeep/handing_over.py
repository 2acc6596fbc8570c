"""What stands under older keys is handed over to a key epoch that begins (section 21)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import ledger as form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.ledger import Record
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.plans import plan_to_write_under
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.session import read_whole, record_commit, retired_of
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import all_keys
from holdfast.repository.trust.vouching import digest_of


def vouched_for(repository: Repository) -> Mapping[str, bytes]:
    """`config` and the tenants as they stand and count now, by key and digest: what a new epoch vouches for. Raises
    IntegrityError where one does not open: nobody would believe it any more.
    """
    found: dict[str, bytes] = {}
    for key in (names.CONFIG, *filter(names.is_object, all_keys(repository.store, names.TENANTS))):
        kind = Kind.CONFIG if key == names.CONFIG else Kind.TENANT

        def digest(data: Buffer, key: str = key, kind: Kind = kind) -> bytes:
            repository.sealed.open(key, data, kind)
            repository.epochs.vouching.require(key, data)
            return digest_of(data)

        found[key] = repository.sealed.counting(kind, key, digest)
    return found


def record_commits(repository: Repository) -> None:
    """Points whose commits died before they were told to the ledger are told to it. To be done before the epoch begins:
    a manifest under an older key counts for no session that is open then.
    """
    for record in list(repository.ledger.refresh().open.values()):
        with suppress(IntegrityError):  # `check` names it
            record_commit(repository, str(record["point"]))


def unrecorded_retirements(repository: Repository) -> Sequence[Record]:
    """What a crash has left unsaid in the ledger. To be asked before the epoch begins: then they count no more."""
    live = repository.ledger.refresh().live
    time = repository.surroundings.timestamp()
    return [
        {"type": form.RETIRE, "session": session, "point": live[session]["point"], "time": time}
        for session in sorted(retired_of(repository, live))
    ]


def hand_over(repository: Repository, records: Sequence[Record]) -> None:
    """The newest plan and the ledger go on under the newest epoch, which from then on vouches for what was before."""
    plan_to_write_under(repository.sealed, repository.ledger.state.plan_epoch)
    repository.ledger.append(*records, *_unnamed_manifests(repository))


def _unnamed_manifests(repository: Repository) -> Iterator[Record]:
    """Points whose `commit` does not say which manifest is theirs, as earlier versions wrote it: it is said now."""

    def sha256_of(record: Record) -> bytes | None:
        try:
            found = read_whole(repository, str(record["point"]))
        except IntegrityError:
            return None  # `check` names it
        return None if found is None else found[1]

    unnamed = [record for record in repository.ledger.state.live.values() if "manifest" not in record]
    for record, sha256 in few_at_once(repository.surroundings, sha256_of, unnamed):
        if sha256 is not None:
            yield {**record, "manifest": sha256}
