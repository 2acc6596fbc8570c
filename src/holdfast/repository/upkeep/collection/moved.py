"""Where chunks lie whose place is condemned or gone (rule 4.3)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from holdfast.domain.errors import IntegrityError, NeedsRetrievalError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import names
from holdfast.repository.format.places import Located, Place
from holdfast.repository.format.plan import Plan
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.packs.run_shelf import RunShelf
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.trust.vouching import vouching_of


class MovedChunks:
    """Asked for one tenant under one plan. Packs' directories and index runs are read when first needed, once."""

    def __init__(self, access: TenantAccess, plan: Plan, packs: StandingPacks) -> None:
        self._access = access
        self._plan = plan
        self._packs = packs
        self._directories: dict[bytes, dict[tuple[bytes, int], Place] | None] = {}
        self._runs: dict[int, _RunsInForce] = {}

    def copies_of(self, chunk: Located, chunk_type: int) -> list[Place]:
        """Where else the chunk lies in packs that stand, those first that are not condemned. For a condemned pack only
        the survivors that its plan names count, for one that is gone what the runs in force say.
        """
        pack = chunk.place.pack.pack
        if not self._packs.stands(pack):
            return self.known_of(chunk, chunk_type)
        return self._standing(self._in_survivors(chunk.id, chunk_type, pack))

    def known_of(self, chunk: Located, chunk_type: int) -> list[Place]:
        """The same by what the runs in force say alone, whatever stands at the chunk's own place."""
        return self._standing(self._in_runs(chunk.id, chunk_type))

    def _standing(self, places: Iterable[Place]) -> list[Place]:
        standing = [place for place in places if self._packs.stands(place.pack.pack)]
        return sorted(standing, key=lambda place: place.pack.pack in self._plan.condemned)

    def _in_survivors(self, chunk: bytes, chunk_type: int, pack: bytes) -> Iterator[Place]:
        for other in sorted(self._plan.survivors.get(pack, ())):
            if other not in self._directories:
                self._directories[other] = self._read(other)
            held = self._directories[other]
            if held is None:
                yield from (place for place in self._in_runs(chunk, chunk_type) if place.pack.pack == other)
            elif (chunk, chunk_type) in held:
                yield held[chunk, chunk_type]

    def is_cold(self, place: Place) -> bool:
        """Whether that survivor was not opened: a run in force says what it has."""
        return self._directories.get(place.pack.pack, {}) is None

    def _read(self, pack: bytes) -> dict[tuple[bytes, int], Place] | None:
        """What lies in it; nothing where it is gone, None for a cold one of an archive that a run in force names.
        Damage is raised: nothing may be deleted for a pack's sake that cannot say what it holds. One that the plan
        condemns is taken for nobody's survivor where another is left.
        """
        try:
            read = read_directory(self._access, pack)
        except ObjectNotFoundError:
            return {}
        except IntegrityError:
            if pack in self._plan.condemned:
                return {}
            raise
        except NeedsRetrievalError:
            if self._access.archive_class is None or pack not in self._in_force(CHUNK_TYPE_DATA).named:
                raise
            return None
        chunks = zip(read.entries, read.located(), strict=True)
        return {(entry.id, entry.type): located.place for entry, located in chunks}

    def _in_force(self, chunk_type: int) -> "_RunsInForce":
        """By the runs that the plan names, which are asked for by name and never by LIST; read once for each type, for
        of most collections only maps have moved, and data take a hundred times the memory.
        """
        if chunk_type not in self._runs:
            self._runs[chunk_type] = self._read_runs(chunk_type)
        return self._runs[chunk_type]

    def _read_runs(self, chunk_type: int) -> "_RunsInForce":
        read = partial(self._access.read_index_run, vouching=vouching_of(self._plan))
        prefix = names.index_runs(self._access.keys.tenant)
        shelf = RunShelf(read, chunk_type)
        named: set[bytes] = set()
        whole = True
        for key in sorted(key for key in self._plan.index_runs if key.startswith(prefix)):
            try:
                run = read(key)
            except (IntegrityError, ObjectNotFoundError):
                whole = False
                continue
            named.update(run.packs.ids())
            shelf.take(key, run)
        return _RunsInForce(shelf, frozenset(named) if whole else frozenset())

    def _in_runs(self, chunk: bytes, chunk_type: int) -> Iterator[Place]:
        """Where a run is gone or does not open the others may know the place, and where none does it is missed."""
        return self._in_force(chunk_type).shelf.places(chunk)


@dataclass(frozen=True, slots=True)
class _RunsInForce:
    """What they say of one type of chunk. `named`: the packs of which they say what these hold; none where one of the
    runs does not open, for nobody knows what it said.
    """

    shelf: RunShelf[str]
    named: frozenset[bytes]
