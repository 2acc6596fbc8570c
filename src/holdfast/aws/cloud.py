"""The port `Cloud` on AWS: hands out what each account and region offers, all with the same ledger and clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.appliance.ports.cloud import (
    Belongings,
    Compute,
    EventQueue,
    GoOn,
    RestoreSite,
    WorkerInstances,
    nobody_cancels,
)
from holdfast.aws.accounts import AwsAccounts
from holdfast.aws.belongings import AwsBelongings
from holdfast.aws.ec2.compute import Ec2Compute
from holdfast.aws.ec2.restore_site import Ec2RestoreSite
from holdfast.aws.queues import SqsEventQueue
from holdfast.aws.worker_instances import Ec2WorkerInstances, WorkerServices
from holdfast.aws.written_down import Book
from holdfast.domain.cloud_ledger import CloudLedger
from holdfast.domain.errors import ConflictError
from holdfast.domain.infrastructure import Account
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.protocol.appliance_answers import AwsSettings

OWN_ACCOUNT = Account("")


@dataclass(frozen=True, slots=True)
class CloudMemory:
    """What everything created is written into, and when."""

    ledger: CloudLedger
    now: Callable[[], datetime]


class AwsCloud:
    """Fits `holdfast.appliance.ports.cloud.Cloud`; may be used from many threads."""

    def __init__(
        self,
        appliance_id: str,
        region: str,
        settings: Callable[[], AwsSettings | None],
        memory: CloudMemory,
        waiting: Waiting = REAL_WAITING,
    ) -> None:
        """`region` is the appliance's own; `settings` are asked for whenever workers are: they may come late."""
        self._appliance_id = appliance_id
        self._region = region
        self._settings = settings
        self._memory = memory
        self._accounts = AwsAccounts(appliance_id, region, waiting)

    def identity(self, account: Account) -> str:
        """The AWS account id behind it."""
        return self._accounts.identity(account)

    def compute(self, account: Account, region: str) -> Compute:
        """For backups."""
        ec2 = self._accounts.client(account, region, "ec2")
        return Ec2Compute(ec2, self._book(account, region), self.identity(account), self._accounts.waiting)

    def restore_site(self, account: Account, region: str, go_on: GoOn = nobody_cancels) -> RestoreSite:
        """For restores."""
        ec2 = self._accounts.client(account, region, "ec2")
        account_id = self.identity(account)
        return Ec2RestoreSite(ec2, self._book(account, region), account_id, go_on, self._accounts.waiting)

    def workers(self, region: str) -> WorkerInstances:
        """Workers in the appliance's own account. Raises ConflictError while the appliance has no settings."""
        settings = self._complete_settings()
        client = self._accounts.client
        services = WorkerServices(
            ec2=client(OWN_ACCOUNT, region, "ec2"),
            iam=client(OWN_ACCOUNT, settings.region, "iam"),
            sqs=client(OWN_ACCOUNT, settings.region, "sqs"),
            kms=client(OWN_ACCOUNT, settings.region, "kms"),
        )
        books = (self._book(OWN_ACCOUNT, region), self._book(OWN_ACCOUNT, settings.region))
        return Ec2WorkerInstances(services, books, settings, self._appliance_id, self._accounts.waiting)

    def events(self, region: str) -> EventQueue:
        """The one queue of the stack, wherever the workers run. Raises ConflictError without settings."""
        settings = self._complete_settings()
        return SqsEventQueue(self._accounts.client(OWN_ACCOUNT, settings.region, "sqs"), settings.event_queue_url)

    def belongings(self, account: Account, region: str) -> Belongings:
        """For the reaper. Roles and queues of workers come with the appliance's own account and the stack's region."""
        settings = self._settings()
        home_region = settings.region if settings is not None else self._region
        client = self._accounts.client
        home = None
        if account.role_arn is None and region == home_region:
            home = (client(OWN_ACCOUNT, home_region, "iam"), client(OWN_ACCOUNT, home_region, "sqs"))
        return AwsBelongings(client(account, region, "ec2"), self._book(account, region), self._appliance_id, home)

    def close(self) -> None:
        """Close all connections."""
        self._accounts.close()

    def _book(self, account: Account, region: str) -> Book:
        return Book(self._memory.ledger, self._memory.now, account.name, region)

    def _complete_settings(self) -> AwsSettings:
        settings = self._settings()
        if settings is None:
            raise ConflictError(
                "this appliance cannot launch workers",
                why="nobody has told it the bucket, key, queue and boundary that they need",
                cure="connect it to a server whose AWS plug-in is installed, or use `worker: {mode: local}`",
            )
        return settings
