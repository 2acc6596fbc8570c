"""What of a simulated repository lies in an archive class of S3, as AWS documents it: `cold_store` without bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier, days_until, end_of_copy
from holdfast.domain.retrieval import EXTENSION_MARGIN, ColdData, RetrievalOrder

PACK_BYTES = 64 * 1024**2
# Asked for in one call, so that two volumes take two.
PORTION_PACKS = 1


@dataclass(frozen=True, slots=True)
class _Copy:
    ready: datetime
    gone: datetime


class SimulatedArchive:
    """Packs by name. `billed` are the names that were asked for, with each extension."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._copies: dict[str, _Copy] = {}
        self.billed: list[tuple[str, RetrievalOrder]] = []
        # For who tests something else than patience.
        self.takes: timedelta | None = None

    def data(self, storage_class: ArchiveClass, packs: Iterable[str]) -> ColdData:
        """How these are now."""
        wanted, now = list(packs), self._now()
        copies = [copy for copy in map(self._copy, wanted) if copy is not None]
        readable = [copy for copy in copies if copy.ready <= now]
        archived = len(wanted) - len(copies)
        return ColdData(
            storage_class=storage_class,
            cold_packs=len(wanted),
            cold_bytes=len(wanted) * PACK_BYTES,
            readable_packs=len(readable),
            readable_bytes=len(readable) * PACK_BYTES,
            under_way_packs=len(copies) - len(readable),
            under_way_bytes=(len(copies) - len(readable)) * PACK_BYTES,
            archived_packs=archived,
            archived_bytes=archived * PACK_BYTES,
            readable_until=min((copy.gone for copy in readable), default=None),
        )

    def go_on(self, storage_class: ArchiveClass, packs: Iterable[str], order: RetrievalOrder, ordered: datetime) -> int:
        """Ask for some that are archived, and keep what goes within hours, or before the days that the order tells from
        when it was `ordered`; how many were asked for.
        """
        asked = 0
        wanted = ordered if order.days is None else end_of_copy(ordered, order.days)
        for pack in packs:
            copy, now = self._copy(pack), self._now()
            if copy is None and asked < PORTION_PACKS:
                ready = now + (self.takes or LIST_PRICES.offers(storage_class)[order.tier.alone].longest)
                self._take(pack, _Copy(ready, end_of_copy(ready, order.kept_days)), order)
                asked += 1
            elif copy is not None and copy.ready <= now and (copy.gone < wanted or copy.gone - now <= EXTENSION_MARGIN):
                days = days_until(wanted, now)
                self._take(pack, _Copy(copy.ready, end_of_copy(now, days)), RetrievalOrder(Tier.BULK, days))
        return asked

    def let_pass(self, lapse: timedelta) -> None:
        """Copies are so much older: what was far from its end is near it."""
        self._copies = {pack: _Copy(copy.ready - lapse, copy.gone - lapse) for pack, copy in self._copies.items()}

    def _take(self, pack: str, copy: _Copy, order: RetrievalOrder) -> None:
        self._copies[pack] = copy
        self.billed.append((pack, order))

    def _copy(self, pack: str) -> _Copy | None:
        copy = self._copies.get(pack)
        return None if copy is None or copy.gone <= self._now() else copy
