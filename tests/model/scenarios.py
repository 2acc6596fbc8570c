"""Small beginnings that, between them, let every rule matter."""

from collections.abc import Iterable

from tests.model.collector_state import Collector
from tests.model.copier import SOURCE, TARGET, Anybody, Copier, There, TwoWorlds
from tests.model.handing_over import Successor
from tests.model.hiding import LEDGER, NOBODY
from tests.model.parties import Deleter, Forgetter, Hider, Reader, Rot, Unlocker, Usurper, Verifier, Writer
from tests.model.renewer import Renewer
from tests.model.repairer import Repairer
from tests.model.rotating import Acceptor, Rotation
from tests.model.world import Keys, Plan, Point, Run, World

Scenario = tuple[World | TwoWorlds, tuple[Anybody, ...]]


def chunks(text: str) -> frozenset[str]:
    """A chunk for each letter."""
    return frozenset(text)


def past(*written: tuple[str, str], live: Iterable[str] = (), dead: Iterable[str] = ()) -> World:
    """Sessions (name, chunks) that each wrote a pack `name.1` and its run. `live` have a point, `dead` are open and
    have neither point nor run; the others' points are retired."""
    live, dead = set(live), set(dead)
    packs, points, runs = set(), set(), set()
    for name, letters in written:
        places = frozenset((letter, f"{name}.1") for letter in letters)
        packs.add((f"{name}.1", chunks(letters), name))
        if name not in dead:
            points.add(Point(name, 0, places))
            runs.add(Run(name, 0, places))
    return World(
        opened=frozenset(dead),
        committed=frozenset(live),
        packs=frozenset(packs),
        checkpoints=frozenset((name, (letter, f"{name}.1")) for name in dead for letter in dict(written)[name]),
        points=frozenset(points),
        runs=frozenset(runs),
        retired=frozenset(name for name, _letters in written) - live - dead,
    )


def _after(world: World, *plans: Plan) -> World:
    return world._replace(plans=(*world.plans, *plans))


def _cold(world: World) -> World:
    return world._replace(archive=True)


def _locked(world: World) -> World:
    """A renewal was just done."""
    return world._replace(immutable=True, locked=world.pack_names())


def _writer(name: str, letters: str, parent: str = "", adopts: str = "", *, renews: bool = False) -> Writer:
    return Writer(name, chunks(letters), parent, adopts, renews)


def _copier(letters: str, earlier: str = "", adopts: str = "") -> Copier:
    writer = _writer("w", letters, earlier, adopts)
    return Copier("p", writer, earlier, ("m", "e.2") if earlier else ("", ""), BASE if earlier else frozenset())


LEFT = past(("old", "A"), ("keep", "B"), live=["keep"])
FAMILY = past(("p", "AB"), live=["p"])
ONE = past(("p", "A"), live=["p"])
TWICE = past(("p", "A"), ("q", "A"), live=["p"])
CONDEMNED = _after(LEFT, Plan(frozenset({"keep"}), frozenset({"old.1"}), frozenset({"keep", "old"})))
HALF = past(("s", "A"), dead=["s"])
# w had taken over what s left, and died as well.
SUCCEEDED = past(("s", "A"), ("w", "B"), dead=["s", "w"])
SUCCEEDED = SUCCEEDED._replace(checkpoints=SUCCEEDED.checkpoints | {("w", ("A", "s.1"))})
BOTH = past(("p", "A"), ("s", "A"), live=["p"], dead=["s"])
# Its run names a pack that is needed, and one that is not.
TWO_PACKS = past(("keep", "A"))._replace(
    packs=frozenset({("old.1", chunks("A"), "old"), ("old.2", chunks("B"), "old")}),
    points=frozenset({Point("keep", 0, frozenset({("B", "old.2")}))}),
    committed=frozenset({"keep"}),
    retired=frozenset(),
    runs=frozenset({Run("old", 0, frozenset({("A", "old.1"), ("B", "old.2")}))}),
)
# Its session did not know the plan that condemns the pack which it needs, and the collector has waited for it.
LATE = _after(past(("old", "A")), Plan(frozenset(), frozenset({"old.1"}), frozenset({"old"})))._replace(
    points=frozenset({Point("late", 0, frozenset({("A", "old.1")}))}), committed=frozenset({"late"})
)

# p.1 is condemned with s.1 as its survivor; it stays, because a late point needs another chunk of it. A backup has
# built upon the point p, which has gone since, and is about to commit.
MOVED = World(
    opened=frozenset({"w"}),
    committed=frozenset({"late"}),
    retired=frozenset({"p"}),
    packs=frozenset({("p.1", chunks("AB"), "p"), ("s.1", chunks("A"), "s")}),
    points=frozenset({Point("p", 0, frozenset({("A", "p.1")})), Point("late", 0, frozenset({("B", "p.1")}))}),
    runs=frozenset({Run("p", 0, frozenset({("A", "p.1"), ("B", "p.1")})), Run("s", 0, frozenset({("A", "s.1")}))}),
    plans=(
        Plan(),
        Plan(frozenset({"p"}), frozenset({"p.1"}), frozenset({"p", "s"}), frozenset({("p.1", "s.1")})),
    ),
    acknowledged=frozenset({("w", 1)}),
)
BUILT = Writer("w", chunks("A"), "p", step="commit", epoch=1, places=frozenset({("A", "p.1")}))

# The chunk A of p does not open; another copy of it lies in q, which nothing needs.
HURT = past(("p", "AB"), ("q", "A"), live=["p"])._replace(damaged=frozenset({("A", "p.1")}))
# p's chunk has moved: its own pack is gone, the run of q knows where it lies. Another run is in force no more; it names
# a pack that is gone and forgotten.
GONE_AND_MOVED = World(
    committed=frozenset({"p"}),
    retired=frozenset({"q", "old"}),
    packs=frozenset({("q.1", chunks("A"), "q")}),
    points=frozenset({Point("p", 0, frozenset({("A", "p.1")}))}),
    runs=frozenset(
        {
            Run("p", 0, frozenset({("A", "p.1")})),
            Run("q", 0, frozenset({("A", "q.1")})),
            Run("old", 0, frozenset({("B", "old.1")})),
        }
    ),
    plans=(
        Plan(),
        Plan(frozenset({"p"}), frozenset({"p.1"}), frozenset({"p", "q"}), frozenset({("p.1", "q.1")})),
    ),
)
# No run names the place any more in which p's map has its chunk; only the map does, or that of a backup which has built
# upon p. In the second one the chunk has moved twice.
FORGOTTEN = GONE_AND_MOVED._replace(
    runs=frozenset({Run("q", 0, frozenset({("A", "q.1")}))}),
    plans=(Plan(), GONE_AND_MOVED.plans[1]._replace(runs=frozenset({"q"}))),
)
MOVED_TWICE = GONE_AND_MOVED._replace(
    packs=frozenset({("r.1", chunks("A"), "r")}),
    runs=frozenset({Run("r", 0, frozenset({("A", "r.1")}))}),
    plans=(
        Plan(),
        Plan(frozenset({"p"}), frozenset({"p.1"}), frozenset({"r"}), frozenset({("p.1", "q.1")})),
    ),
)
# In the first one that backup is open, and p is deleted.
BUILT_UPON_FORGOTTEN = FORGOTTEN._replace(
    opened=frozenset({"w"}),
    committed=frozenset(),
    retired=frozenset({"p", "q", "old"}),
    acknowledged=frozenset({("w", 1)}),
)
# It has listed the packs, one of which has gone since, marked and proposed; another one may be quicker.
ABOUT_TO_MERGE = Collector(
    "c",
    merges=True,
    step="open a merging",
    epoch=1,
    listed=CONDEMNED.pack_names(),
    committed=frozenset({"keep"}),
    proposal=CONDEMNED.plans[1],
)

# p was made after e: they share A. The map of e is the chunk m. The target has a copy of e, of the same name.
COPIED = World(
    committed=frozenset({"e", "p"}),
    packs=frozenset({("e.1", chunks("A"), "e"), ("e.2", chunks("Cm"), "e"), ("p.1", chunks("B"), "p")}),
    points=frozenset(
        {
            Point("e", 0, frozenset({("A", "e.1"), ("C", "e.2"), ("m", "e.2")})),
            Point("p", 0, frozenset({("A", "e.1"), ("B", "p.1")})),
        }
    ),
    runs=frozenset({Run("e", 0, frozenset({("A", "e.1"), ("C", "e.2")})), Run("p", 0, frozenset({("B", "p.1")}))}),
)
COPY_OF_E = past(("e", "AC"), live=["e"])
BASE = frozenset({("A", "e.1"), ("C", "e.1")})

SCENARIOS: dict[str, Scenario] = {
    "a backup while garbage goes": (LEFT, (Collector("c"), _writer("w", "A"))),
    "two backups while garbage goes": (LEFT, (Collector("c"), _writer("w", "AC"), _writer("v", "A", "w"))),
    "two collectors and a backup": (LEFT, (Collector("c", 2), Collector("d"), _writer("w", "A"))),
    "garbage that is known already": (CONDEMNED, (Collector("c"), Collector("d"), _writer("w", "AC"))),
    "garbage that is locked": (
        CONDEMNED._replace(locked=frozenset({"old.1"})),
        (Collector("c"), Collector("d"), Unlocker("old.1"), _writer("w", "A")),
    ),
    "locks are renewed while garbage goes": (_locked(LEFT), (Collector("c", 2), Renewer("r", 2), _writer("w", "A"))),
    "locks are renewed while a parent goes": (
        _locked(FAMILY),
        (Collector("c"), Renewer("r", 2), Deleter("p"), _writer("w", "AB", "p")),
    ),
    "locks of what is condemned and needed": (_locked(LATE), (Collector("c"), Renewer("r", 2))),
    "garbage in a run with what is needed": (TWO_PACKS, (Collector("c", 2), _writer("w", "AB"))),
    "an incremental while its parent goes": (FAMILY, (Collector("c"), Deleter("p"), _writer("w", "AB", "p"))),
    "three generations": (ONE, (Collector("c"), Deleter("p"), _writer("w", "A", "p"), _writer("v", "A", "w"))),
    "a parent that needs what is condemned": (LATE, (Collector("c"), Deleter("late"), _writer("w", "A", "late"))),
    "a copy that two collections rely on": (
        MOVED,
        (Collector("c"), Collector("d"), Deleter("late"), BUILT),
    ),
    "a chunk that lies twice": (TWICE, (Collector("c", 2), Collector("d", 2))),
    "a chunk that lies twice, and a backup": (TWICE, (Collector("c", 2), Deleter("p"), _writer("w", "A", "p"))),
    "a restore while its point goes": (FAMILY, (Collector("c"), Deleter("p"), Reader("r", "p"))),
    "a restore while packs are replaced": (TWICE, (Collector("c"), Collector("d"), Deleter("p"), Reader("r", "p"))),
    "packs are opened to others while they go": (
        LEFT,
        (Collector("c", 3), Verifier("v", frozenset({"old.1"})), _writer("w", "A")),
    ),
    "packs are opened to others while they are replaced": (
        TWICE,
        (Collector("c", 2), Verifier("v", frozenset({"p.1", "q.1"})), _writer("w", "A", "p")),
    ),
    "a dead session's packs": (HALF, (Collector("c", 3), _writer("w", "A", "", "s"))),
    "a dead session's packs, and its successor dies": (
        SUCCEEDED,
        (Collector("c", 2), _writer("v", "AB", "", "w")),
    ),
    "a dead session's chunk that lies elsewhere too": (
        BOTH,
        (Collector("c", 2), Deleter("p"), _writer("w", "A", "", "s")),
    ),
    "a dead session comes to life": (LEFT, (Collector("c"), _writer("s", "A"), _writer("w", "A", "", "s"))),
    "a repair while garbage goes": (HURT, (Repairer("r"), Collector("c", 2))),
    "a repair, a backup and a collection": (HURT, (Repairer("r"), Collector("c"), _writer("w", "A", "p"))),
    "a repair and two collections": (HURT, (Repairer("r"), Collector("c"), Collector("d"))),
    "a repair while what it heals is deleted": (HURT, (Repairer("r"), Collector("c", 2), Deleter("p"))),
    "an archive while garbage goes": (
        _cold(LEFT),
        (Collector("c", 2), Deleter("keep"), _writer("w", "AC")),
    ),
    "an archive and a dead session": (_cold(HALF), (Collector("c", 3), _writer("w", "AB", "", "s"))),
    "a repair of an archive while garbage goes": (_cold(HURT), (Repairer("r"), Collector("c", 2), Deleter("p"))),
    "a long backup goes over to a newer plan": (LEFT, (Collector("c"), _writer("w", "AC", renews=True))),
    "runs are merged": (GONE_AND_MOVED, (Collector("c", 2, merges=True), _writer("w", "AB"))),
    "a name that is taken again": (
        FORGOTTEN,
        (Collector("c", 3), Usurper("p.1", chunks("A")), _writer("w", "AB", "p")),
    ),
    "a name that is taken again, and a backup that is open": (
        BUILT_UPON_FORGOTTEN,
        (Collector("c", 2), Usurper("p.1", chunks("A")), BUILT),
    ),
    "a name that is taken again, and always a backup that is open": (
        BUILT_UPON_FORGOTTEN,
        (Collector("c", 3), Usurper("p.1", chunks("A")), BUILT, _writer("v", "A", "w")),
    ),
    "a name that is taken again, and a reader of what is deleted": (
        FORGOTTEN,
        (Collector("c", 4), Usurper("p.1", chunks("A")), Deleter("p"), Reader("r", "p")),
    ),
    "a name that is taken again, and the dead session that had it is gone on with": (
        HALF,
        (Collector("c", 4), Usurper("s.1", chunks("A")), _writer("w", "A", "", "s")),
    ),
    "the name of a survivor is taken again, and the chunk moved twice": (
        MOVED_TWICE._replace(
            plans=(
                Plan(),
                Plan(
                    frozenset({"p"}),
                    frozenset({"p.1", "q.1"}),
                    frozenset({"r"}),
                    frozenset({("p.1", "q.1"), ("q.1", "r.1")}),
                ),
            ),
        ),
        (Collector("c", 3), *2 * (Usurper("p.1", chunks("A")),), Usurper("q.1", chunks("A"))),
    ),
    "a name that is taken again, and the chunk moved twice": (
        MOVED_TWICE,
        (Collector("c", 3), Usurper("p.1", chunks("A")), _writer("w", "B")),
    ),
    "two merge runs": (GONE_AND_MOVED, (Collector("c", merges=True), Collector("d", merges=True))),
    "runs are merged while garbage goes": (
        CONDEMNED._replace(packs=frozenset({("keep.1", chunks("B"), "keep")})),
        (ABOUT_TO_MERGE, Collector("d"), _writer("w", "A")),
    ),
    "a point or a tombstone is hidden": (LEFT, (Collector("c"), Hider("w"), _writer("w", "A"))),
    "the newest record is hidden": (
        LEFT._replace(last_opened=NOBODY),
        (Collector("c"), Hider(LEDGER), _writer("w", "A"), _writer("v", "")),
    ),
    "junk under the next record's name": (
        LEFT._replace(last_opened=NOBODY, junk=True),
        (Collector("c"), _writer("w", "A"), _writer("v", "")),
    ),
    "the newest record rots": (
        LEFT._replace(last_opened=NOBODY),
        (Collector("c"), Rot("newest"), _writer("w", "A"), _writer("v", "")),
    ),
    "a plan is handed over while garbage goes": (LEFT, (Collector("c", 2), Successor("h"), _writer("w", "A"))),
    "a plan is handed over beside an incremental": (
        FAMILY,
        (Collector("c"), Successor("h"), Deleter("p"), _writer("w", "AB", "p")),
    ),
    "a plan is handed over while runs are merged": (
        GONE_AND_MOVED,
        (Collector("c", 2, merges=True), Successor("h"), _writer("w", "AB")),
    ),
    "a key epoch begins while garbage goes": (
        LEFT,
        (Rotation("r"), Rotation("n", "look"), Collector("c", 2), _writer("w", "A")),
    ),
    "a key epoch begins while a point is accepted": (
        LEFT,
        (Rotation("r"), Collector("c", 2), Acceptor("w"), _writer("w", "A")),
    ),
    "two begin a key epoch while garbage goes": (
        LEFT,
        (Rotation("r"), Rotation("s"), Rotation("n", "look"), Collector("c", 2), _writer("w", "A")),
    ),
    "a key epoch begins beside an incremental": (
        FAMILY,
        (Rotation("r"), Collector("c", 2), Deleter("p"), _writer("w", "AB", "p")),
    ),
    "a key epoch begins, and one answer is wrong": (
        LEFT._replace(keys=Keys(misleads=True)),
        (Rotation("r"), Rotation("n", "look"), Collector("c", 2), _writer("w", "A")),
    ),
    "the ledger's end is lost while garbage goes": (
        LEFT,
        (Collector("c", 2), Forgetter("keep"), _writer("w", "A")),
    ),
    "the ledger's end is lost with a point that needs what is condemned": (
        LATE,
        (Collector("c", 2), Forgetter("late"), _writer("w", "A", "late")),
    ),
    "the ledger's end is lost, and a key epoch begins": (
        LEFT,
        (Collector("c", 2), Forgetter("keep"), Rotation("r"), Rotation("n", "look")),
    ),
    "the ledger's end is lost, and a repair tells what it was": (
        past(("p", "AB"), ("q", "A"), live=["p"]),
        (Collector("c", 2), Forgetter("p"), Deleter("p"), Repairer("r")),
    ),
    "a plan shows late while garbage goes": (
        LEFT._replace(late=True),
        (Collector("c", 2), Collector("d"), _writer("w", "A")),
    ),
    "a plan shows late beside an incremental": (
        FAMILY._replace(late=True),
        (Collector("c", 2), Deleter("p"), _writer("w", "AB", "p")),
    ),
    "a plan shows late to a long backup": (
        LEFT._replace(late=True),
        (Collector("c"), _writer("w", "AC", renews=True), _writer("v", "A")),
    ),
    "a copy while its original goes": (
        TwoWorlds(COPIED, World()),
        (There(SOURCE, Collector("c")), There(SOURCE, Deleter("p")), There(SOURCE, Deleter("e")), _copier("AB")),
    ),
    "a copy while what it builds upon goes": (
        TwoWorlds(COPIED._replace(committed=frozenset({"p"}), retired=frozenset({"e"})), COPY_OF_E),
        (
            There(SOURCE, Collector("c")),
            There(TARGET, Collector("d")),
            There(TARGET, Deleter("e")),
            _copier("AB", "e"),
        ),
    ),
    "a copy that died is gone on with": (
        TwoWorlds(COPIED, HALF),
        (There(TARGET, Collector("d", 3)), _copier("AB", "", "s")),
    ),
    "two that go over": (FAMILY, (Collector("c", 2), Deleter("p"), _writer("w", "AB", "p", renews=True))),
}
