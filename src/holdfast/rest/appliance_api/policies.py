"""Routes: policies, manual snapshots, limits."""

from typing import Annotated, Any

from fastapi import Depends, Query

from holdfast.domain.errors import UsageError
from holdfast.domain.session import Session
from holdfast.protocol.appliance_answers import LaneState, PolicyApplied, StoredPolicy
from holdfast.rest.appliance_api.orders import PolicyRun, SnapshotOrder
from holdfast.rest.appliance_api.use_cases import Policies
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import Body, Door, same_name

DryRun = Annotated[bool, Query(description="Say what would change, and change nothing.")]
PolicyDocument = Annotated[Any, Depends(Body(dict[str, Any], "the policy", passed_on=True))]


def add_policies(door: Door, appliance: Policies) -> None:
    """Add them."""
    _add_documents(door, appliance)
    _add_actions(door, appliance)


def _add_documents(door: Door, appliance: Policies) -> None:
    def list_policies() -> list[StoredPolicy]:
        """Policies in the order in which they take precedence."""
        return list(appliance.list_policies())

    def get_policy(name: str) -> StoredPolicy:
        """One policy."""
        return appliance.get_policy(name)

    def apply_policy(
        name: str,
        document: PolicyDocument,
        dry_run: DryRun = False,
    ) -> PolicyApplied:
        """Add a policy, or change it; the same document again changes nothing (docs/policies.md)."""
        if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
            raise UsageError(
                "this is no policy", why="a policy has apiVersion, kind, metadata, spec", cure="see docs/policies.md"
            )
        same_name(name, document["metadata"].get("name"))
        return appliance.apply_policy(document, dry_run)

    def remove_policy(name: str) -> None:
        """Remove a policy; its restore points stay."""
        appliance.remove_policy(name)

    door.add("GET", "/policies", Permission.OWNER, list_policies)
    door.add("GET", "/policies/{name}", Permission.OWNER, get_policy)
    door.add("PUT", "/policies/{name}", Permission.OWNER, apply_policy)
    door.add("DELETE", "/policies/{name}", Permission.OWNER, remove_policy)


def _add_actions(door: Door, appliance: Policies) -> None:
    def run_policy(name: str, order: Annotated[PolicyRun, Depends(Body(PolicyRun, "the order"))]) -> Session:
        """Run a policy now."""
        return appliance.run_policy(name, order.targets)

    def stop_policy(name: str) -> list[Session]:
        """Cancel what runs of a policy."""
        return list(appliance.stop_policy(name))

    def enable_policy(name: str) -> StoredPolicy:
        """Let its schedule count."""
        return appliance.enable_policy(name, True)

    def disable_policy(name: str) -> StoredPolicy:
        """Let its schedule count no more; it can be run by hand."""
        return appliance.enable_policy(name, False)

    def take_snapshot(order: Annotated[SnapshotOrder, Depends(Body(SnapshotOrder, "the order"))]) -> Session:
        """Take a manual snapshot; no retention removes it."""
        return appliance.take_snapshot(order.account, order.region, order.instance_id, order.destination)

    def get_limits() -> list[LaneState]:
        """Each limit, and what runs and waits there now."""
        return list(appliance.limits())

    door.add("POST", "/policies/{name}/run", Permission.OWNER, run_policy)
    door.add("POST", "/policies/{name}/stop", Permission.OWNER, stop_policy)
    door.add("POST", "/policies/{name}/enable", Permission.OWNER, enable_policy)
    door.add("POST", "/policies/{name}/disable", Permission.OWNER, disable_policy)
    door.add("POST", "/snapshots", Permission.OWNER, take_snapshot)
    door.add("GET", "/limits", Permission.OWNER, get_limits)
