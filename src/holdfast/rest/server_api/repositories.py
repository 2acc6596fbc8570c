"""Routes: repositories, which every appliance of the server knows."""

from typing import Annotated

from fastapi import Depends, Query

from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.protocol.appliance_answers import RepositoryOrder, RepositoryRescanned
from holdfast.rest.appliance_api.infrastructure import ForgetPoints
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import Body, Door, same_name
from holdfast.rest.server_api.passed_on import ApplianceName
from holdfast.server.service import ManagementServer

AcceptLedger = Annotated[bool, Query(description="Accept what is there now, though it was set back or replaced.")]


def add_repositories(door: Door, server: ManagementServer) -> None:
    """Add them."""

    def list_repositories() -> list[RepositoryDefinition]:
        """Repositories, by name."""
        return server.list_repositories()

    def get_repository(name: str) -> RepositoryDefinition:
        """One repository; never its password."""
        return server.get_repository(name)

    def put_repository(
        name: str, order: Annotated[RepositoryOrder, Depends(Body(RepositoryOrder, "the repository"))]
    ) -> RepositoryDefinition:
        """Add a repository, or replace it, here and on every appliance."""
        same_name(name, order.repository.name)
        return server.put_repository(order)

    def rescan_repository(
        name: str, appliance: ApplianceName = None, accept_ledger: AcceptLedger = False
    ) -> RepositoryRescanned:
        """Let an appliance open a repository again and take on the restore points that are found in it."""
        return server.rescan_repository(name, appliance, accept_ledger=accept_ledger)

    def remove_repository(name: str, forget_points: ForgetPoints = False) -> None:
        """Forget a repository, here and on every appliance; its contents stay."""
        server.remove_repository(name, forget_points=forget_points)

    door.add("GET", "/repositories", Permission.ADMINISTRATOR, list_repositories)
    door.add("GET", "/repositories/{name}", Permission.ADMINISTRATOR, get_repository)
    door.add("PUT", "/repositories/{name}", Permission.ADMINISTRATOR, put_repository)
    door.add("POST", "/repositories/{name}/rescan", Permission.ADMINISTRATOR, rescan_repository)
    door.add("DELETE", "/repositories/{name}", Permission.ADMINISTRATOR, remove_repository)
