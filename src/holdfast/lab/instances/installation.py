"""Instances put into a lab: what moto builds its EC2 from, the lab's routes about them, and their end with the lab."""

import shutil
import time
from collections.abc import Callable

from holdfast.lab.census import census
from holdfast.lab.instances.backend import install_instances
from holdfast.lab.instances.instance_routes import InstanceRoutes, all_instances
from holdfast.lab.instances.power import InstanceWorld
from holdfast.lab.instances.responses import install_responses
from holdfast.lab.instances.stock_parameters import install_parameters
from holdfast.lab.lab_routes import LabRoutes

# Longer than the grace that processes have.
END_SECONDS = 30


def add_instances(world: InstanceWorld, routes: LabRoutes) -> Callable[[], None]:
    """Instances from now on; the function handed back ends every one of them and waits until they are gone."""
    # Instances are not kept; what they left on a lab's earlier run is nobody's.
    shutil.rmtree(world.folder, ignore_errors=True)
    install_instances(world)
    install_responses()
    install_parameters()
    answers = InstanceRoutes(world.faults)
    routes.add("GET", "instances", answers.instances)
    routes.add("PUT", "instances/faults", answers.set_faults)
    routes.add("GET", "census", census)
    return end_instances


def end_instances() -> None:
    """No process of any instance runs any more."""
    ending = [machine for instance in all_instances() if (machine := instance.power.end()) is not None]
    deadline = time.monotonic() + END_SECONDS
    for machine in ending:
        machine.wait(max(0.1, deadline - time.monotonic()))
