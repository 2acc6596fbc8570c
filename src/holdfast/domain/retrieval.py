"""Bringing back what lies in an archive class: what somebody ordered, how much is needed, what each tier would cost."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, PriceList, Tier, TierTerms
from holdfast.domain.errors import NeedsRetrievalError, UsageError
from holdfast.domain.numerals import counted
from holdfast.domain.time import format_time

DEFAULT_DAYS = 3
LONGEST_DAYS = 365
# S3 counts an extension from now and rounds up to midnight, so a day more is asked for when so much is left.
EXTENSION_MARGIN = timedelta(hours=6)
_SHORTEST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=5)
_PART_OF_THE_WAIT = 8


@dataclass(frozen=True, slots=True)
class RetrievalOrder:
    """Somebody said that money may be spent: how fast, and for how many days a pack stays readable. Where that is told,
    it holds for copies that are there already, too; else these go when they would.
    """

    tier: Tier
    days: int | None = None

    @property
    def kept_days(self) -> int:
        """For how many days what is archived is asked for."""
        return _or_default(self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdData:
    """The cold packs that are needed, as the store says it: each is readable, under way, or archived. There are none,
    and no class, in a standard repository. `readable_until`: when the first of the copies that are there goes.
    """

    storage_class: ArchiveClass | None
    cold_packs: int = 0
    cold_bytes: int = 0
    readable_packs: int = 0
    readable_bytes: int = 0
    under_way_packs: int = 0
    under_way_bytes: int = 0
    archived_packs: int = 0
    archived_bytes: int = 0
    readable_until: datetime | None = None

    @property
    def is_readable(self) -> bool:
        """Whether a restore would find everything."""
        return self.readable_packs == self.cold_packs


@dataclass(frozen=True, slots=True)
class Offer:
    """One tier, for what nobody has asked for yet. `longest_seconds`: what AWS calls typical at most, no promise."""

    tier: Tier
    takes: str
    longest_seconds: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalEstimate(ColdData):
    """The same, and what it takes and costs to have what is archived for `retrieval_days`, at the prices named.
    `keeping_usd`: what it costs at most to have what can be read already for so long, too.
    """

    retrieval_days: int
    keeping_usd: float
    offers: tuple[Offer, ...]
    prices: str


def estimate(data: ColdData, told_days: int | None, prices: PriceList = LIST_PRICES) -> RetrievalEstimate:
    """The fastest offer first; there are none where nothing is archived."""
    offers, days = [], _or_default(told_days)
    if data.storage_class is not None and data.archived_packs:
        for tier, terms in prices.offers(data.storage_class).items():
            usd = prices.usd(data.storage_class, tier, data.archived_packs, data.archived_bytes, days)
            offers.append(Offer(tier, terms.takes, int(terms.longest.total_seconds()), round(float(usd), 4)))
    keeping = Decimal()
    if data.storage_class is not None and data.readable_packs:
        keeping = prices.usd_of_keeping(data.storage_class, data.readable_packs, data.readable_bytes, days)
    facts = {field.name: getattr(data, field.name) for field in fields(ColdData)}
    return RetrievalEstimate(
        **facts,
        retrieval_days=days,
        keeping_usd=round(float(keeping), 4),
        offers=tuple(offers),
        prices=prices.label,
    )


def _or_default(days: int | None) -> int:
    return DEFAULT_DAYS if days is None else days


def offered(order: RetrievalOrder, storage_class: ArchiveClass | None, what: str) -> TierTerms:
    """On which terms `what` is retrieved so. Raises UsageError where it is not: nothing of it lies in an archive class,
    that class has no such tier, or copies are not kept for so long.
    """
    if storage_class is None:
        raise UsageError(
            f"{what} needs no retrieval",
            why="nothing of it lies in an archive class: it is read at once",
            cure="leave --retrieval-tier out",
        )
    offers = LIST_PRICES.offers(storage_class)
    if order.tier not in offers:
        raise UsageError(
            f"there is no {order.tier} retrieval from {storage_class}",
            why=f"S3 has {' and '.join(offers)} there",
            cure=f"write --retrieval-tier {' or '.join(offers)}",
        )
    if not 1 <= order.kept_days <= LONGEST_DAYS:
        raise UsageError(
            f"a retrieval for {order.days} days",
            why=f"copies are kept for 1 to {LONGEST_DAYS} days",
            cure="choose another --retrieval-days; copies that a restore still reads are kept longer by themselves",
        )
    return offers[order.tier]


def require_readable(what: str, data: ColdData, now: datetime) -> None:
    """Raises NeedsRetrievalError where a person gave no leave to spend money and `what` cannot be read, or not for
    long: nobody keeps its copies then, and a restore that waits for its turn would fail in the middle.
    """
    if not data.is_readable:
        raise needs_retrieval(what, data)
    if data.readable_until is not None and data.readable_until - now <= EXTENSION_MARGIN:
        until = format_time(data.readable_until)
        raise NeedsRetrievalError(
            f"{what} cannot be read for long",
            why=f"the first of its retrieved copies goes at {until}, and a restore takes its time",
            cure="run the same command with --retrieval-tier: what is there is kept while it is read, and nothing is "
            "retrieved again",
        )


def needs_retrieval(what: str, data: ColdData) -> NeedsRetrievalError:
    """What a person is told who asked for `what` and gave no leave to spend money."""
    away, storage_class = data.cold_packs - data.readable_packs, data.storage_class
    lies = f"{counted(away, 'pack lies', 'packs lie')} in {storage_class}, to be retrieved first"
    comes = f"{counted(away, 'pack is', 'packs are')} on the way from {storage_class}"
    tiers = "|".join(LIST_PRICES.offers(storage_class)) if storage_class else ""
    return NeedsRetrievalError(
        f"{what} cannot be read yet",
        why=lies if data.archived_packs else comes,
        cure=f"run the same command with --retrieval-tier {tiers}: it asks for what is left, waits, and goes on",
    )


def how_long(data: ColdData, tier: Tier) -> str:
    """What a person is told who has asked at that tier for what was archived; what was under way before was asked for
    at a tier that S3 does not tell.
    """
    said = []
    if data.archived_packs and data.storage_class is not None:
        said.append(f"{tier} retrievals: {LIST_PRICES.offers(data.storage_class)[tier].takes}")
    if data.under_way_packs:
        before = counted(data.under_way_packs, "pack was", "packs were")
        said.append(f"{before} asked for before, and S3 does not tell at which tier")
    return "; ".join(said)


def pause_before_next_look(waited: timedelta) -> timedelta:
    """How long not to look for what was asked for so long ago: seldom, the longer it takes. Looks cost money."""
    return min(max(waited / _PART_OF_THE_WAIT, _SHORTEST_PAUSE), _LONGEST_PAUSE)
