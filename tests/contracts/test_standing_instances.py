"""The simulated restore site keeps the contract; that of EC2 does in `tests/e2e/aws/test_cloud_restores.py`."""

from dataclasses import replace

import pytest

from holdfast.appliance.ports.cloud import InstanceOrder, Ownership, VolumeOrder, nobody_cancels
from holdfast.domain.infrastructure import Account
from holdfast.domain.ownership import RESTORED
from holdfast.testing.simulated_site import REGION, SimulatedSite
from tests.contracts.standing_instances import PuttingBackContract, Stood

FIRST, SECOND = (Ownership("ap-1", f"session {one}", f"task {one}", 1, RESTORED) for one in "ab")


class TestSimulatedRestoreSite(PuttingBackContract):
    @pytest.fixture
    def stood(self):
        cloud = SimulatedSite().cloud
        instance_id = cloud.add_instance("web-1")
        configuration = cloud.instances[instance_id]
        volumes = {}
        for one in configuration.volumes:
            snapshot = cloud.create("snapshot", "main", REGION, FIRST, f"of {one.volume_id}")
            volumes[one.device] = VolumeOrder(snapshot.id, one.size_gib, one.volume_type, configuration.zone)
        order = InstanceOrder(
            configuration=replace(configuration, instance_type="m5.large"), zone=configuration.zone,
            instance_type="m5.large", root_device=configuration.root_device, volumes=volumes, interfaces=(),
            tags={"Name": "restored"}, key_name=None, instance_profile_arn=None,
        )  # fmt: skip

        def asking(go_on):
            return cloud.restore_site(Account("main"), REGION, go_on)

        return Stood(asking(nobody_cancels), instance_id, order, FIRST, SECOND, cloud.kept.pop, asking)
