"""One party's way to one tenant's data: a store, and the keys that this party holds.

All that moves data, writing and reading, takes this and never the master key: the command line and the appliance make
it of an open repository, a worker of its task. So there is one data path, and what a party may open is decided by what
is in its key ring.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.crypto.keys import KeyRing
from holdfast.repository.format import envelope, index_run, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.older_versions import UNSEEN, as_damage, open_newest_good, several_versions
from holdfast.repository.trust.vouching import ALL_COUNT, Vouching


@dataclass(frozen=True, slots=True, repr=False)
class TenantAccess:
    """`index_runs` names every index run that this party may search for chunks that moved; `archive_class` is where
    data packs go, None for a standard repository.
    """

    store: ObjectStore
    surroundings: Surroundings
    keys: KeyRing
    pack_size_bytes: int
    index_runs: Callable[[], Iterable[str]]
    archive_class: ArchiveClass | None = None

    def read_index_run(self, key: str, vouching: Vouching = ALL_COUNT) -> IndexRun:
        """An index run of the tenant. To find a chunk whose id is verified all runs count; who builds upon one, or
        deletes by it, says which do. Raises ObjectNotFoundError, IntegrityError.
        """
        return open_newest_good(self.store, key, lambda data: self._index_run(key, data, vouching))

    def read_index_run_version(self, key: str, version: str) -> IndexRun:
        """One version of it, for who looks for a chunk. Raises ObjectNotFoundError, IntegrityError."""
        try:
            return self._index_run(key, self.store.get(key, version=version), ALL_COUNT)
        except UNSEEN as error:
            raise as_damage(self.store, key, error, version) from error

    def index_run_versions(self) -> Iterator[tuple[str, str]]:
        """Key and id of each version of the index runs that have several, of one key the newest first."""
        for key, versions in several_versions(self.store, names.index_runs(self.keys.tenant)).items():
            yield from ((key, version) for version in versions)

    def _index_run(self, key: str, data: Buffer, vouching: Vouching) -> IndexRun:
        body = envelope.open_object(
            data,
            kinds=(Kind.INDEX_RUN,),
            kind_key=lambda kid: self.keys.epoch(kid).index,
            object_key=key,
            repository=self.keys.repository,
        )[1]
        vouching.require(key, data)
        return index_run.decode(body)
