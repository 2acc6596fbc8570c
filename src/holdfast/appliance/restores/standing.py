"""A restore into an instance that still stands: written down, stopped, exchanged, proved; only then the old goes.

Whatever fails before it is proved to run is undone, and the instance is what it was. Where the restored instance runs
and never passes the status checks of EC2, both are left, and a person decides.
"""

from holdfast.appliance.ports.engine import Step
from holdfast.appliance.restores.old_volumes import PASSED, STATUS_CHECKS, OldVolumes
from holdfast.appliance.restores.order import RestoreOrders, result_of
from holdfast.appliance.restores.plan import RestorePlanner
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import CancelledError, HoldfastError
from holdfast.domain.session import LogLevel

_OK = ("ok", "ok")


class StandingRestore:
    """The part of the workflow `restore` that is about a standing instance."""

    def __init__(self, surface: Surface, book: SessionBook, planner: RestorePlanner, orders: RestoreOrders) -> None:
        self._surface = surface
        self._book = book
        self._planner = planner
        self._orders = orders
        self._old = OldVolumes(surface)

    async def run(self, step: Step, session_id: str, task_id: str, standing: str, snapshots: dict[str, str]) -> None:
        """Raises what it failed with, with everything put back."""
        old: str = await step(self.remember, session_id, task_id, standing, list(snapshots))
        try:
            await step(self.stop, session_id, task_id, standing)
            await step(self.exchange, session_id, task_id, standing, snapshots)
            doubt: str = await step(self.prove, session_id, task_id, standing)
        except HoldfastError:
            later = f"{standing} will be put back later; its old volumes stay until then: {old}"
            await undone(step, self._book, session_id, self.put_back, session_id, task_id, later=later)
            raise
        if await step(self.decide, session_id, task_id, standing, old, doubt):
            await undone(step, self._book, session_id, self.discard, session_id, task_id, standing)
        later = f"earlier restores into {standing} stay undecided"
        await undone(step, self._book, session_id, self.let_go, session_id, task_id, standing, later=later)

    def remember(self, session_id: str, task_id: str, standing: str, devices: list[str]) -> str:
        """What it is before it is touched, as long as nobody has cancelled; its volumes that will be taken off."""
        self._book.check_cancelled(session_id)
        owner, account = self._orders.owner(session_id, task_id), self._orders.account(session_id).name
        self._old.claim(owner, account, self._orders.of(session_id).region, standing)
        site = self._orders.site(session_id)
        try:
            # Who restores again begins with what the instance was.
            for earlier in self._old.earlier(task_id, standing):
                self._old.put_back(site, earlier)
        except HoldfastError as error:
            message = f"an earlier restore into {standing} cannot be put back first: {error.what}: {error.why}"
            self._book.say(session_id, message, LogLevel.WARNING, task_id)
        was = self._old.remember(site, owner, standing)
        volumes = [one for one in was.configuration.volumes if one.device in devices]
        return ", ".join(f"{one.volume_id} ({one.device})" for one in volumes)

    def stop(self, session_id: str, task_id: str, standing: str) -> None:
        """With the person's yes."""
        self._book.stage(task_id, f"stopping {standing}")
        self._orders.site(session_id).stop_instance(standing)

    def exchange(self, session_id: str, task_id: str, standing: str, snapshots: dict[str, str]) -> None:
        """Its volumes, as long as nobody has cancelled."""
        self._book.check_cancelled(session_id)
        self._book.stage(task_id, f"exchanging the volumes of {standing}")
        wish, source = self._orders.instance(session_id), self._orders.source(session_id, snapshots)
        order, owner = self._planner.instance_order(wish, source), self._orders.owner(session_id, task_id)
        made = self._orders.site(session_id).exchange_volumes(owner, standing, order)
        self._book.result(task_id, result_of(made))

    async def prove(self, session_id: str, task_id: str, standing: str) -> str:
        """Wait for the status checks of EC2; why nothing shows that what was restored runs, or nothing."""
        if not self._orders.instance(session_id).power_on:
            return "it was left stopped, as it was asked for"
        self._book.stage(task_id, f"waiting for the status checks of {standing}")
        try:
            checks = await self._status_checks(session_id, standing)
        except CancelledError:
            raise
        except HoldfastError as error:
            return f"its status checks cannot be seen: {error.what}: {error.why}"
        if checks != _OK:
            waited_seconds = self._surface.patience.status_checks_seconds
            return f"after {waited_seconds:.0f} s its status checks say host {checks[0]}, instance {checks[1]}"
        self._book.result(task_id, {STATUS_CHECKS: PASSED})
        return ""

    async def _status_checks(self, session_id: str, standing: str) -> tuple[str, str]:
        """As they are when they pass, or when time is over."""
        surroundings, patience = self._surface.surroundings, self._surface.patience
        site, waited_seconds = self._orders.site(session_id), 0.0
        while True:
            checks: tuple[str, str] = await surroundings.aside(site.status_checks, standing)
            if checks == _OK or waited_seconds >= patience.status_checks_seconds:
                return checks
            due_seconds = waited_seconds + patience.status_poll_seconds
            while waited_seconds < due_seconds:
                self._book.check_cancelled(session_id)
                pause_seconds = min(1.0, due_seconds - waited_seconds)
                await surroundings.sleep(pause_seconds)
                waited_seconds += pause_seconds

    def decide(self, session_id: str, task_id: str, standing: str, old: str, doubt: str) -> bool:
        """Whether the old volumes go now. Where they do not, say so, and what is to be done with them."""
        hours = self._orders.instance(session_id).keep_old_volumes_hours
        if doubt:
            self._book.result(task_id, {}, [_told(standing, doubt, old)])
        elif hours:
            message = f"the old volumes of {standing} go in {hours} h: {old}"
            self._book.say(session_id, message, LogLevel.INFO, task_id)
        self._old.forget(task_id)
        return not doubt and not hours

    def put_back(self, session_id: str, task_id: str) -> None:
        """As if nothing had been done."""
        self._book.withdraw(task_id)
        self._old.put_back(self._orders.site(session_id), self._orders.owner(session_id, task_id))

    def discard(self, session_id: str, task_id: str, standing: str) -> None:
        """The volumes that it had before."""
        self._old.discard(self._orders.site(session_id), self._orders.owner(session_id, task_id), standing)

    def let_go(self, session_id: str, task_id: str, standing: str) -> None:
        """Earlier restores into it that could not be put back: nothing is put back over what is there now, or over what
        a person makes of it. What these have kept is a person's, and named here for the last time.
        """
        site = self._orders.site(session_id)
        for earlier in self._old.earlier(task_id, standing):
            kept = self._old.kept_by(site, earlier, standing)
            if kept.volumes:
                message = (
                    f"session {earlier.session_id} could not put {standing} back, and does not try any more: what it "
                    f"had taken off stays, and is yours to delete: {kept}"
                )
                self._book.say(session_id, message, LogLevel.WARNING, task_id)
            self._old.forget(earlier.task_id)


def _told(standing: str, doubt: str, old: str) -> str:
    return (
        f"{standing} was restored, but nothing shows that it runs: {doubt}. Its old volumes are kept: {old}. "
        "Look at the instance: when it is good, delete them; else stop it and attach them in place of the new ones"
    )
