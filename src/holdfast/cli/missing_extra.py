"""A module that is not installed because the extra it belongs to is not: said as such, not as a defect."""

import sys
from importlib import metadata

from holdfast.domain.errors import MissingExtraError
from holdfast.domain.extras import how_to_install

_DISTRIBUTION = "holdfast"
# What server and appliance both bring is what a client of the server lacks.
_FIRST = "server"
# Modules that are not called as their distributions are.
_DISTRIBUTIONS = {"yaml": "pyyaml"}


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """None where no extra brings that module: then something is broken."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    module = (error.name or "").partition(".")[0]
    own = metadata.metadata(_DISTRIBUTION)
    wanted = [Requirement(line) for line in own.get_all("Requires-Dist") or []]
    name = canonicalize_name(_DISTRIBUTIONS.get(module, module))
    wanted = [one for one in wanted if one.marker and canonicalize_name(one.name) == name]
    for extra in sorted(own.get_all("Provides-Extra") or [], key=lambda extra: extra != _FIRST):
        if any(one.marker and one.marker.evaluate({"extra": extra}) for one in wanted):
            return MissingExtraError(
                f"this command needs the extra `{extra}`",
                why=f"the module {module} is not installed",
                cure=how_to_install(extra, sys.executable),
            )
    return None
