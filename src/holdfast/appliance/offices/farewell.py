"""The appliance is about to be removed: it begins nothing more, ends what runs, and leaves nothing that only served it.

Restore points stay, with their snapshots, and so does everything that was restored.
"""

from holdfast.appliance.desk.desk import LEAVING, Desk
from holdfast.appliance.ports.cloud import OwnedObject
from holdfast.appliance.upkeep.reaper import Reaper
from holdfast.domain.errors import HoldfastError
from holdfast.domain.infrastructure import Account
from holdfast.domain.ownership import DEPLOYMENT, ONLY_FOR_WORK
from holdfast.protocol.appliance_answers import FarewellState


class Farewell(Desk):
    """Asked again and again, until nothing runs and nothing is left."""

    def say_farewell(self) -> FarewellState:
        """Cancel what runs; when nothing does, remove workers, their roles, queues and groups, wherever they are."""
        self._records.settings.put(LEAVING, True)
        unfinished = self._records.sessions.unfinished()
        for session in unfinished:
            if not self._records.sessions.cancel_requested(session.id):
                self._cancel(session.id)
        return FarewellState(len(unfinished), () if unfinished else tuple(self._clear()))

    def take_farewell_back(self) -> None:
        """It stays: it begins again what falls due. What was cancelled and removed is not brought back."""
        self._records.settings.put(LEAVING, None)

    def _clear(self) -> list[str]:
        """What would not go, a line each."""
        left: list[str] = []
        for account, region in Reaper(self._surface).places(self._records.ledger.open_rows()):
            belongings = self._surface.cloud.belongings(account, region)
            try:
                mine = [one for one in belongings.owned() if self._goes(one)]
            except HoldfastError as error:
                left.append(f"{_place(account, region)}: {error.what}: {error.why}")
                continue
            for one in mine:
                try:
                    belongings.remove(one)
                except HoldfastError as error:
                    left.append(f"{one.kind} {one.id}: {error.what}: {error.why}")
        return left

    def _goes(self, one: OwnedObject) -> bool:
        owner = one.ownership
        mine = owner is not None and owner.appliance_id == self._surface.appliance_id
        return mine and owner is not None and owner.purpose in (ONLY_FOR_WORK | {DEPLOYMENT})


def _place(account: Account, region: str) -> str:
    return f"{account.name or 'own account'} in {region}"
