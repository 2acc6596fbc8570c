"""Launching an appliance and seeing it answer; removing it. What fails midway leaves nothing."""

from dataclasses import replace

from holdfast.aws.deployment.appliance_instance import ApplianceInstances, LaunchedInstance, LaunchOrder
from holdfast.aws.deployment.bundle_store import BundleStore
from holdfast.aws.deployment.cleaning import Cleaning
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.network import chosen_site
from holdfast.domain.errors import (
    CancelledError,
    HoldfastError,
    NotFoundError,
    UnavailableError,
    UsageError,
    WorkerLostError,
)
from holdfast.domain.infrastructure import Appliance
from holdfast.domain.numerals import counted
from holdfast.plugin_api import DeployOrder, PluginContext
from holdfast.protocol.appliance_answers import ApplianceFacts, FarewellState
from holdfast.protocol.certificates import fingerprint_of
from holdfast.protocol.encoding import from_document
from holdfast_aws.cloud import Cloud
from holdfast_aws.connecting import appliance_of, first_contact, release
from holdfast_aws.doors import Doors
from holdfast_aws.settings import Settings

# From a running instance to an appliance that answers: fetching and unpacking the bundle is most of it.
BOOT_SECONDS = 900.0
ANSWER_SECONDS = 180.0
# Sessions are cancelled and workers ended; AWS takes its time.
FAREWELL_SECONDS = 300.0
LOOK_SECONDS = 2.0
INSTANCE = "instance"


class Deployment:
    """One deployment, named by its session."""

    def __init__(self, cloud: Cloud, doors: Doors, context: PluginContext) -> None:
        self._cloud = cloud
        self._doors = doors
        self._context = context
        self._settings = Settings.of(context.settings)
        region = self._settings.region
        self._ec2 = cloud.client("ec2", region)
        self._store = BundleStore(cloud.client("s3", region), self._settings.bundle_bucket)

    def deploy(self, order: DeployOrder) -> Appliance:
        """Launch it, see it answer, and tell it what it needs."""
        settings, context = self._settings, self._context
        if order.region not in (None, settings.region):
            raise UsageError(
                f"no appliance can be deployed in {order.region}",
                why=f"the plug-in's stack is in {settings.region}, and appliances stand beside it",
                cure=f"leave the region out; an appliance in {settings.region} protects every region",
            )
        try:
            launched = self._launch(order)
            host = settings.reach_at or (launched.public_address if order.public_address else None)
            url = f"https://{host or launched.private_address}:{order.port}"
            certificate = self._certificate(launched)
            context.say(f"its certificate has the fingerprint {fingerprint_of(certificate)}")
            facts = self._answer(url, certificate)
        except HoldfastError as error:
            if self._ledger(context.session_id).open_rows():
                context.say(f"removing what was made: {error.what}")
            self.clean(context.session_id)
            raise
        return replace(appliance_of(order.name, url, certificate, facts), instance_id=launched.instance_id)

    def clean(self, session_id: str) -> None:
        """Everything that the deployment of that session made."""
        cleaning = Cleaning(self._ec2, self._ledger(session_id), self._cloud.waiting)
        cleaning.run(self._context.say)
        self._store.forget(session_id)
        cleaning.close()

    def remove(self, appliance: Appliance, *, delete: bool) -> None:
        """Let go of it; with `delete`, end its instance and what was deployed with it."""
        if delete:
            self._farewell(appliance)
        unheard = release(self._doors, appliance, self._context)
        if unheard is not None:
            self._context.say(f"the appliance could not be told: {unheard.what}: {unheard.why}")
        if delete:
            session_id = self._session_of(appliance.instance_id)
            if session_id is None:
                self._context.say(f"instance {appliance.instance_id} was removed before")
            else:
                self.clean(session_id)

    def _farewell(self, appliance: Appliance) -> None:
        """Workers, roles, queues and groups are the appliance's to remove: once it is gone, nobody knows of them."""
        waiting, context = self._cloud.waiting, self._context
        began_seconds = waiting.monotonic()
        door = self._doors.appliance(appliance.url, appliance.certificate, context.identity)
        try:
            while True:
                state = from_document(FarewellState, door.send("POST", "/farewell"), "the appliance's farewell")
                if not state.unfinished and not state.left:
                    context.say("what runs there is ended, and what its workers had is removed")
                    return
                if waiting.monotonic() - began_seconds > FAREWELL_SECONDS:
                    left = "; ".join(state.left) or "nothing"
                    context.say(f"{counted(state.unfinished, 'session')} did not end there; what would not go: {left}")
                    return
                self._pause()
        except HoldfastError as error:
            if isinstance(error, CancelledError):
                raise
            context.say(f"it could not be asked to end its work: {error.what}: {error.why}")
        finally:
            door.close()

    def _launch(self, order: DeployOrder) -> LaunchedInstance:
        settings, context = self._settings, self._context
        launch = LaunchOrder(
            order=order,
            deployment=context.session_id,
            site=chosen_site(self._ec2, order),
            bucket=settings.bundle_bucket,
            bundle_key=settings.appliance_bundle,
            bundle_sha256=settings.appliance_sha256,
            architecture=settings.architecture,
            instance_profile=settings.appliance_profile,
            server_certificate=context.identity.certificate.read_text(encoding="ascii"),
            kms_key_arn=settings.kms_key_arn,
        )
        return self._instances().launch(launch, context.say, context.cancelled)

    def _certificate(self, launched: LaunchedInstance) -> str:
        """The certificate that the new appliance puts into the stack's bucket: only its role may."""
        self._context.say("waiting for the appliance to boot")
        waiting, instances = self._cloud.waiting, self._instances()
        began_seconds = waiting.monotonic()
        while True:
            certificate = self._store.certificate(self._context.session_id)
            if certificate is not None:
                return certificate
            state = instances.state(launched.instance_id)
            late = waiting.monotonic() - began_seconds > BOOT_SECONDS
            if late or state not in ("pending", "running"):
                console = instances.console(launched.instance_id)
                raise WorkerLostError(
                    f"the appliance on {launched.instance_id} did not start",
                    why=(f"it is {state}" if not late else f"no sign of it for {BOOT_SECONDS:.0f} s")
                    + (f"; its console ends: {console}" if console else ""),
                    cure="mend what its console says, then deploy again; nothing of it is left",
                )
            self._pause()

    def _answer(self, url: str, certificate: str) -> ApplianceFacts:
        """Who it says it is, over TLS that trusts that certificate alone; and it learns of the stack."""
        waiting = self._cloud.waiting
        began_seconds = waiting.monotonic()
        door = self._doors.appliance(url, certificate, self._context.identity)
        try:
            while True:
                try:
                    return first_contact(door, self._context)
                except UnavailableError as error:
                    if waiting.monotonic() - began_seconds > ANSWER_SECONDS:
                        raise UnavailableError(
                            f"the appliance does not answer at {url}",
                            why=f"{error.why}; its instance runs, and it has shown its certificate",
                            cure="let this server in (--allow), check the route to it, or deploy it with --private",
                        ) from error
                self._pause()
        finally:
            door.close()

    def _pause(self) -> None:
        if self._context.cancelled():
            raise CancelledError("the session was cancelled", why="somebody asked for it", cure="run it again")
        self._cloud.waiting.sleep(LOOK_SECONDS)

    def _instances(self) -> ApplianceInstances:
        return ApplianceInstances(self._ec2, self._ledger(self._context.session_id), self._cloud.waiting)

    def _ledger(self, session_id: str) -> DeploymentLedger:
        server_id, region = self._context.identity.server_id, self._settings.region
        return DeploymentLedger(self._context.ledger, server_id, session_id, region, self._cloud.now)

    def _session_of(self, instance_id: str) -> str | None:
        """The deployment that made it; None where a removal that was cut short has left nothing of it."""
        for row in self._context.ledger.open_rows():
            if row.kind == INSTANCE and row.object_id == instance_id:
                return row.session_id
        if self._instances().state(instance_id) in (None, "terminated"):
            return None
        raise NotFoundError(
            f"instance {instance_id} is not in the server's ledger",
            why="this server did not deploy it, and it runs",
            cure="remove the appliance without --delete, and end the instance in the AWS console",
        )
