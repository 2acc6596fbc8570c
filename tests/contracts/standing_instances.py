"""What every `RestoreSite` promises of putting back an instance that was restored into: one suite for fake and EC2."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from holdfast.appliance.ports.cloud import GoOn, InstanceOrder, Ownership, RestoreSite
from holdfast.domain.errors import CancelledError, ConflictError


@dataclass(frozen=True)
class Stood:
    """An instance that runs, what is restored into it, and whose the restores are. `delete`: a volume, by a person;
    `asking`: a site that asks whether it goes on.
    """

    site: RestoreSite
    instance_id: str
    order: InstanceOrder
    first: Ownership
    second: Ownership
    delete: Callable[[str], object]
    asking: Callable[[GoOn], RestoreSite]

    def restore(self, owner: Ownership) -> None:
        self.site.stop_instance(self.instance_id)
        self.site.exchange_volumes(owner, self.instance_id, self.order)

    def kept_by(self, owner: Ownership) -> set[str]:
        wanted = (owner.task_id, self.instance_id)
        kept = self.site.kept_volumes(owner.appliance_id)
        return {one.volume_id for one in kept if (one.owner.task_id, one.instance_id) == wanted}


def cancelled() -> None:
    raise CancelledError("the session was cancelled", why="somebody asked for it", cure="start it again")


class PuttingBackContract:
    """A subclass gives the fixture `stood`."""

    @pytest.fixture
    def stood(self) -> Stood:
        raise NotImplementedError

    def test_what_was_stopped_only_is_started_again(self, stood):
        was = stood.site.standing_instance(stood.instance_id)
        stood.site.stop_instance(stood.instance_id)
        stood.site.put_back_volumes(stood.first, was)
        now = stood.site.standing_instance(stood.instance_id)
        assert (now.state, now.configuration.volumes) == ("running", was.configuration.volumes)

    def test_who_cancels_is_heard_at_each_wait_and_it_is_put_back(self, stood):
        was = stood.site.standing_instance(stood.instance_id)

        def put_back():
            stood.site.put_back_volumes(stood.first, was)
            now = stood.site.standing_instance(stood.instance_id)
            return now.state, {one.device: one.volume_id for one in now.configuration.volumes}

        as_it_was = "running", {one.device: one.volume_id for one in was.configuration.volumes}

        def when_it_starts():
            if stood.site.instance_state(stood.instance_id) != "stopped":
                cancelled()

        with pytest.raises(CancelledError):
            stood.asking(cancelled).stop_instance(stood.instance_id)
        assert put_back() == as_it_was
        for go_on in (cancelled, when_it_starts):
            stood.site.stop_instance(stood.instance_id)
            with pytest.raises(CancelledError):
                stood.asking(go_on).exchange_volumes(stood.first, stood.instance_id, stood.order)
            assert put_back() == as_it_was
        assert stood.kept_by(stood.first) == set()

    def test_what_was_exchanged_is_exchanged_back(self, stood):
        was = stood.site.standing_instance(stood.instance_id)
        stood.restore(stood.first)
        old = {one.volume_id for one in was.configuration.volumes}
        assert stood.kept_by(stood.first) == old
        for _ in range(2):
            stood.site.put_back_volumes(stood.first, was)
            now = stood.site.standing_instance(stood.instance_id)
            assert {one.volume_id for one in now.configuration.volumes} == old
            assert now.state == "running"
        assert stood.kept_by(stood.first) == set()

    @pytest.mark.parametrize("discarded", [False, True])
    def test_what_the_first_only_stopped_is_not_put_back_over_the_second(self, stood, discarded):
        """Nothing of the first is there to tell that it came before."""
        was = stood.site.standing_instance(stood.instance_id)
        stood.restore(stood.second)
        if discarded:
            stood.site.discard_kept_volumes(stood.second, stood.instance_id)
        self._is_refused(stood, was)

    def test_what_a_person_has_deleted_is_not_put_back(self, stood):
        """Restored again over it, and the old volumes deleted, as it was told: the instance is another one by now."""
        was = stood.site.standing_instance(stood.instance_id)
        stood.restore(stood.first)
        stood.restore(stood.second)
        for volume_id in stood.kept_by(stood.first):
            stood.delete(volume_id)
        self._is_refused(stood, was)

    def _is_refused(self, stood, was):
        stands = stood.site.standing_instance(stood.instance_id)
        kept = stood.kept_by(stood.second)
        with pytest.raises(ConflictError, match="put back"):
            stood.site.put_back_volumes(stood.first, was)
        assert stood.site.standing_instance(stood.instance_id) == stands
        assert stood.kept_by(stood.second) == kept
