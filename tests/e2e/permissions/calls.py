"""Who asked AWS for what, and what for: the lab's record of access, read before and after each way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.permissions.account_in_lab import ACCOUNT_ID, BUCKET, REGION, AccountInLab

APPLIANCE, SERVER, OTHER = "appliance", "server", "role of another account"
BACKUP_WORKER, RESTORE_WORKER = "worker that backs up", "worker that restores"
VERIFY_WORKER, COPY_WORKER = "worker that verifies", "worker that copies"
# Names that a run draws, in the order in which they are replaced.
_NAMES = (
    (rf"holdfast-5e5e5e5e5e5e-{ACCOUNT_ID}-{REGION}", "BUNDLE-BUCKET"),
    (r"holdfast-5e5e5e5e5e5e-([A-Za-z]+)-[A-Z0-9]+", r"holdfast-SERVER-\1-*"),
    (r"5e5e5e5e5e5e", "SERVER"),
    (r"holdfast-worker-[0-9a-f]{8}-[0-9a-f]+", "holdfast-worker-*"),
    (r"/holdfast/worker/[0-9a-f]{32}/", "/holdfast/worker/APPLIANCE/"),
    (r"stack/holdfast-SERVER/\S+", "stack/holdfast-SERVER/*"),
    (r"(key-pair|role)/(shop|other)$", r"\1/*"),
    (r":job/[0-9a-f]{32}$", ":job/*"),
    (BUCKET, "BUCKET"),
    (ACCOUNT_ID, "ACCOUNT"),
    (r"\b2109\d{8}\b", "OTHER-ACCOUNT"),
    (REGION, "REGION"),
    (r"\beu-west-1\b", "OTHER-REGION"),
)

# By a word of the way that sent them out.
_WORKERS = {"read": VERIFY_WORKER, "restore": RESTORE_WORKER, "archive": COPY_WORKER}

Call = tuple[str, str, str]


class Calls:
    """Everything that was asked, by the first way that asked for it."""

    def __init__(self, account: AccountInLab) -> None:
        self._account = account
        self.first: dict[Call, str] = {}
        self.denied: set[Call] = set()
        self.ways: dict[str, set[tuple[str, str]]] = {}

    @contextmanager
    def made_by(self, way: str) -> Iterator[None]:
        """What is asked meanwhile was asked for that."""
        before = self._counts()
        yield
        for (principal, action, resource, decision), count in self._counts().items():
            who = _who(principal, way)
            if who is None or count == before.get((principal, action, resource, decision), 0):
                continue
            call = (who, action, _named(resource))
            if decision == "allowed":
                self.first.setdefault(call, way)
                self.ways.setdefault(way, set()).add((who, action))
            else:
                self.denied.add(call)

    def actions(self, who: str) -> set[str]:
        """Whatever this one asked for."""
        return {action for one, action, _ in self.first if one == who}

    def _counts(self) -> dict[tuple[str, str, str, str], int]:
        names = ("principal", "action", "resource", "decision")
        return {tuple(one[name] for name in names): one["count"] for one in self._account.asked()}


def _who(principal: str, way: str) -> str | None:
    if principal == "user/server":
        return SERVER
    if principal == "role/backup":
        return OTHER
    if "ApplianceRole" in principal:
        return APPLIANCE
    if principal.startswith("role/holdfast-worker-"):
        return next((who for word, who in _WORKERS.items() if word in way), BACKUP_WORKER)
    return None


def _named(resource: str) -> str:
    for pattern, name in _NAMES:
        resource = re.sub(pattern, name, resource)
    return resource
