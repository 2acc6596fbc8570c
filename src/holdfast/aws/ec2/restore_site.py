"""The port `RestoreSite`: what restores need of EC2 in one account and region."""

from holdfast.appliance.ports.cloud import (
    GoOn,
    InstanceOrder,
    KeptVolume,
    MadeInstance,
    Ownership,
    StandingInstance,
    VolumeOrder,
)
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2 import snapshots, states, volumes
from holdfast.aws.ec2.configuration import describe_instance, read_configuration
from holdfast.aws.ec2.exchange import VolumeExchange
from holdfast.aws.ec2.kept_volumes import all_kept
from holdfast.aws.ec2.order_check import problems_of
from holdfast.aws.ec2.restored_instance import InstanceMaker
from holdfast.aws.ec2.states import Waits
from holdfast.aws.written_down import Book
from holdfast.patience import REAL_WAITING, Waiting


class Ec2RestoreSite:
    """Fits `holdfast.appliance.ports.cloud.RestoreSite`, which says what each method promises."""

    def __init__(
        self, ec2: PatientClient, book: Book, account_id: str, go_on: GoOn, waiting: Waiting = REAL_WAITING
    ) -> None:
        self._ec2 = ec2
        self._book = book
        self._account_id = account_id
        self._waits = Waits.of(waiting, go_on)

    def instance_state(self, instance_id: str) -> str | None:
        """AWS's word; None when it is gone or terminated."""
        return states.instance_state(self._ec2, instance_id)

    def problems(self, order: InstanceOrder, standing: str | None = None) -> list[str]:
        """What stands in the way of the order, a line each."""
        return list(problems_of(self._ec2, order, standing))

    def create_volume(self, owner: Ownership, order: VolumeOrder) -> str:
        """A volume that is available; its id. One for each snapshot and zone of an attempt."""
        name = f"{order.snapshot_id} {order.zone}"
        return volumes.create_volume(self._ec2, self._book, self._waits, owner, order, name)

    def make_instance(self, owner: Ownership, order: InstanceOrder) -> MadeInstance:
        """Make the instance and see it run."""
        return InstanceMaker(self._ec2, self._book, self._waits, owner).make(order)

    def stop_instance(self, instance_id: str) -> None:
        """Stop it and see it stopped."""
        states.stop_instance(self._ec2, self._waits.making, instance_id)

    def standing_instance(self, instance_id: str) -> StandingInstance:
        """As it stands now."""
        state = str(describe_instance(self._ec2, instance_id)["State"]["Name"])
        return StandingInstance(read_configuration(self._ec2, instance_id, self._account_id), state)

    def exchange_volumes(self, owner: Ownership, instance_id: str, order: InstanceOrder) -> MadeInstance:
        """Restore into an instance that still stands."""
        return self._exchange(owner, instance_id).exchange(order)

    def status_checks(self, instance_id: str) -> tuple[str, str]:
        """Of the host and of the instance."""
        return states.status_checks(self._ec2, instance_id)

    def put_back_volumes(self, owner: Ownership, was: StandingInstance) -> None:
        """Undo that."""
        self._exchange(owner, was.configuration.instance_id).put_back(was)

    def kept_volumes(self, appliance_id: str) -> list[KeptVolume]:
        """All of them."""
        return all_kept(self._ec2, appliance_id)

    def discard_kept_volumes(self, owner: Ownership, instance_id: str) -> None:
        """Delete the volumes that were kept."""
        self._exchange(owner, instance_id).discard_kept()

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        """Delete them."""
        snapshots.delete_snapshots(self._ec2, self._book, snapshot_ids)

    def _exchange(self, owner: Ownership, instance_id: str) -> VolumeExchange:
        return VolumeExchange(self._ec2, self._book, self._waits, owner, instance_id)
