"""Routes: who the appliance is, and whose."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from holdfast.protocol.appliance_answers import ApplianceFacts, AwsSettings, FarewellState
from holdfast.protocol.certificates import fingerprint_of
from holdfast.rest.appliance_api.authentication import EnrolmentTries
from holdfast.rest.appliance_api.orders import Enrolment
from holdfast.rest.appliance_api.use_cases import Ownership
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import Body, Door


def add_ownership(door: Door, appliance: Ownership, trust: Callable[[str], None], tries: EnrolmentTries) -> None:
    """Add them."""

    def get_appliance() -> ApplianceFacts:
        """Who the appliance is, whose, and the number of its newest change."""
        return appliance.facts()

    def put_settings(settings: Annotated[AwsSettings, Depends(Body(AwsSettings, "the settings"))]) -> None:
        """Take over what the plug-in has made in AWS."""
        appliance.configure(settings)

    # A try is counted before its body is read: what is refused costs nothing.
    def enrol(
        _counted: Annotated[None, Depends(tries.one_more)],
        order: Annotated[Enrolment, Depends(Body(Enrolment, "the enrolment"))],
    ) -> ApplianceFacts:
        """Belong to another server from now on; needs the one-time code, ten tries a minute at most."""
        fingerprint_of(order.certificate)
        facts = appliance.enrol(order.code, order.server_id, order.certificate)
        trust(order.certificate)
        return facts

    def release() -> None:
        """Belong to nobody; a new enrolment needs a new code."""
        appliance.release()

    def say_farewell() -> FarewellState:
        """Begin nothing more, end what runs, remove what only served this appliance; asked until nothing is left."""
        return appliance.say_farewell()

    def take_farewell_back() -> None:
        """The appliance stays, and begins again what falls due."""
        appliance.take_farewell_back()

    door.add("POST", "/farewell", Permission.OWNER, say_farewell)
    door.add("DELETE", "/farewell", Permission.OWNER, take_farewell_back)
    door.add("GET", "/appliance", Permission.OWNER, get_appliance)
    door.add("PUT", "/settings", Permission.OWNER, put_settings)
    door.add("POST", "/enrolment", Permission.ENROLMENT, enrol)
    door.add("DELETE", "/enrolment", Permission.OWNER, release)
