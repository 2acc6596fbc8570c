"""What an appliance is killed in: each story starts one session and says, when it has ended, what must be there now."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.domain.errors import UnavailableError
from tests.e2e.campaign.site import DATA, REGION, ROOT, Site

GOOD = ("succeeded", "warning")
ABROAD = "eu-west-1"


@dataclass
class Told:
    """A story that was told to its end: its session, and what the customer has of it now."""

    session_id: str
    detail: dict[str, Any]
    instance_id: str
    restores: str = ""
    contents: dict[str, dict[int, bytes]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return self.detail["session"]["state"] in GOOD


@dataclass
class Begun:
    """A story that was prepared: how it is started, and what is known of its end. Kills may come at any moment."""

    ask: tuple[str, str, object]
    instance_id: str
    contents: dict[str, dict[int, bytes]]
    restores: str = ""

    def start(self, site: Site) -> str:
        """The id of its session. Whoever gets no answer looks whether it was started, and asks again if not."""
        before = {one["id"] for one in site.sessions()}
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                session: dict[str, Any] = site.client.send(*self.ask)
                return str(session["id"])
            except UnavailableError:
                if site.appliance.process.poll() is not None:
                    site.revive()
            new = [one["id"] for one in site.sessions() if one["id"] not in before]
            if new:
                assert len(new) == 1
                return str(new[0])
        raise AssertionError("it could not be started")

    def start_and_end(self, site: Site) -> Told:
        """Tell it to its end."""
        session_id = self.start(site)
        return Told(session_id, site.ended(session_id), self.instance_id, self.restores, self.contents)


@dataclass
class Cast:
    """The instances that the stories of a site are about, by mode of workers."""

    site: Site
    standing: dict[str, str] = field(default_factory=dict)
    backed_up: dict[str, tuple[dict[str, Any], dict[str, dict[int, bytes]]]] = field(default_factory=dict)

    def instance(self, mode: str) -> str:
        """One that has been backed up already, by workers of that mode."""
        if mode not in self.standing:
            full(self, mode).start_and_end(self.site)
            self.standing[mode] = self.site.instances[-1]
        return self.standing[mode]

    def newest_point(self, mode: str, kind: str = "image-backup") -> dict[str, Any]:
        """Of the instance of that mode."""
        found = [one for one in self.site.points(self.instance(mode)) if one["kind"] == kind]
        return max(found, key=lambda one: str(one["created_at"]))

    def to_restore(self, mode: str, kind: str = "image-backup") -> tuple[dict[str, Any], dict[str, dict[int, bytes]]]:
        """A point that nobody removes between two stories, and what is in it."""
        name = f"{mode} {kind}"
        if name not in self.backed_up:
            contents = incremental(self, mode).start_and_end(self.site).contents
            self.backed_up[name] = (self.newest_point(mode, kind), contents)
        return self.backed_up[name]


def full(cast: Cast, mode: str) -> Begun:
    """The first run of a policy over a new instance."""
    instance_id = cast.site.new_instance()
    return _run(cast, instance_id, mode)


def incremental(cast: Cast, mode: str) -> Begun:
    """Another run, of what changed; retention takes the oldest points."""
    instance_id = cast.instance(mode)
    cast.site.write(instance_id, 2)
    return _run(cast, instance_id, mode)


def _run(cast: Cast, instance_id: str, mode: str) -> Begun:
    name = cast.site.policy(instance_id, mode)
    ask = ("POST", f"/policies/{name}/run", {"targets": ["snapshot", "backup"]})
    return Begun(ask, instance_id, cast.site.contents(instance_id))


def manual_snapshot(cast: Cast, mode: str) -> Begun:
    """A person's snapshot."""
    instance_id = cast.instance(mode)
    ask = ("POST", "/snapshots", {"account": "own", "region": REGION, "instance_id": instance_id})
    return Begun(ask, instance_id, cast.site.contents(instance_id))


def snapshot_abroad(cast: Cast, mode: str) -> Begun:
    """A person's snapshot that is kept in another region."""
    begun = manual_snapshot(cast, mode)
    method, path, order = begun.ask
    assert isinstance(order, dict)
    return replace(begun, ask=(method, path, {**order, "destination": {"account": "own", "region": ABROAD}}))


def delete_point(cast: Cast, mode: str) -> Begun:
    """A person deletes the newest image backup: the point and the snapshots that it was made of."""
    cast.instance(mode)
    incremental(cast, mode).start_and_end(cast.site)
    point = cast.newest_point(mode)
    return Begun(("DELETE", f"/points/{point['id']}", None), point["workload"]["id"], {})


def restore_instance(cast: Cast, mode: str) -> Begun:
    """An image backup becomes a second instance beside the first."""
    point, contents = cast.to_restore(mode)
    wish = {"point": point["id"], "place": "new", "new": {"name": "again"}, "worker_mode": mode}
    return Begun(("POST", "/restores/instance", wish), point["workload"]["id"], contents, "instance")


def restore_in_place(cast: Cast, mode: str) -> Begun:
    """A snapshot's content is put into the instance that still stands: its volumes are exchanged."""
    point, contents = cast.to_restore(mode, "snapshot")
    instance_id = point["workload"]["id"]
    cast.site.write(instance_id, 4)
    wish = {"point": point["id"], "replace": True, "worker_mode": mode}
    return Begun(("POST", "/restores/instance", wish), instance_id, contents, "in place")


def restore_volumes(cast: Cast, mode: str) -> Begun:
    """Volumes of an image backup, attached to nothing."""
    point, contents = cast.to_restore(mode)
    wish = {"point": point["id"], "volumes": [ROOT, DATA], "worker_mode": mode}
    return Begun(("POST", "/restores/volumes", wish), point["workload"]["id"], contents, "volumes")


STORIES: dict[str, Callable[[Cast, str], Begun]] = {
    "full backup": full,
    "incremental backup": incremental,
    "manual snapshot": manual_snapshot,
    "manual snapshot in another region": snapshot_abroad,
    "deletion": delete_point,
    "instance restore": restore_instance,
    "restore in place": restore_in_place,
    "volume restore": restore_volumes,
}
