"""Options, documents and tables of retrievals from an archive, for all commands that read a point's data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from holdfast.cli.quantities import human_size, short_time
from holdfast.cli.retrieval_prices import retrieval_prices
from holdfast.cli.tables import facts_table, rows_table
from holdfast.cli.voice import Voice, show_error
from holdfast.domain.archive import ArchiveClass, PriceList, Tier
from holdfast.domain.errors import NeedsRetrievalError, UsageError
from holdfast.domain.numerals import counted
from holdfast.domain.retrieval import (
    DEFAULT_DAYS,
    LONGEST_DAYS,
    ColdData,
    RetrievalEstimate,
    RetrievalOrder,
    estimate,
    how_long,
    needs_retrieval,
)
from holdfast.domain.time import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.repository.progress import Progress
    from holdfast.repository.reading.retrieval.plan import RetrievalPlan
    from holdfast.repository.reading.retrieval.retrieving import Retrieval
    from holdfast.wiring.local.opening import LocalRepository

Report = TypeVar("Report")

PlanOption = Annotated[
    bool, typer.Option("--plan", help="Only say what has to be retrieved first, how long that takes and what it costs.")
]
RetrievalTierOption = Annotated[
    Tier | None,
    typer.Option("--retrieval-tier", help="Retrieve what lies in an archive class, this fast. It costs money."),
]
RetrievalDaysOption = Annotated[
    int | None,
    typer.Option(
        "--retrieval-days",
        metavar="N",
        min=1,
        max=LONGEST_DAYS,
        help=f"With a tier: for how many days it can be read then ({DEFAULT_DAYS}); what can be read already, too.",
    ),
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for it and go on, or end when it has been asked for.")
]


@dataclass(frozen=True, slots=True)
class RetrievalWish:
    """What a person said of retrieving; no `tier`: that no money may be spent."""

    tier: Tier | None
    days: int | None
    wait: bool


def readable(
    voice: Voice, opened: "LocalRepository", plan: "Callable[[], Retrieval]", wish: RetrievalWish
) -> "Retrieval | int":
    """Make what `plan` says is needed readable, as far as the wish goes. The exit code of a command that has printed
    the plan and ends here, where it cannot be read now.
    """
    from holdfast.wiring.local import points

    wanted = plan()
    if wanted.plan.is_readable:
        if wish.days is None or not wanted.plan.packs:
            return wanted
        require_tier(wish.tier, wish.days)
    if wish.tier is None:
        show_plan(voice, wanted.plan, wish.days)
        return show_error(needs_retrieval(_named(wanted.plan), wanted.data))
    order = RetrievalOrder(wish.tier, wish.days)
    with voice.progress("retrieving") as progress:
        points.retrieve(opened, wanted, order, progress, wait=wish.wait)
    if wish.wait or wanted.plan.is_readable:
        return wanted
    # Asked once more, so that what is printed is what the store says; of what a job will ask for it says nothing yet.
    now = wanted.seen if wanted.has_job else plan().plan
    show_plan(voice, now, wish.days)
    return show_error(_under_way(now, how_long(wanted.plan.data, wanted.tier_of(order))))


def read_when_readable(
    voice: Voice,
    opened: "LocalRepository",
    plan: "Callable[[frozenset[str]], Retrieval]",
    wish: RetrievalWish,
    doing: str,
    read: "Callable[[Retrieval, Progress], Report]",
    *,
    may_read_again: bool = True,
) -> "Report | int":
    """What `read` gives once all that `plan` says is readable, or the exit code of a command that ends here. What only
    reading shows to be needed (a copy of what is damaged) is retrieved, too, and all is read again; where that may not
    be, the next call of the command finds it.
    """
    met: frozenset[str] = frozenset()
    while True:
        retrieved = readable(voice, opened, partial(plan, met), wish)
        if isinstance(retrieved, int):
            return retrieved
        try:
            with voice.progress(doing) as progress:
                return read(retrieved, progress)
        except NeedsRetrievalError as error:
            if wish.tier is None or met.issuperset(error.packs):
                raise
            voice.warn(str(error))
            met |= set(error.packs)
            if not may_read_again:
                fetched = readable(voice, opened, partial(plan, met), wish)
                if isinstance(fetched, int):
                    return fetched
                cure = "run the same command again: it is there now"
                raise NeedsRetrievalError(error.what, why=error.why, cure=cure, packs=error.packs) from error


def require_tier(tier: Tier | None, days: int | None) -> None:
    """Raises UsageError where somebody told for how many days, and not that money may be spent."""
    if tier is None and days is not None:
        raise UsageError(
            f"--retrieval-days {days} without a tier",
            why="to keep copies costs money, which --retrieval-tier gives leave to spend",
            cure="add --retrieval-tier bulk: what can be read already is not retrieved again",
        )


def show_plan(voice: Voice, plan: "RetrievalPlan", days: int | None) -> None:
    """Print the plan. Raises UsageError for a price list of one's own that cannot be used."""
    document = plan_document(plan, days, retrieval_prices())
    count = counted(len(plan.points), "point")
    voice.document(document, lambda: retrieval_table(document, {"restore points": count}))


def plan_document(plan: "RetrievalPlan", days: int | None, prices: PriceList) -> dict[str, Any]:
    """Under the stable names of docs/cli.md, as a restore plan of an appliance has them, too."""
    found = estimate(plan.data, days, prices)
    until = found.readable_until
    return {
        "restore_points": [point.hex() for point in plan.points],
        **asdict(found),
        "readable_until": None if until is None else format_time(until),
        "offers": _offers(found),
    }


def at_own_prices(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an appliance estimated, at this person's prices. Raises UsageError for a price list that cannot be used."""
    again = estimate(_data_of(document), document["retrieval_days"], retrieval_prices())
    return {**document, "offers": _offers(again), "keeping_usd": again.keeping_usd, "prices": again.prices}


def is_readable(document: Mapping[str, Any]) -> bool:
    """Whether a restore would find everything."""
    return _data_of(document).is_readable


def not_retrieved(what: str, document: Mapping[str, Any]) -> NeedsRetrievalError:
    """What a person is told who gave no leave to spend money."""
    return needs_retrieval(what, _data_of(document))


def _data_of(document: Mapping[str, Any]) -> ColdData:
    """The figures of a document, as far as anything is decided by them."""
    counted_things = ("cold_packs", "readable_packs", "readable_bytes", "archived_packs", "archived_bytes")
    figures = {name: document[name] for name in counted_things}
    return ColdData(storage_class=ArchiveClass(document["storage_class"]), **figures)


def _offers(found: RetrievalEstimate) -> list[dict[str, Any]]:
    return [asdict(offer) for offer in found.offers]


def retrieval_table(document: Mapping[str, Any], first: Mapping[str, str]) -> str:
    """What has to be retrieved, behind the facts that come `first`, and what each tier takes and costs."""
    if document["storage_class"] is None:
        return facts_table({"to be retrieved": "nothing: the repository is no archive"})
    until = document["readable_until"]
    facts = facts_table(
        {
            **first,
            "storage class": document["storage_class"],
            "needed": _words(document, "cold"),
            "can be read": _words(document, "readable"),
            "until": None if until is None else short_time(until),
            "under way": _words(document, "under_way"),
            "to be retrieved": _words(document, "archived"),
            **_keeping(document),
        }
    )
    if not document["offers"]:
        return facts
    days = counted(document["retrieval_days"], "DAY")
    rows = [(one["tier"], one["takes"], _usd(one["usd"])) for one in document["offers"]]
    return f"{facts}\n{rows_table(('TIER', 'TAKES', f'USD FOR {days}'.upper()), rows)}{document['prices']}\n"


def _keeping(document: Mapping[str, Any]) -> dict[str, str]:
    """What it costs to keep what is there, where something is."""
    if not document["readable_packs"]:
        return {}
    days = counted(document["retrieval_days"], "day")
    return {f"kept for {days}": f"at most {_usd(document['keeping_usd'])} USD, where --retrieval-days says so"}


def _usd(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.01 else "< 0.01"


def _words(document: Mapping[str, Any], what: str) -> str:
    return f"{counted(document[f'{what}_packs'], 'pack')} ({human_size(document[f'{what}_bytes'])})"


def _under_way(plan: "RetrievalPlan", takes: str) -> NeedsRetrievalError:
    return NeedsRetrievalError(
        f"{_named(plan)} cannot be read yet",
        why=f"{counted(len(plan.under_way), 'pack is', 'packs are')} on the way; {takes}",
        cure="run the same command again: what is under way is not asked for twice; with --wait it goes on by itself",
    )


def _named(plan: "RetrievalPlan") -> str:
    first = f"restore point {plan.points[0].hex()[:12]}"
    return first if len(plan.points) == 1 else counted(len(plan.points), "restore point")
