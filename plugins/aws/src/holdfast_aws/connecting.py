"""Taking on an appliance: each side pins the other's certificate, and it learns what the stack has for it."""

from dataclasses import replace
from datetime import UTC, datetime

from holdfast.domain.errors import CertificateError, HoldfastError, UnsupportedFormatError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import ApplianceConnection, ConnectOrder, PluginContext
from holdfast.protocol.appliance_answers import API_VERSION, ApplianceFacts
from holdfast.protocol.encoding import from_document, to_document
from holdfast_aws.doors import Doors
from holdfast_aws.settings import Settings

PLUGIN = "aws"


def connect(doors: Doors, order: ConnectOrder, context: PluginContext) -> Appliance:
    """An appliance that was started by hand. Nothing is sent to one with another certificate than the person named."""
    enrolled = doors.enrol(order.url, order.fingerprint, order.code, context.identity)
    _check(enrolled.facts)
    appliance = appliance_of(order.name, order.url, enrolled.certificate, enrolled.facts)
    tell(doors, appliance, context)
    return appliance


def accept_certificate(doors: Doors, appliance: Appliance, context: PluginContext) -> Appliance:
    """Pin what it offers now, when it is the same appliance that answers behind it."""
    offered = appliance.offered_certificate or ""
    door = doors.appliance(appliance.url, offered, context.identity)
    try:
        facts = _facts(door.send("GET", "/appliance"))
        if facts.appliance_id != appliance.appliance_id:
            raise CertificateError(
                f"another appliance answers at {appliance.url}",
                why=f"it is {facts.appliance_id}, known is {appliance.appliance_id}",
                cure=f"remove {appliance.name} here, then connect the new one",
            )
        tell_settings(door, context)
    finally:
        door.close()
    return replace(
        appliance_of(appliance.name, appliance.url, offered, facts),
        instance_id=appliance.instance_id,
        added_at=appliance.added_at,
    )


def first_contact(door: ApplianceConnection, context: PluginContext) -> ApplianceFacts:
    """Ask a new appliance who it is, and let it know the stack."""
    facts = _facts(door.send("GET", "/appliance"))
    tell_settings(door, context)
    return facts


def tell(doors: Doors, appliance: Appliance, context: PluginContext) -> None:
    """Let one that was taken on, now or before, know that it stays, and what an installation made."""
    door = doors.appliance(appliance.url, appliance.certificate, context.identity)
    try:
        door.send("DELETE", "/farewell")
        tell_settings(door, context)
    finally:
        door.close()


def tell_settings(door: ApplianceConnection, context: PluginContext) -> None:
    """Push what the stack made; an appliance of a server whose plug-in installed no stack works without workers."""
    if context.settings:
        door.send("PUT", "/settings", to_document(Settings.of(context.settings).for_appliance()))


def release(doors: Doors, appliance: Appliance, context: PluginContext) -> HoldfastError | None:
    """Tell it that this server lets go of it; what it could not be told, if so."""
    door = doors.appliance(appliance.url, appliance.certificate, context.identity)
    try:
        door.send("DELETE", "/enrolment")
    except HoldfastError as error:
        # It may be gone, owned by another, or changed: that is why people remove appliances.
        return error
    finally:
        door.close()
    return None


def appliance_of(name: str, url: str, certificate: str, facts: ApplianceFacts) -> Appliance:
    """As the server knows it from now on."""
    return Appliance(
        name=name,
        plugin=PLUGIN,
        url=url,
        state=ApplianceState.AVAILABLE,
        certificate=certificate,
        appliance_id=facts.appliance_id,
        version=facts.version,
        region=facts.region,
        added_at=datetime.now(UTC),
    )


def _facts(answer: object) -> ApplianceFacts:
    return _check(from_document(ApplianceFacts, answer, "what the appliance says of itself"))


def _check(facts: ApplianceFacts) -> ApplianceFacts:
    if facts.api != API_VERSION:
        raise UnsupportedFormatError(
            f"appliance {facts.appliance_id} speaks another version of the interface",
            why=f"it has version {facts.api} (Holdfast {facts.version}), this server {API_VERSION}",
            cure="bring both to the same release (docs/upgrading.md)",
        )
    return facts
