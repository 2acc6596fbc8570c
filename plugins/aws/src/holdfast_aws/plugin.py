"""The plug-in as the server sees it: each method is done by the file that its name points to."""

from collections.abc import Sequence

from holdfast.domain.infrastructure import Appliance
from holdfast.plugin_api import (
    CONTRACT,
    ApplianceConnection,
    ConnectOrder,
    DeployOrder,
    Installation,
    InstalledThing,
    PluginContext,
    PluginFacts,
    ServiceSpec,
)
from holdfast_aws import connecting, installing
from holdfast_aws.cloud import Cloud, real_cloud
from holdfast_aws.deploying import Deployment
from holdfast_aws.doors import DOORS, Doors
from holdfast_aws.version import VERSION

FACTS = PluginFacts(
    name="aws",
    version=VERSION,
    contract=CONTRACT,
    summary="EC2 instances in AWS: appliances, their workers, and what these need in an account",
    workloads=("EC2Policy",),
)


class AwsPlugin:
    """Implements holdfast.plugin_api.Plugin."""

    def __init__(self, cloud: Cloud, doors: Doors) -> None:
        self._cloud = cloud
        self._doors = doors

    @property
    def facts(self) -> PluginFacts:
        """Who it is."""
        return FACTS

    def install(self, context: PluginContext) -> Installation:
        """One stack for the server, and the bundles in its bucket."""
        return installing.install(self._cloud, context)

    def things(self, context: PluginContext) -> Sequence[InstalledThing]:
        """What is there now."""
        return installing.things(self._cloud, context)

    def uninstall(self, context: PluginContext) -> None:
        """Bundles and stack."""
        installing.uninstall(self._cloud, context)

    def services(self, appliance: Appliance) -> Sequence[ServiceSpec]:
        """One process keeps the server's mirror of an appliance in step."""
        words = ("-m", "holdfast_aws.sync", "--url", appliance.url, "--pinned", appliance.certificate)
        return (ServiceSpec("sync", words),)

    def deploy(self, order: DeployOrder, context: PluginContext) -> Appliance:
        """Launch an appliance on EC2."""
        return Deployment(self._cloud, self._doors, context).deploy(order)

    def connect(self, order: ConnectOrder, context: PluginContext) -> Appliance:
        """Take on one that runs already."""
        return connecting.connect(self._doors, order, context)

    def accept_certificate(self, appliance: Appliance, context: PluginContext) -> Appliance:
        """Pin what it offers now."""
        return connecting.accept_certificate(self._doors, appliance, context)

    def tell(self, appliance: Appliance, context: PluginContext) -> None:
        """That it stays, the bundles that workers boot from now, and the stack."""
        connecting.tell(self._doors, appliance, context)

    def disconnect(self, appliance: Appliance, context: PluginContext, *, delete: bool) -> None:
        """Let go of it."""
        Deployment(self._cloud, self._doors, context).remove(appliance, delete=delete)

    def clean(self, session_id: str, context: PluginContext) -> None:
        """What a session that was cut short has left: a deployment's instance and group, an installation's stack."""
        rows = context.ledger.open_rows(session_id=session_id)
        stacks = {row.task_id: row.region for row in rows if row.kind == installing.STACK}
        if stacks:
            installing.clean(self._cloud, context, stacks)
        if any(row.kind != installing.STACK for row in rows):
            Deployment(self._cloud, self._doors, context).clean(session_id)

    def connection(self, appliance: Appliance, context: PluginContext) -> ApplianceConnection:
        """A connection to an appliance."""
        return self._doors.appliance(appliance.url, appliance.certificate, context.identity)


PLUGIN = AwsPlugin(real_cloud(), DOORS)
