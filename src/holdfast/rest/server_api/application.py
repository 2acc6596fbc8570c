"""The routes of the management server."""

from holdfast import __version__
from holdfast.rest.authentication import Permission
from holdfast.rest.events import EventStreams
from holdfast.rest.routes import Application, Door
from holdfast.rest.server_api.appliances import add_appliances
from holdfast.rest.server_api.authentication import TokenAuthenticator
from holdfast.rest.server_api.passed_on import add_passed_on
from holdfast.rest.server_api.plugins import add_plugins
from holdfast.rest.server_api.repositories import add_repositories
from holdfast.rest.server_api.results import add_results
from holdfast.server.service import ManagementServer

TITLE = "Holdfast management server"


def server_application(server: ManagementServer) -> Application:
    """The app over a server."""
    door = Door(TITLE, __version__, TokenAuthenticator(server))
    add_plugins(door, server)
    add_appliances(door, server)
    add_repositories(door, server)
    add_passed_on(door, server)
    add_results(door, server, EventStreams())
    return door.application(Permission.ADMINISTRATOR)
