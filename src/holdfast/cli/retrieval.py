"""Options, documents and tables of retrievals from an archive, for all commands that read a point's data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.quantities import human_size, short_time
from holdfast.cli.retrieval_prices import retrieval_prices
from holdfast.cli.tables import facts_table, rows_table
from holdfast.cli.voice import Voice, show_error
from holdfast.domain.archive import LIST_PRICES, PriceList, Tier
from holdfast.domain.errors import NeedsRetrievalError
from holdfast.domain.numerals import counted
from holdfast.domain.time import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.repository.reading.retrieval.plan import ColdPack, RetrievalPlan
    from holdfast.repository.reading.retrieval.retrieving import Retrieval
    from holdfast.wiring.local import LocalRepository

_LONGEST_DAYS = 365

PlanOption = Annotated[
    bool, typer.Option("--plan", help="Only say what has to be retrieved first, how long that takes and what it costs.")
]
RetrievalTierOption = Annotated[
    Tier | None,
    typer.Option("--retrieval-tier", help="Retrieve what lies in an archive class, this fast. It costs money."),
]
RetrievalDaysOption = Annotated[
    int,
    typer.Option("--retrieval-days", metavar="N", min=1, max=_LONGEST_DAYS, help="How long it can be read then."),
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for it and go on, or end when it has been asked for.")
]


@dataclass(frozen=True, slots=True)
class RetrievalWish:
    """What a person said of retrieving; no `tier`: that no money may be spent."""

    tier: Tier | None
    days: int
    wait: bool


def readable(
    voice: Voice, opened: "LocalRepository", plan: "Callable[[], Retrieval]", wish: RetrievalWish
) -> "Retrieval | int":
    """Make what `plan` says is needed readable, as far as the wish goes. The exit code of a command that has printed
    the plan and ends here, where it cannot be read now.
    """
    from holdfast.repository.reading.retrieval.retrieving import RetrievalOrder
    from holdfast.wiring import local

    wanted = plan()
    if wanted.plan.is_readable:
        return wanted
    if wish.tier is None:
        show_plan(voice, wanted.plan, wish.days)
        return show_error(_cold(wanted.plan))
    with voice.progress("retrieving") as progress:
        local.retrieve(opened, wanted, RetrievalOrder(wish.tier, wish.days), progress, wait=wish.wait)
    if wish.wait:
        return wanted
    # Asked once more, so that what is printed is what the store says.
    now = plan().plan
    show_plan(voice, now, wish.days)
    return show_error(_under_way(now, wish.tier))


def show_plan(voice: Voice, plan: "RetrievalPlan", days: int) -> None:
    """Print the plan. Raises UsageError for a price list of one's own that cannot be used."""
    prices = retrieval_prices()
    voice.document(plan_document(plan, days, prices), lambda: _plan_table(plan, days, prices))


def plan_document(plan: "RetrievalPlan", days: int, prices: PriceList) -> dict[str, Any]:
    """Under the stable names of docs/cli.md. Offers are for what has not been asked for yet."""
    until = plan.readable_until
    return {
        "restore_points": [point.hex() for point in plan.points],
        "storage_class": plan.archive_class,
        **_counts("cold", plan.packs),
        **_counts("readable", plan.readable),
        **_counts("under_way", plan.under_way),
        **_counts("archived", plan.archived),
        "readable_until": None if until is None else format_time(until),
        "retrieval_days": days,
        "offers": [
            {"tier": tier.value, "takes": takes, "longest_seconds": longest_seconds, "usd": usd}
            for tier, takes, longest_seconds, usd in _offers(plan, days, prices)
        ],
        "prices": prices.label,
    }


def _counts(what: str, packs: "tuple[ColdPack, ...]") -> dict[str, int]:
    return {f"{what}_packs": len(packs), f"{what}_bytes": _bytes(packs)}


def _bytes(packs: "tuple[ColdPack, ...]") -> int:
    return sum(pack.size_bytes for pack in packs)


def _offers(plan: "RetrievalPlan", days: int, prices: PriceList) -> list[tuple[Tier, str, int, float]]:
    if plan.archive_class is None or not plan.archived:
        return []
    count, size_bytes = len(plan.archived), _bytes(plan.archived)
    return [
        (
            tier,
            terms.takes,
            int(terms.longest.total_seconds()),
            round(float(prices.usd(plan.archive_class, tier, count, size_bytes, days)), 4),
        )
        for tier, terms in prices.offers(plan.archive_class).items()
    ]


def _plan_table(plan: "RetrievalPlan", days: int, prices: PriceList) -> str:
    if plan.archive_class is None:
        return facts_table({"to be retrieved": "nothing: the repository is no archive"})
    until = plan.readable_until
    facts = facts_table(
        {
            "restore points": counted(len(plan.points), "point"),
            "storage class": plan.archive_class,
            "needed": _words(plan.packs),
            "can be read": _words(plan.readable),
            "until": None if until is None else short_time(format_time(until)),
            "under way": _words(plan.under_way),
            "to be retrieved": _words(plan.archived),
        }
    )
    offers = _offers(plan, days, prices)
    if not offers:
        return facts
    rows = [(tier.value, takes, _usd(usd)) for tier, takes, _longest_seconds, usd in offers]
    table = rows_table(("TIER", "TAKES", f"USD FOR {counted(days, 'DAY').upper()}"), rows)
    return f"{facts}\n{table}{prices.label}\n"


def _usd(amount: float) -> str:
    return "< 0.01" if 0 < amount < 0.01 else f"{amount:.2f}"


def _words(packs: "tuple[ColdPack, ...]") -> str:
    return f"{counted(len(packs), 'pack')} ({human_size(_bytes(packs))})"


def _cold(plan: "RetrievalPlan") -> NeedsRetrievalError:
    away = len(plan.packs) - len(plan.readable)
    if not plan.archived:
        why = f"{counted(away, 'pack')} are on their way from {plan.archive_class}"
    else:
        why = f"{counted(away, 'pack')} lie in {plan.archive_class} and are read once they were retrieved"
    tiers = "|".join(LIST_PRICES.offers(plan.archive_class)) if plan.archive_class else ""
    return NeedsRetrievalError(
        f"{_named(plan)} cannot be read yet",
        why=why,
        cure=f"run the same command with --retrieval-tier {tiers}: it asks for what is left, waits, and goes on",
    )


def _under_way(plan: "RetrievalPlan", tier: Tier) -> NeedsRetrievalError:
    terms = LIST_PRICES.offers(plan.archive_class)[tier] if plan.archive_class else None
    takes = "" if terms is None else f"; a {tier} retrieval takes {terms.takes}"
    return NeedsRetrievalError(
        f"{_named(plan)} cannot be read yet",
        why=f"{counted(len(plan.under_way), 'pack')} are on their way{takes}",
        cure="run the same command again: what is under way is not asked for twice; with --wait it goes on by itself",
    )


def _named(plan: "RetrievalPlan") -> str:
    first = f"restore point {plan.points[0].hex()[:12]}"
    return first if len(plan.points) == 1 else counted(len(plan.points), "restore point")
