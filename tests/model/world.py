"""What stands in the store, as the ordering rules see it, small enough to be searched through.

Chunks are letters, a pack is a name and the chunks in it, a point refers to chunks where it believes them to lie. Every
step of a party (`parties.py`) reads or writes one object, or one LIST; the ledger is the sets that reading it to its
end gives.
"""

from collections.abc import Iterator
from typing import NamedTuple

END = "end"
Place = tuple[str, str]  # a chunk, and the pack that it is believed to lie in


class Plan(NamedTuple):
    """A published plan; its epoch is its place in the list. `survivors` has (condemned pack, pack with copies);
    `since`, of one that was handed over to a key epoch, is the epoch since which plans say the same. `unnamed`: of the
    condemned those that stood nowhere and that nothing named when it was made, though a session was open.
    """

    live: frozenset[str] = frozenset()
    condemned: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    survivors: frozenset[tuple[str, str]] = frozenset()
    since: int | None = None
    unnamed: frozenset[str] = frozenset()


class Point(NamedTuple):
    """A manifest, and the key epoch that it is sealed under."""

    session: str
    epoch: int
    places: frozenset[Place]
    key: int = 1


class Run(NamedTuple):
    """An index run: what its session wrote."""

    session: str
    epoch: int
    places: frozenset[Place]


class Keys(NamedTuple):
    """The newest key epoch that has begun, and that of the ledger's newest batch. `unpromised`: whose points were made
    too late to be said in the first batch under it, and nobody has told the ledger of; `ended`: of whom the ledger says
    that they ended without a point; `misleads`: one answer of this store is still to be wrong.
    """

    newest: int = 1
    ledger: int = 1
    unpromised: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    misleads: bool = False


class World(NamedTuple):
    """Objects of a store. `opened`, `committed` and `pins` are what the ledger's records come to. `damaged`: what does
    not open where it lies, though its pack says that it has it; `owed`: what of that a repair has healed. `hidden`:
    names under a delete marker; `last_opened`: whose `open` is the newest record, "" where that is not followed.
    `junk`: under the next record's name stands what never was one; `rotten`: the newest record opens no more.
    `archive`: all packs are cold, so whose they are and what lies in them is not seen. `immutable`: a lock lasts for
    two renewals; `locked` are those that have not ended, `lasting` of them were locked since the last one ended.
    `late`: one answer of this store is still to be without the newest plan; until then `told` is the newest one that
    the ledger has been told of.
    """

    opened: frozenset[str] = frozenset()
    committed: frozenset[str] = frozenset()
    pins: frozenset[tuple[str, str]] = frozenset()
    packs: frozenset[tuple[str, frozenset[str], str]] = frozenset()
    locked: frozenset[str] = frozenset()
    points: frozenset[Point] = frozenset()
    tombstones: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    runs: frozenset[Run] = frozenset()
    plans: tuple[Plan, ...] = (Plan(),)
    acknowledged: frozenset[tuple[str, int]] = frozenset()
    damaged: frozenset[Place] = frozenset()
    owed: frozenset[Place] = frozenset()
    hidden: frozenset[str] = frozenset()
    last_opened: str = ""
    junk: bool = False
    rotten: bool = False
    checkpoints: frozenset[tuple[str, Place]] = frozenset()  # what a session says of itself, whatever became of it
    archive: bool = False
    immutable: bool = False
    lasting: frozenset[str] = frozenset()
    keys: Keys = Keys()
    late: bool = False
    told: int = 0

    @property
    def epoch(self) -> int:
        """The newest plan's; 0 is before there was any."""
        return len(self.plans) - 1

    def since(self, epoch: int) -> int:
        """Points and runs of this epoch and of later ones are as good as of that plan itself."""
        said = self.plans[epoch].since
        return epoch if said is None else said

    def plans_shown(self, told: int) -> Iterator[tuple["World", int]]:
        """What who asks for the newest plan may be shown, its epoch; `told`: what he knows that there must be."""
        yield self, self.epoch
        if self.late and self.epoch > told:
            yield self._replace(late=False), self.epoch - 1

    def with_told(self, epoch: int) -> "World":
        """The ledger is told of a plan."""
        return self._replace(told=max(self.told, epoch)) if self.late else self

    def point(self, session: str) -> Point | None:
        """The manifest at that session's name."""
        return next((point for point in self.points if point.session == session), None)

    def ended(self, session: str) -> bool:
        """Whether its name bears a point or a tombstone."""
        return session in self.tombstones or self.point(session) is not None

    def pack_names(self) -> frozenset[str]:
        """The packs that stand."""
        return frozenset(name for name, _chunks, _session in self.packs)

    def chunks_in(self, pack: str) -> frozenset[str]:
        """What lies in it; nothing where it does not stand."""
        return next((chunks for name, chunks, _session in self.packs if name == pack), frozenset())

    def session_of(self, pack: str) -> str:
        """Who wrote it, as its header says."""
        return next(session for name, _chunks, session in self.packs if name == pack)

    def found(self, place: Place) -> bool:
        """Whether a reader finds that chunk: at its place, or where any index run says."""
        chunk, pack = place
        candidates = [pack, *(other for run in self.runs for known, other in run.places if known == chunk)]
        return any(self.opens((chunk, candidate)) for candidate in candidates)

    def opens(self, place: Place) -> bool:
        """Whether the chunk is there and as it was written."""
        return place[0] in self.chunks_in(place[1]) and place not in self.damaged

    def standing_places(self) -> Iterator[Place]:
        """Everything that the packs say they have."""
        return ((chunk, name) for name, chunks, _session in self.packs for chunk in chunks)

    def live_points(self) -> Iterator[Point]:
        """Restore points as rule 2 defines them."""
        return (point for point in self.points if point.session not in self.retired | self.keys.unpromised)

    def unknown(self) -> frozenset[str]:
        """Points that stand while the ledger, whose end is missing, does not know them. Behind a key epoch that it has
        reached nobody can tell whose a point under a key before is.
        """
        standing = frozenset(point.session for point in self.live_points() if point.key >= self.keys.ledger)
        return standing - self.opened - self.committed

    def with_commit(self, session: str) -> "World":
        """The ledger is told of a point."""
        keys = self.keys._replace(unpromised=self.keys.unpromised - {session}, ended=self.keys.ended - {session})
        return self._replace(opened=self.opened - {session}, committed=self.committed | {session}, keys=keys)

    def with_pack(self, name: str, chunks: frozenset[str], session: str) -> "World":
        """One more; its own PUT locks it, where there are locks."""
        after = self._replace(packs=self.packs | {(name, chunks, session)})
        return after.with_lock(name) if self.immutable else after

    def with_lock(self, pack: str) -> "World":
        """It is locked anew. What is gone cannot be."""
        standing = {pack} & self.pack_names()
        return self._replace(locked=self.locked | standing, lasting=self.lasting | standing)

    def losses(self) -> list[str]:
        """Chunks of restore points that nobody finds any more, or that no lock holds where one should; points of an
        archive whose own packs are condemned: nothing moves there, so nobody may ever build upon them.
        """
        return sorted(f"{point.session} {what}" for point in self.live_points() for what in self._losses_of(point))

    def _losses_of(self, point: Point) -> Iterator[str]:
        if point.session in self.keys.ended:
            yield "counts no more"
        for place in point.places:
            if not self.found(place) and (place not in self.damaged or place in self.owed):
                yield f"has lost {place[0]}"
            elif self.immutable and not any(self.opens((place[0], pack)) for pack in self.locked):
                yield f"has {place[0]} without a lock"
        if self.archive and not self.damaged:
            own = {name for name, _chunks, session in self.packs if session == point.session}
            if own & self.plans[-1].condemned:
                yield "can never be built upon"
