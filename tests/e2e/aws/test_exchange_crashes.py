"""A restore into a standing instance whose program dies after any one of its requests: what was there or what was
restored can be started, and asking again goes on or undoes.
"""

import pytest

from holdfast.aws.clients import PatientClient
from holdfast.lab.process import start_lab
from tests.e2e.aws.cloud_in_lab import CloudInLab, owner
from tests.e2e.aws.test_cloud_restores import backed_up, customer, order_of
from tests.e2e.lab.account import Account

READS = ("Describe", "Get", "List")
# More requests than this an exchange of two volumes does not make.
MOST_REQUESTS = 60


class DiedError(BaseException):
    """The program is gone: nobody catches this."""


class Mortal:
    """Dies after so many requests that change something."""

    def __init__(self, monkeypatch):
        self.left = None
        asked = PatientClient.try_call

        def try_call(client, operation, resource, **parameters):
            answer = asked(client, operation, resource, **parameters)
            if self.left is not None and not operation.startswith(READS):
                self.left -= 1
                if self.left < 0:
                    raise DiedError(operation)
            return answer

        monkeypatch.setattr(PatientClient, "try_call", try_call)


def test_whenever_it_dies_the_old_or_the_restored_can_be_started(monkeypatch):
    with start_lab(faults="quota=off,pending=10ms") as lab:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        world = CloudInLab(Account(lab.endpoint))
        instance_id = customer(world, 60)
        wanted = world.contents(instance_id)
        before, snapshots = backed_up(world, instance_id, "9")
        order = order_of(world, before, snapshots, instance_type="t3.large")
        mortal = Mortal(monkeypatch)
        deaths = []
        for requests in range(MOST_REQUESTS):
            world.write(instance_id, 1000 + requests)
            stood, volumes = world.contents(instance_id), world.volumes(instance_id)
            whose = owner("9", attempt=requests + 1)
            world.site.stop_instance(instance_id)
            mortal.left = requests
            try:
                world.site.exchange_volumes(whose, instance_id, order)
            except DiedError as death:
                deaths.append(str(death))
            finished = mortal.left > 0 or mortal.left == 0
            mortal.left = None
            everything = {one["VolumeId"] for one in world.account.ec2.describe_volumes()["Volumes"]}
            assert set(volumes.values()) <= everything, "nothing old is deleted before the restored one runs"
            if requests % 2:
                world.site.exchange_volumes(whose, instance_id, order)
                assert world.contents(instance_id) == wanted
                world.site.discard_kept_volumes(whose, instance_id)
            else:
                world.site.put_back_volumes(whose, instance_id)
                assert (world.volumes(instance_id), world.contents(instance_id)) == (volumes, stood)
            assert world.site.instance_state(instance_id) == "running"
            assert len(world.account.ec2.describe_volumes()["Volumes"]) == len(volumes), "none too many"
            if finished:
                break
        else:
            pytest.fail("it never came to its end")
        assert {"CreateVolume", "DetachVolume", "AttachVolume", "StartInstances"} <= set(deaths)
