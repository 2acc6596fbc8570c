"""Appliances as the server knows them, and how each stands to it.

An appliance is available until its service, or somebody's request, finds otherwise: unreachable, showing another
certificate, or obeying another server. What it says comes from the plug-in's service that looks after it.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from holdfast.domain.errors import ConflictError, HoldfastError, NotFoundError, UsageError
from holdfast.domain.history import REMOVALS_TOLD
from holdfast.domain.identifiers import checked_name
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import ConnectOrder
from holdfast.protocol.appliance_answers import ChangePage
from holdfast.protocol.certificates import fingerprint_of, same_fingerprint
from holdfast.server.connections import ApplianceConnections
from holdfast.server.plugins import PluginShelf
from holdfast.server.ports.records import Records
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.repositories import RepositoryShelf
from holdfast.server.services import ApplianceServices

# What a service may say. Deploying and removing are the server's own doing, and end by it.
_TOLD = frozenset(
    {
        ApplianceState.AVAILABLE,
        ApplianceState.UNAVAILABLE,
        ApplianceState.CERTIFICATE_CHANGED,
        ApplianceState.OWNED_BY_ANOTHER,
    }
)


class ApplianceRegister:
    """Connects appliances and follows their states."""

    def __init__(
        self,
        records: Records,
        plugins: PluginShelf,
        connections: ApplianceConnections,
        services: ApplianceServices,
        repositories: RepositoryShelf,
        surroundings: Surroundings,
    ) -> None:
        self._records = records
        self._plugins = plugins
        self._connections = connections
        self._services = services
        self._repositories = repositories
        self._surroundings = surroundings
        # A record is read, changed and written by one at a time: what was removed meanwhile must not come back.
        self._turn = threading.RLock()

    def reserve(self, name: str) -> None:
        """Raises ConflictError where the name is taken, UsageError where it is none."""
        checked_name(name, "an appliance")
        if self._known(name) is None:
            return
        raise ConflictError(
            f"there is an appliance {name} already", why="names are unique on a server", cure="choose another name"
        )

    def connect(self, order: ConnectOrder, plugin_name: str) -> Appliance:
        """Take on an appliance that runs; one that another server had obeys this one from now on."""
        checked_name(order.name, "an appliance")
        plugin = self._plugins.installed(plugin_name)
        known = self._known(order.name)
        if known is not None and known.state != ApplianceState.OWNED_BY_ANOTHER:
            self.reserve(order.name)
        # Before it is enrolled: that spends its code, and takes it from whom it belongs to.
        self._check_the_same(order, lambda one: _shows(one, order.fingerprint))
        appliance = plugin.connect(order, self._plugins.context(plugin_name))
        self._check_the_same(order, lambda one: one.appliance_id == appliance.appliance_id)
        return self.settled(appliance)

    def _check_the_same(self, order: ConnectOrder, is_it: Callable[[Appliance], bool]) -> None:
        """A name is one appliance's, and an appliance has one name: what it has would be there twice."""
        for one in self._records.appliances.all():
            if one.name == order.name and not is_it(one):
                raise ConflictError(
                    f"there is an appliance {order.name} already",
                    why=f"what stands at {order.url} is another one",
                    cure="choose another name",
                )
            if one.name != order.name and is_it(one):
                raise ConflictError(
                    f"what stands at {order.url} is appliance {one.name} already",
                    why="under a second name each of its sessions and restore points would be listed twice",
                    cure=f"call it {one.name}, or let go of that one first: holdfast appliance remove {one.name}",
                )

    def settled(self, appliance: Appliance) -> Appliance:
        """It answers: keep it, tell it what it needs to know, look after it."""
        settled = replace(
            appliance,
            state=ApplianceState.AVAILABLE,
            reason="",
            offered_certificate=None,
            added_at=appliance.added_at or self._surroundings.now(),
        )
        with self._turn:
            self._records.appliances.put(settled)
        self._tell_repositories(settled)
        self._services.follow(settled)
        return self._records.appliances.get(settled.name)

    def told(self, name: str, state: ApplianceState, reason: str, offered_certificate: str | None) -> Appliance:
        """What the service found. An appliance that is back is told what it may have missed."""
        if state not in _TOLD:
            raise UsageError(
                f"{state} is no state to report",
                why="it is of the server's own making",
                cure="report one of " + ", ".join(sorted(_TOLD)),
            )
        with self._turn:
            known = self._records.appliances.get(name)
            if known.state not in _TOLD:
                return known
            offered = offered_certificate if state == ApplianceState.CERTIFICATE_CHANGED else None
            if state == known.state == ApplianceState.AVAILABLE:
                reason = known.reason  # what it refuses, which its service knows nothing of
            changed = replace(known, state=state, reason=reason, offered_certificate=offered)
            if changed == known:
                return known
            self._records.appliances.put(changed)
        if state == ApplianceState.AVAILABLE and known.state != state:
            self._tell(changed)
        return self._records.appliances.get(name)

    def synced(self, name: str, page: ChangePage) -> int:
        """Take over what changed; the number reached. One that counts less than it did is read from the beginning, and
        one that could not be read for so long that it has stopped telling what was removed.
        """
        now, synced_at = self._surroundings.now(), self._records.appliances.get(name).synced_at
        if page.leaving:
            self.tell_to_stay(name)
        if synced_at is not None and now - synced_at >= REMOVALS_TOLD:
            self._records.mirror.drop(name)
            return 0
        try:
            return self._records.mirror.apply(name, page, now)
        except ConflictError:
            self._records.mirror.drop(name)
            return 0

    def tell_to_stay(self, name: str, *before: str) -> None:
        """It may have heard of its removal, and is not removed: one that answers is told, for it would begin nothing
        more. `before`: what else its reason shall say.
        """
        known = self._records.appliances.get(name)
        if known.state == ApplianceState.AVAILABLE:
            self._tell(known, *before, unheard="it may begin nothing more, for it has heard of its removal: ")

    def accept_certificate(self, name: str, fingerprint: str) -> Appliance:
        """A person says that the certificate with this SHA-256, which it offers now, is right. Raises ConflictError
        where it offers none, or another one.
        """
        known = self._records.appliances.get(name)
        if known.state != ApplianceState.CERTIFICATE_CHANGED or not known.offered_certificate:
            raise ConflictError(
                f"appliance {name} offers no other certificate",
                why=f"it is {known.state}",
                cure="see `holdfast appliance show`; nothing needs to be accepted",
            )
        offered = fingerprint_of(known.offered_certificate)
        if not same_fingerprint(offered, fingerprint):
            raise ConflictError(
                f"appliance {name} offers another certificate than the one that was named",
                why=f"named is {fingerprint}, offered is {offered} (SHA-256)",
                cure="compare it with what the appliance printed when it started",
            )
        plugin = self._plugins.installed(known.plugin)
        accepted = plugin.accept_certificate(known, self._plugins.context(known.plugin))
        self._connections.forget(name)
        return self.settled(accepted)

    def rescan(self, name: str) -> Appliance:
        """Forget what was collected of it, and collect it anew."""
        known = self._records.appliances.get(name)
        if known.state in (ApplianceState.DEPLOYING, ApplianceState.REMOVING):
            raise ConflictError(
                f"appliance {name} is {known.state}", why="there is nothing to collect", cure="wait until that is done"
            )
        self._records.mirror.drop(name)
        self._tell(known)
        return self._records.appliances.get(name)

    def follow_all(self) -> None:
        """At the start of the server: look after all of them; one that cannot be is shown with the reason."""
        for appliance in self._records.appliances.all():
            try:
                self._services.resume(appliance)
            except HoldfastError as error:
                self.told(appliance.name, ApplianceState.UNAVAILABLE, str(error), None)

    def tell_again(self) -> None:
        """Repositories have changed: whoever refused one before is asked anew."""
        for appliance in self._records.appliances.all():
            if appliance.state == ApplianceState.AVAILABLE and appliance.reason:
                self._tell(appliance)

    def tell_of_installation(self, plugin: str) -> dict[str, str]:
        """A plug-in was installed anew: its appliances that answer are told, the others when they are back. Name ->
        what that one refused.
        """
        for appliance in self._records.appliances.all():
            if appliance.plugin == plugin and appliance.state == ApplianceState.AVAILABLE:
                self._tell(appliance)
        return {one.name: one.reason for one in self._records.appliances.all() if one.plugin == plugin and one.reason}

    def _tell(self, appliance: Appliance, *before: str, unheard: str = "") -> None:
        """All that the server has for it; `unheard` is what it means where its plug-in cannot."""
        plugin, refused = self._plugins.installed(appliance.plugin), list(before)
        try:
            plugin.tell(appliance, self._plugins.context(appliance.plugin))
        except HoldfastError as error:
            refused.append(f"{unheard}{error.what}: {error.why}")
        self._tell_repositories(appliance, *refused)

    def _tell_repositories(self, appliance: Appliance, *before: str) -> None:
        """What it refuses is shown beside its state, and behind what it refused `before`: policies that need it would
        fail.
        """
        refused = self._repositories.push_all(appliance)
        reasons = (f"repository {name}: {error.what}: {error.why}" for name, error in refused.items())
        reason = "; ".join([*before, *reasons])
        with self._turn:
            known = self._known(appliance.name)
            if known is None or (known.state, known.certificate) != (appliance.state, appliance.certificate):
                return  # much may have happened while it took them on
            if reason or known.state == ApplianceState.AVAILABLE:
                self._records.appliances.put(replace(known, reason=reason))

    def _known(self, name: str) -> Appliance | None:
        try:
            return self._records.appliances.get(name)
        except NotFoundError:
            return None

    def forget(self, name: str) -> None:
        """It is none of ours any more; gone already is no error."""
        self._services.leave(name)
        self._connections.forget(name)
        with self._turn, suppress(NotFoundError):
            self._records.appliances.remove(name)


def _shows(appliance: Appliance, fingerprint: str) -> bool:
    """Whether that is the certificate which is known of it; one that is being deployed has none yet."""
    known = appliance.certificate
    return bool(known) and same_fingerprint(fingerprint_of(known), fingerprint)
