"""The port to workers that are processes beside the appliance (mode `local`)."""

from collections.abc import Callable
from typing import Protocol


class LocalWorkers(Protocol):
    """Runs a worker as a process of its own on this machine; it ends when the appliance does."""

    async def run(self, pointer: str, key: bytes, report: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """Give it the pointer of its task and the one key, hand each event that it says to `report`, and see it end.
        It is ended within a second when `cancelled` says so. Raises WorkerLostError when it ended without having said
        how.
        """
