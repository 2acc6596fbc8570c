"""The lab's own routes about instances.

GET /_lab/instances          every instance: {"instances": [{"instance_id", "account", "region", "state", "pids",
                             "home", "console"}]}; `home` is the folder it runs in, `console` the file of its console
PUT /_lab/instances/faults   {"boot": "never" | "always", "checks": "impaired" | "ok", "vcpus": N,
                              "no_room": [TYPE | TYPE@ZONE], "not_offered": [TYPE | TYPE@ZONE],
                              "launch": "ok" | CODE}, each if wanted
"""

from http import HTTPStatus
from typing import Any

from moto.ec2.models import ec2_backends

from holdfast.lab.instances.lab_instance import LAUNCH_FAILURES, LabInstance
from holdfast.lab.instances.power import InstanceFaults

Result = tuple[HTTPStatus, dict[str, Any]]


class InstanceRoutes:
    """Answers for whoever runs the lab."""

    def __init__(self, faults: InstanceFaults) -> None:
        self._faults = faults

    def instances(self, document: dict[str, Any]) -> Result:
        """GET /_lab/instances"""
        return HTTPStatus.OK, {"instances": [_shown(instance) for instance in all_instances()]}

    def set_faults(self, document: dict[str, Any]) -> Result:
        """PUT /_lab/instances/faults"""
        boot, checks, vcpus = document.get("boot"), document.get("checks"), document.get("vcpus")
        launch = document.get("launch")
        known = boot in (None, "never", "always") and checks in (None, "impaired", "ok")
        known = known and launch in (None, "ok", *LAUNCH_FAILURES)
        places = {name: document[name] for name in ("no_room", "not_offered") if name in document}
        known = known and all(isinstance(types, list) for types in places.values())
        if not known or not (vcpus is None or (isinstance(vcpus, int) and vcpus >= 0)):
            words = (
                'boot is "never" or "always", checks "impaired" or "ok", vcpus a number, no_room a list of types, '
                f'launch "ok" or one of {", ".join(LAUNCH_FAILURES)}'
            )
            return HTTPStatus.BAD_REQUEST, {"message": words}
        if boot is not None:
            self._faults.boots = boot == "always"
        if checks is not None:
            self._faults.checks = checks == "ok"
        if vcpus is not None:
            self._faults.vcpus = vcpus
        if launch is not None:
            self._faults.launch = "" if launch == "ok" else launch
        for name, types in places.items():
            setattr(self._faults, name, tuple(map(str, types)))
        return HTTPStatus.OK, {
            "boot": "always" if self._faults.boots else "never",
            "checks": "ok" if self._faults.checks else "impaired",
            "vcpus": self._faults.vcpus,
            "no_room": list(self._faults.no_room),
            "not_offered": list(self._faults.not_offered),
            "launch": self._faults.launch or "ok",
        }


def all_instances() -> list[LabInstance]:
    """Every instance of the lab, whatever its account and region."""
    return [
        instance
        for regions in list(ec2_backends.values())
        for backend in list(regions.values())
        for reservation in list(backend.reservations.values())
        for instance in list(reservation.instances)
        if isinstance(instance, LabInstance)
    ]


def _shown(instance: LabInstance) -> dict[str, Any]:
    machine = instance.power.machine
    return {
        "instance_id": instance.id,
        "account": instance.owner_id,
        "region": instance.region_name,
        "state": instance.state,
        "pids": machine.pids() if machine is not None else [],
        "home": str(instance.power.folder.home),
        "console": str(instance.power.folder.console),
    }
