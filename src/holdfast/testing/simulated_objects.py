"""What exists in the simulated cloud, by whom it was made, and the one way of making and deleting anything there."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.appliance.ports.cloud import KeptVolume, Ownership
from holdfast.domain import ownership
from holdfast.domain.cloud_ledger import CloudLedger
from holdfast.domain.errors import PermissionDeniedError
from holdfast.domain.workload import InstanceConfiguration


@dataclass
class CloudObject:
    """Anything that was created, by whom, and whether it is still there."""

    kind: str
    id: str
    account: str
    region: str
    owner: Ownership
    created_at: datetime
    facts: dict[str, str] = field(default_factory=dict)


@dataclass
class CloudObjects:
    """Time is handed in. `instances` and `states` are those that other people run, `checks` what EC2's status checks
    say of those that run, `kept` the volumes that restores have taken off.
    """

    now: Callable[[], datetime]
    ledger: CloudLedger
    denied: set[str] = field(default_factory=set)
    on_call: Callable[[str], None] = lambda name: None
    instances: dict[str, InstanceConfiguration] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    checks: tuple[str, str] = ("ok", "ok")
    kept: dict[str, KeptVolume] = field(default_factory=dict)
    objects: dict[str, CloudObject] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def create(
        self, kind: str, account: str, region: str, owner: Ownership, token: str, facts: Mapping[str, str] | None = None
    ) -> CloudObject:
        """Intent, then the object; what was made for that token comes back."""
        row_id = hashlib.sha256(f"{kind}{token}".encode()).hexdigest()[:32]
        row = self.ledger.intend(owner.intent(row_id, kind, account, region, token, self.now()))
        known = next(
            (one for one in list(self.objects.values()) if (one.kind, one.facts["token"]) == (kind, token)), None
        )
        if known is None:
            self.on_call(f"before create {kind}")
            prefix = {"instance": "i", "snapshot": "snap", "volume": "vol", "image": "ami"}.get(kind, kind)
            known = CloudObject(
                kind=kind,
                id=f"{prefix}-{next(self.numbers):017x}",
                account=account,
                region=region,
                owner=owner,
                created_at=self.now(),
                facts={**(facts or {}), "token": token},
            )
            self.objects[known.id] = known
            self.on_call(f"after create {kind}")
        self.ledger.created(row.id, known.id, self.now())
        return known

    def worker_snapshot(self, target: Mapping[str, Any]) -> str:
        """What a restoring worker makes: it bears the tags that its order names, and writes into no ledger."""
        tags = target["tags"]
        owner = Ownership(
            tags[ownership.APPLIANCE],
            tags[ownership.SESSION],
            tags[ownership.TASK],
            int(tags[ownership.ATTEMPT]),
            tags[ownership.PURPOSE],
        )
        key = target.get("kms_key_arn") or ("default" if target.get("encrypted") else "none")
        facts = {"token": "", "key": str(key)}
        made = CloudObject(
            "snapshot", f"snap-{next(self.numbers):017x}", "", str(target["region"]), owner, self.now(), facts
        )
        self.objects[made.id] = made
        return made.id

    def delete(self, object_id: str) -> None:
        """Gone already is no error."""
        self.on_call("before delete")
        found = self.objects.pop(object_id, None)
        self.on_call("after delete")
        if found is not None:
            self.ledger.gone(found.kind, object_id, self.now())

    def allow(self, action: str) -> None:
        """Raises PermissionDeniedError for what a test has denied."""
        if action in self.denied:
            raise PermissionDeniedError(f"{action} is denied", why="no policy allows it", cure=f"allow {action}")

    def snapshot_exists(self, snapshot_id: str) -> bool:
        """Whether it is there."""
        return snapshot_id in self.objects
