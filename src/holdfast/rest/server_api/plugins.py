"""Routes: the server itself, and its plug-ins."""

from typing import Annotated

from fastapi import Depends

from holdfast.domain.session import Session
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import Body, Door
from holdfast.rest.server_api.orders import PluginOrder
from holdfast.server.plugins import PluginReport
from holdfast.server.service import ManagementServer, ServerFacts


def add_plugins(door: Door, server: ManagementServer) -> None:
    """Add them."""

    def get_server() -> ServerFacts:
        """Who this server is."""
        return server.facts()

    def list_plugins() -> list[PluginReport]:
        """Plug-ins with their services, and what they have put somewhere."""
        return server.list_plugins()

    def install_plugin(name: str, order: Annotated[PluginOrder, Depends(Body(PluginOrder, "the order"))]) -> Session:
        """Install a plug-in, and create what it needs."""
        return server.install_plugin(name, order.source, order.options)

    def remove_plugin(name: str) -> Session:
        """Take a plug-in away, and what it has created. Backups stay."""
        return server.remove_plugin(name)

    door.add("GET", "/server", Permission.ADMINISTRATOR, get_server)
    door.add("GET", "/plugins", Permission.ADMINISTRATOR, list_plugins)
    door.add("POST", "/plugins/{name}/install", Permission.ADMINISTRATOR, install_plugin)
    door.add("DELETE", "/plugins/{name}", Permission.ADMINISTRATOR, remove_plugin)
