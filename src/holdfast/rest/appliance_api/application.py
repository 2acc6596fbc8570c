"""The routes of an appliance."""

from collections.abc import Callable

from holdfast import __version__
from holdfast.rest.appliance_api.authentication import CertificateAuthenticator, EnrolmentTries
from holdfast.rest.appliance_api.infrastructure import add_infrastructure
from holdfast.rest.appliance_api.ownership import add_ownership
from holdfast.rest.appliance_api.policies import add_policies
from holdfast.rest.appliance_api.results import add_results
from holdfast.rest.appliance_api.use_cases import ApplianceUseCases
from holdfast.rest.authentication import Permission
from holdfast.rest.events import EventStreams
from holdfast.rest.routes import Application, Door

TITLE = "Holdfast appliance"


def appliance_application(
    appliance: ApplianceUseCases,
    trust: Callable[[str], None],
    tries: EnrolmentTries | None = None,
    poll_seconds: float = 0.5,
) -> Application:
    """The app over an appliance. `trust` lets the TLS context accept the certificate (PEM) of a new owner."""
    door = Door(TITLE, __version__, CertificateAuthenticator(appliance))
    add_ownership(door, appliance, trust, tries or EnrolmentTries())
    add_infrastructure(door, appliance)
    add_policies(door, appliance)
    add_results(door, appliance, EventStreams(), poll_seconds)
    return door.application(Permission.OWNER)
