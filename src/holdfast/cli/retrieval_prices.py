"""At which prices a plan shows what a retrieval costs: AWS's list, or a person's own file."""

import json
import os
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, PriceList, Tier
from holdfast.domain.errors import UsageError

VARIABLE = "HOLDFAST_RETRIEVAL_PRICES"


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """Of one tier of one class, in US dollars; `usd_per_job` counts where one job asks for all."""

    storage_class: ArchiveClass
    tier: Tier
    usd_per_1000_requests: Decimal
    usd_per_gib: Decimal
    usd_per_job: Decimal = Decimal()


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """What the file holds. A tier that it leaves out keeps AWS's list price."""

    label: str
    prices: tuple[OwnPrice, ...]
    usd_per_gib_month_of_copies: Decimal = LIST_PRICES.usd_per_gib_month_of_copies


def retrieval_prices() -> PriceList:
    """Of the file that the environment names, else AWS's list. Raises UsageError for a file that is none."""
    path = os.environ.get(VARIABLE)
    return _read(Path(path)) if path else LIST_PRICES


def _read(path: Path) -> PriceList:
    from holdfast.protocol.encoding import from_document  # loads pydantic, which nobody waits for who has no file

    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _refused(path, str(error)) from error
    own = from_document(OwnPrices, document, f"the price list {path}")
    terms = {archive_class: dict(offers) for archive_class, offers in LIST_PRICES.terms.items()}
    for one in own.prices:
        if one.tier not in terms[one.storage_class]:
            raise _refused(path, f"S3 has no {one.tier} retrieval from {one.storage_class}")
        terms[one.storage_class][one.tier] = replace(
            terms[one.storage_class][one.tier],
            usd_per_1000_requests=one.usd_per_1000_requests,
            usd_per_gib=one.usd_per_gib,
            usd_per_job=one.usd_per_job,
        )
    return PriceList(own.label, terms, own.usd_per_gib_month_of_copies)


def _refused(path: Path, why: str) -> UsageError:
    cure = f"mend the file that {VARIABLE} names (docs/archive.md shows one), or unset it"
    return UsageError(f"the price list {path} cannot be used", why=why, cure=cure)
