"""Which instances a policy protects now: what it selects, less what another policy has the right to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.appliance.surface import Surface
from holdfast.domain.errors import HoldfastError
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.session import ItemError
from holdfast.domain.workload import FoundInstance
from holdfast.protocol.appliance_answers import StoredPolicy


@dataclass(frozen=True, slots=True)
class Assignment:
    """`protected` by this policy; `elsewhere`: matched, but another policy has them; `unseen`: regions that would not
    say.
    """

    protected: tuple[FoundInstance, ...]
    elsewhere: tuple[tuple[FoundInstance, str], ...]
    unseen: tuple[tuple[str, ItemError], ...] = ()


def assign(policy: Ec2Policy, all_policies: Sequence[StoredPolicy], found: Iterable[FoundInstance]) -> Assignment:
    """An instance belongs to the first enabled policy that matches it (E03). `all_policies`: by priority, then age."""
    protected, elsewhere = [], []
    names = [stored.policy.name for stored in all_policies]
    before = names.index(policy.name) if policy.name in names else len(names)
    # The policy may be about to change: its place is that of its new priority.
    rivals = [
        stored.policy
        for number, stored in enumerate(all_policies)
        if stored.enabled
        and stored.policy.name != policy.name
        and stored.policy.account == policy.account
        and (stored.policy.priority, number) < (policy.priority, before)
    ]
    for instance in policy.choose(found):
        owner = next((rival.name for rival in rivals if _protects(rival, instance)), None)
        if owner is None:
            protected.append(instance)
        else:
            elsewhere.append((instance, owner))
    return Assignment(tuple(protected), tuple(elsewhere))


def _protects(policy: Ec2Policy, instance: FoundInstance) -> bool:
    return instance.region in policy.regions and bool(policy.choose([instance]))


class Discovery:
    """Looks into the account."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def find(self, policy: Ec2Policy, *, alone: bool = False) -> Assignment:
        """What it protects now; a region that refuses does not hinder the others. `alone`: other policies do not
        matter.
        """
        account = self._surface.account(policy.account)
        found: list[FoundInstance] = []
        unseen = []
        for region in policy.regions:
            try:
                found.extend(self._surface.cloud.compute(account, region).instances())
            except HoldfastError as error:
                unseen.append((region, ItemError.of(error)))
        assigned = assign(policy, [] if alone else self._surface.records.policies.all(), found)
        return Assignment(assigned.protected, assigned.elsewhere, tuple(unseen))
