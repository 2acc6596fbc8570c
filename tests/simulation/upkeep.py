"""What an appliance does by the clock, at the moment that a test chooses, to its end."""

from collections.abc import Callable

from holdfast.appliance.upkeep.expiry import Expiry
from holdfast.appliance.upkeep.scheduler import Scheduler
from holdfast.testing.simulated_site import RunningAppliance, SimulatedSite

Boundary = Callable[[int, str], None]


def scheduler(appliance: RunningAppliance) -> Scheduler:
    """With the appliance's own way of starting a run."""
    return Scheduler(appliance.surface, appliance.workflows.book, appliance.service.start_run)


def expiry(appliance: RunningAppliance) -> Expiry:
    """The appliance's."""
    return Expiry(appliance.surface, appliance.workflows)


def tick(site: SimulatedSite, boundary: Boundary | None = None) -> list[str]:
    """Start the policies that are due; the ids of their sessions."""
    started: list[str] = site.run(lambda appliance: scheduler(appliance).tick(), boundary)
    return started


def sweep(site: SimulatedSite, boundary: Boundary | None = None) -> list[str]:
    """Delete the points that a time lets go; the ids of the sessions that do."""
    opened: list[str] = site.run(lambda appliance: expiry(appliance).sweep(), boundary)
    return opened
