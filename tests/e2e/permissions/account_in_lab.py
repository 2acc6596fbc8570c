"""An account with IAM enforced: a server's user with the documented policy, the stack it made, and an appliance of this
process with the stack's role. Workers are instances of the lab that boot a bundle of this checkout.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from holdfast.appliance.desk.workflows import make_workflows
from holdfast.appliance.ports.records import Records
from holdfast.appliance.ports.surroundings import Surroundings
from holdfast.appliance.service import ApplianceService
from holdfast.appliance.sessions.lanes import Limits, set_limits, set_repository_limit
from holdfast.appliance.surface import EngineSlot, Patience, Surface
from holdfast.appliance.upkeep.reaper import Reaper, ReaperReport
from holdfast.appliance.workers.event_pump import EventPump
from holdfast.aws.bundle.building import Bundle, BundleContents, Told, make_bundle, running_architecture, running_python
from holdfast.aws.bundle.contents import Kind
from holdfast.aws.bundle.distributions import InstalledFile
from holdfast.aws.clients import PatientClient
from holdfast.aws.cloud import AwsCloud, CloudMemory
from holdfast.aws.policies.grants import as_text, trusts_role
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.aws.policies.server import ServerScope, deployment_grants, plugin_grants
from holdfast.domain.errors import HoldfastError
from holdfast.domain.session import Session
from holdfast.patience import Waiting
from holdfast.plugin_api import PluginContext, ServerIdentity
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.rest.tls import keep_certificate
from holdfast.testing.memory_engine import EngineMemory, MemoryEngine
from holdfast.testing.memory_records import memory_records
from holdfast.testing.simulated_site import OpenBox
from holdfast.wiring import machine
from holdfast.wiring.location_memory import FileLocationMemory
from holdfast.wiring.open_repositories import KeptOpenRepositories
from holdfast_aws.cloud import Cloud
from holdfast_aws.plugin import AwsPlugin
from holdfast_aws.settings import Settings
from tests.e2e.aws.cloud_in_lab import CloudInLab
from tests.e2e.lab.account import Account as Hand
from tests.unit.aws.memory_ledger import MemoryLedger

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
SERVER_ID = "5e" * 16
APPLIANCE_ID = "a9" * 16
BUCKET = "kept-backups"
LOCATION, ARCHIVE, DEEP_ARCHIVE = (f"s3://{BUCKET}/{name}" for name in ("main", "cold", "colder"))
PRODUCTION = "210987654321"
PRODUCTION_ROLE = f"arn:aws:iam::{PRODUCTION}:role/backup"
EXTERNAL_ID = "agreed with nobody else"
PASSWORD = "of the repository"
SETTLE_SECONDS = 600.0
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
QUICK = Waiting(sleep=lambda seconds: time.sleep(min(seconds, 0.02)))
PATIENCE = Patience(
    snapshot_poll_seconds=0.1,
    worker_poll_seconds=0.05,
    silence_seconds=120.0,
    silent_limit_seconds=360.0,
    boot_timeout_seconds=240.0,
    turn_poll_seconds=0.05,
    status_poll_seconds=0.1,
    status_checks_seconds=240.0,
)
# In place of `holdfast`: this checkout's own Python, with a worker that does not wait for long.
PROGRAM = """import os, sys
def main():
    environment = dict(os.environ, PYTHONPATH={paths!r})
    os.execve({python!r}, [{python!r}, "-m", "tests.e2e.permissions.quick_worker", *sys.argv[1:]], environment)
"""


def thin_bundle(kind: str, folder: Path, told: Told) -> Bundle:
    """A bundle that boots what lies in this checkout."""
    place = folder / "thin"
    place.mkdir(exist_ok=True)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src"), str(ROOT / "plugins" / "aws" / "src")])
    texts = {
        "holdfast/__init__.py": "",
        "holdfast/cli/__init__.py": "",
        "holdfast/cli/main.py": PROGRAM.format(paths=paths, python=sys.executable),
    }
    files = []
    for number, (name, text) in enumerate(sorted(texts.items())):
        (place / f"{number}.py").write_text(text)
        files.append(InstalledFile(name, place / f"{number}.py", ""))
    made_for = {"kind": kind, "python": running_python(), "architecture": running_architecture()}
    return make_bundle(BundleContents(cast(Kind, kind), json.dumps(made_for).encode(), tuple(files)), folder, told)


class AccountInLab:
    """Everything of one account. `hand` is its root user, with whom nothing of the product works."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.hand = Hand(endpoint)
        self.production = Hand(endpoint, access_key=PRODUCTION)
        self.iam = self.hand.client("iam")
        self.folder = folder
        self.customer = CloudInLab(self.hand)
        key, certificate = keep_certificate(folder / "tls", "a server", datetime.now(UTC))
        self.identity = ServerIdentity(certificate, key, SERVER_ID)
        self.server_ledger = MemoryLedger()
        self.settings: dict[str, str] = {}
        self.server_keys = self._server_user()
        self.hand.s3.create_bucket(Bucket=BUCKET)
        # What a person names: keys of the customer's, and the roles that restored instances may have.
        self.volume_key = str(self.hand.client("kms").create_key()["KeyMetadata"]["Arn"])
        self.bucket_key = str(self.hand.client("kms").create_key()["KeyMetadata"]["Arn"])
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.bucket_key}}
        self.hand.s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})
        self.options = {
            "repositories": f"{BUCKET}/main,{BUCKET}/cold?archive,{BUCKET}/colder?archive",
            "roles": PRODUCTION_ROLE,
            "instance-roles": ",".join(f"arn:aws:iam::{ACCOUNT_ID}:role/{name}" for name in ("shop", "other")),
            "volume-keys": self.volume_key,
            "repository-keys": self.bucket_key,
        }

    # ------------------------------------------------------------------------------------------------------- server

    def _server_user(self) -> tuple[str, str, str]:
        self.iam.create_user(UserName="server")
        scope = ServerScope("aws", ACCOUNT_ID, REGION)
        self.server_rights = {"plugin": plugin_grants(scope), "deployment": deployment_grants(scope)}
        for name, grants in self.server_rights.items():
            made = self.iam.create_policy(PolicyName=name, PolicyDocument=as_text(grants))
            self.iam.attach_user_policy(UserName="server", PolicyArn=made["Policy"]["Arn"])
        key = self.iam.create_access_key(UserName="server")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"], ""

    def plugin(self, doors: Any = None) -> AwsPlugin:
        """The plug-in as the server has it; its calls are made with the keys of whoever is `acting`."""

        def client(service: str, region: str | None) -> PatientClient:
            return PatientClient(AwsSession(region or REGION), service, waiting=QUICK)

        return AwsPlugin(Cloud(client, lambda: datetime.now(UTC), QUICK, thin_bundle), doors)

    def context(self, session_id: str = "a1" * 16, **options: str) -> PluginContext:
        return PluginContext(
            self.identity,
            self.server_ledger,
            lambda _line: None,
            lambda: False,
            session_id,
            self.folder,
            self.settings,
            options,
        )

    def install(self) -> None:
        """By the server's user; the role of appliances may then be had by the tests, too."""
        self.bring_up_to_date(region=REGION, **self.options)
        role = next(
            one for one in self.iam.list_roles(PathPrefix="/holdfast/")["Roles"] if "Appliance" in one["RoleName"]
        )
        self.role_name = str(role["RoleName"])
        statements = role["AssumeRolePolicyDocument"]["Statement"]
        me = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [*statements, me]})
        self.iam.update_assume_role_policy(RoleName=self.role_name, PolicyDocument=trust)
        given = self.hand.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="i-0123456789abcdef0")
        keys = given["Credentials"]
        self.role_keys = keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
        self.rights = self.iam.get_role_policy(RoleName=self.role_name, PolicyName="appliance")["PolicyDocument"]

        self._production_role(str(role["Arn"]))

    def bring_up_to_date(self, **options: str) -> None:
        """Install, or install again with other options."""
        with acting(self.server_keys):
            self.settings = dict(self.plugin().install(self.context(**options)).settings)

    def _production_role(self, trusted_arn: str) -> None:
        """What a customer makes in another account, as docs/permissions.md says it."""
        iam = self.production.client("iam")
        trust = json.dumps(trusts_role(trusted_arn, EXTERNAL_ID))
        iam.create_role(RoleName="backup", AssumeRolePolicyDocument=trust)
        policy = as_text(production_account_grants("aws", PRODUCTION))
        iam.put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=policy)

    def uninstall(self) -> None:
        with acting(self.server_keys):
            self.plugin().uninstall(self.context())
        self.settings = {}

    # ------------------------------------------------------------------------------------------------------- rights

    def appliance_actions(self) -> list[str]:
        return sorted({action for one in self.rights["Statement"] for action in _listed(one["Action"])})

    @contextmanager
    def without(self, action: str) -> Iterator[None]:
        """The appliance's role lacks that action, meanwhile."""
        left = []
        for one in self.rights["Statement"]:
            actions = [name for name in _listed(one["Action"]) if name != action]
            if actions:
                left.append({**one, "Action": actions})
        self._grant({**self.rights, "Statement": left})
        try:
            yield
        finally:
            self._grant(self.rights)

    @contextmanager
    def server_without(self, action: str) -> Iterator[None]:
        """The server's user lacks that action, meanwhile."""
        self._grant_server(action)
        try:
            yield
        finally:
            self._grant_server("")

    def _grant_server(self, but: str) -> None:
        for name, grants in self.server_rights.items():
            less = [replace(one, actions=tuple(set(one.actions) - {but})) for one in grants]
            arn = f"arn:aws:iam::{ACCOUNT_ID}:policy/{name}"
            before = self.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            text = as_text(one for one in less if one.actions)
            self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
            self.iam.delete_policy_version(PolicyArn=arn, VersionId=before)

    @contextmanager
    def denying(self, action: str, resource: str) -> Iterator[None]:
        """The appliance's role is denied that action on that one thing, meanwhile."""
        deny = {"Effect": "Deny", "Action": action, "Resource": resource}
        self._grant({**self.rights, "Statement": [*self.rights["Statement"], deny]})
        try:
            yield
        finally:
            self._grant(self.rights)

    def _grant(self, document: Mapping[str, Any]) -> None:
        self.iam.put_role_policy(RoleName=self.role_name, PolicyName="appliance", PolicyDocument=json.dumps(document))

    def asked(self) -> list[dict[str, Any]]:
        """Every question that IAM was asked up to now."""
        found: list[dict[str, Any]] = self.hand.lab("access")["decisions"]
        return found


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@contextmanager
def acting(keys: tuple[str, str, str]) -> Iterator[None]:
    """AWS is asked with these keys by whatever this process opens now."""
    before = {name: os.environ.get(name) for name in KEYS}
    for name, value in zip(KEYS, keys, strict=True):
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old


class Appliance:
    """An appliance with the role's keys; what it knows and has open stays until `close`."""

    def __init__(self, account: AccountInLab) -> None:
        self.account = account
        self.later = timedelta()
        self.records = memory_records()
        self.cloud = self.new_cloud()
        self._machine = machine.machine_surroundings()
        home = FileLocationMemory(account.folder, lambda _text: None)
        self.repositories = KeptOpenRepositories(
            self.records.repositories,
            OpenBox(),
            home,
            self._machine.__enter__(),
            retrieval_role=lambda: account.settings["retrieval_role_arn"],
        )
        self._surface = Surface(
            appliance_id=APPLIANCE_ID,
            region=REGION,
            records=self.records,
            cloud=self.cloud,
            repositories=self.repositories,
            local_workers=_NoLocalWorkers(),
            secrets=OpenBox(),
            surroundings=Surroundings(_now, os.urandom, _briefly, _aside),
            patience=PATIENCE,
        )

    def new_cloud(self) -> AwsCloud:
        """As after a restart: no role of another account is assumed yet."""
        settings = Settings.of(self.account.settings).for_appliance()
        memory = CloudMemory(self.records.ledger, lambda: _now() + self.later)
        return AwsCloud(APPLIANCE_ID, REGION, lambda: settings, memory, QUICK)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """A worker that says nothing is asked after at once, and lost when it has ended."""
        before = self._surface
        self._surface = replace(before, patience=replace(before.patience, silence_seconds=2.0))
        try:
            yield
        finally:
            self._surface = before

    def use(self, cloud: AwsCloud) -> None:
        self.cloud.close()
        self.cloud = cloud
        self._surface = replace(self._surface, cloud=cloud)

    def close(self) -> None:
        self.repositories.close()
        self.cloud.close()
        self._machine.__exit__(None, None, None)

    def act(self, order: Callable[[ApplianceService], Any]) -> Any:
        """Do it, and wait until nothing of it runs any more; the session's detail where it is a session."""
        with acting(self.account.role_keys):
            return asyncio.run(self._life(order))

    def reap(self) -> ReaperReport:
        """As hours later: nothing is spared any more because it may still be at work."""
        later = replace(self._surface.surroundings, now=_much_later)
        with acting(self.account.role_keys):
            return Reaper(replace(self._surface, surroundings=later)).reap()

    def _told(self) -> list[str]:
        """What sessions say that have not ended."""
        sessions = self.records.sessions
        return [line.message for one in sessions.unfinished() for line in sessions.lines(one.id, 0, 1000)]

    async def _life(self, order: Callable[[ApplianceService], Any]) -> Any:
        surface = replace(self._surface, engine=EngineSlot())
        workflows = make_workflows(surface)
        engine = MemoryEngine(EngineMemory(), workflows.named)
        surface.engine.put(engine)
        set_limits(engine, Limits())
        for repository in self.records.repositories.all():
            set_repository_limit(engine, repository)
        service = ApplianceService(surface, workflows)
        answer = await asyncio.to_thread(order, service)
        pumping = asyncio.get_running_loop().create_task(_pump(workflows.pump, self.records))
        try:
            await engine.settle(SETTLE_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self._told()}") from error
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
        assert not engine.failures, engine.failures
        return service.get_session(answer.id) if isinstance(answer, Session) else answer


class _NoLocalWorkers:
    async def run(self, *unused: object) -> None:
        raise AssertionError("nobody asked for one")


async def _aside(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


async def _briefly(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.05))


async def _pump(pump: EventPump, records: Records) -> None:
    """As housekeeping does: while a worker has something to say. A queue that cannot be read is asked again."""
    while True:
        with suppress(HoldfastError):
            if any(not one.outcome for task in records.sessions.running_tasks() for one in task.workers):
                await asyncio.to_thread(pump.pump, REGION, 0.0)
        await asyncio.sleep(0.05)


def _now() -> datetime:
    return datetime.now(UTC)


def _much_later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=2)
