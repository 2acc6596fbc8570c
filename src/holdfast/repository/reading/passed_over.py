"""What is said of damaged objects for which another copy was read: what a person does next about them."""

from collections.abc import Mapping

from holdfast.domain.errors import IntegrityError
from holdfast.repository.format import names
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository

_REPAIR, _COLLECT = "run `holdfast repository repair`", "`holdfast repository collect-garbage`"


def warnings_in(repository: Repository, passed_over: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each. A pack that is condemned was healed by a repair, and goes with a collection."""
    if not passed_over:
        return ()
    try:
        condemned = {names.pack(pack) for pack in newest_plan(repository.sealed).condemned}
    except IntegrityError:  # a check names the plan
        condemned = set()
    return _lines(
        {
            key: (why, f"it is healed; run {_COLLECT}, which takes it away" if key in condemned else _REPAIR)
            for key, why in passed_over.items()
        }
    )


def warnings_of_worker(passed_over: Mapping[str, str]) -> tuple[str, ...]:
    """The same of a party that has no key to plans."""
    cure = f"{_REPAIR}, and after one {_COLLECT}"
    return _lines({key: (why, cure) for key, why in passed_over.items()})


def _lines(found: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    return tuple(
        f"{key} is damaged ({why}): another copy was read; {cure}" for key, (why, cure) in sorted(found.items())
    )
