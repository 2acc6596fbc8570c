"""Routes: appliances, and what their services tell."""

from typing import Annotated

from fastapi import Depends, Query

from holdfast.domain.infrastructure import Appliance
from holdfast.domain.session import Session
from holdfast.plugin_api import ConnectOrder, DeployOrder
from holdfast.protocol.appliance_answers import ChangePage
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import Body, Door
from holdfast.rest.server_api.orders import CertificateAcceptance, StateReport, SyncedUsn
from holdfast.server.service import ManagementServer

# A page of changes has as many documents of an appliance as its service asks for.
CHANGES_LIMIT_BYTES = 64 * 1024 * 1024


def add_appliances(door: Door, server: ManagementServer) -> None:
    """Add them."""
    _add_register(door, server)
    _add_services(door, server)


def _add_register(door: Door, server: ManagementServer) -> None:
    def list_appliances() -> list[Appliance]:
        """Appliances and how they stand, by name."""
        return server.list_appliances()

    def get_appliance(name: str) -> Appliance:
        """One appliance."""
        return server.get_appliance(name)

    def deploy_appliance(order: Annotated[DeployOrder, Depends(Body(DeployOrder, "the order"))]) -> Session:
        """Launch an appliance; a failure midway leaves nothing."""
        return server.deploy_appliance(order)

    def connect_appliance(order: Annotated[ConnectOrder, Depends(Body(ConnectOrder, "the order"))]) -> Appliance:
        """Take on an appliance that runs already."""
        return server.connect_appliance(order)

    def accept_certificate(
        name: str, accepted: Annotated[CertificateAcceptance, Depends(Body(CertificateAcceptance, "the acceptance"))]
    ) -> Appliance:
        """Say that the certificate which the appliance shows now, and which is named, is right."""
        return server.accept_certificate(name, accepted.fingerprint)

    def rescan_appliance(name: str) -> Appliance:
        """Forget what is mirrored of the appliance, and collect it anew."""
        return server.rescan_appliance(name)

    def remove_appliance(
        name: str, delete: Annotated[bool, Query(description="End its instance, too.")] = False
    ) -> Session:
        """Let go of the appliance."""
        return server.remove_appliance(name, delete=delete)

    door.add("GET", "/appliances", Permission.ADMINISTRATOR, list_appliances)
    door.add("GET", "/appliances/{name}", Permission.ADMINISTRATOR, get_appliance)
    door.add("POST", "/appliances/deploy", Permission.ADMINISTRATOR, deploy_appliance)
    door.add("POST", "/appliances/connect", Permission.ADMINISTRATOR, connect_appliance)
    door.add("POST", "/appliances/{name}/accept-certificate", Permission.ADMINISTRATOR, accept_certificate)
    door.add("POST", "/appliances/{name}/rescan", Permission.ADMINISTRATOR, rescan_appliance)
    door.add("DELETE", "/appliances/{name}", Permission.ADMINISTRATOR, remove_appliance)


def _add_services(door: Door, server: ManagementServer) -> None:
    def get_synced_usn(name: str) -> SyncedUsn:
        """How far the appliance is mirrored."""
        return SyncedUsn(server.synced_usn(name))

    def sync_appliance(name: str, page: Annotated[ChangePage, Depends(Body(ChangePage, "the page"))]) -> SyncedUsn:
        """Mirror a page of the appliance's changes; a page again changes nothing."""
        return SyncedUsn(server.sync(name, page))

    def report_state(name: str, report: Annotated[StateReport, Depends(Body(StateReport, "the report"))]) -> Appliance:
        """How the appliance stands, as its service has found."""
        return server.report(name, report.state, report.reason, report.offered_certificate)

    door.add("GET", "/appliances/{name}/sync", Permission.SERVICE, get_synced_usn)
    door.add(
        "POST",
        "/appliances/{name}/sync",
        Permission.SERVICE,
        sync_appliance,
        body_limit_bytes=CHANGES_LIMIT_BYTES,
    )
    door.add("POST", "/appliances/{name}/state", Permission.SERVICE, report_state)
