"""What is there after a kill and its recovery, held against what must be there: nothing lost, doubled or left over."""

import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import Any

from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_to
from holdfast.repository.sessions.points import find_point, list_points, load_manifest
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.wiring.local import opening
from tests.e2e.campaign.site import BUCKET, LOCATION, PASSWORD, PREFIX, Site, blocks_of
from tests.e2e.campaign.stories import Told

PATIENCE_SECONDS = 180
_PASSING_KINDS = ("images", "roles", "instance_profiles", "queues", "grants", "addresses", "key_pairs")


class Audit:
    """Remembers what stood before the first kill."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._before = site.census()
        self._told: set[str] = set()
        self.expected: dict[str, dict[str, dict[int, bytes]]] = {}

    def leaks(self, told: Told) -> list[str]:
        """What is wrong once clean-ups and the reaper had their time; nothing, if all is well."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while set(found := self._leaks(told)) - self._told and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def judge(self, told: Told) -> list[str]:
        """Everything about a story that was told to its end; what was found of another before is not told again."""
        found = [*self.leaks(told), *self._doubled(told), *self._points(told), *self._restored(told)]
        self._clear_up(told)
        new = [line for line in found if line not in self._told]
        self._told |= set(found)
        return new

    # --------------------------------------------------------------------------------------------------------- leaks

    def _leaks(self, told: Told) -> list[str]:
        site, census, points = self._site, self._site.census(), self._site.points()
        made = self._made(told)
        instances = {*site.instances, *made["instances"]}
        volumes = {one for instance in instances for one in site.volumes(instance).values()} | made["volumes"]
        kept = {one for point in points for one in point["snapshots"].values()}
        expected = {kind: set(self._before[kind]) for kind in _PASSING_KINDS}
        expected |= {
            "instances": instances,
            "volumes": volumes,
            "snapshots": kept | (set(self._before["snapshots"])),
            "network_interfaces": {
                one["NetworkInterfaceId"] for i in instances for one in site.instance(i)["NetworkInterfaces"]
            },
        }
        found = [
            f"{kind} left: {one}" for kind, allowed in expected.items() for one in sorted(set(census[kind]) - allowed)
        ]
        found += [f"lost: {one}" for one in sorted((kept | volumes | instances) - _all(census))]
        return [*found, *self._scratch(), *self._open_rows(census)]

    def _scratch(self) -> list[str]:
        """Objects under sessions/ of what has ended: here, of everything."""
        answer = self._site.account.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/sessions/")
        return [f"scratch left: {one['Key']}" for one in answer.get("Contents", ())]

    def _open_rows(self, census: dict[str, Any]) -> list[str]:
        """Rows of the ledger that are open, and whose object is not there."""
        database = self._site.appliance.home / "appliance" / "appliance.sqlite"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT kind, object_id, purpose FROM cloud_ledger WHERE gone_at IS NULL AND session_id != ''"
            ).fetchall()
        standing = _all(census)
        return [f"row left open: {' '.join(row)}" for row in rows if _last_word(row[1]) not in standing]

    # ------------------------------------------------------------------------------------------------------- doubles

    def _doubled(self, told: Told) -> list[str]:
        """At most one worker for an attempt, one instance for a restore."""
        attempts: Counter[str] = Counter()
        for tags in self._instances_of(told.session_id).values():
            if tags.get("holdfast:purpose") == "worker":
                attempts[f"{tags['holdfast:task']} {tags['holdfast:attempt']}"] += 1
        return [f"{number} workers of attempt {attempt}" for attempt, number in attempts.items() if number > 1]

    def _instances_of(self, session_id: str) -> dict[str, dict[str, str]]:
        """Also those that are terminated."""
        answer = self._site.account.ec2.describe_instances(
            Filters=[{"Name": "tag:holdfast:session", "Values": [session_id]}]
        )
        found = [one for reservation in answer["Reservations"] for one in reservation["Instances"]]
        return {one["InstanceId"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in found}

    def _made(self, told: Told) -> dict[str, set[str]]:
        """What the result of a restore names: the customer's from now on."""
        made: dict[str, set[str]] = {"instances": set(), "volumes": set()}
        for task in told.detail["tasks"] if told.restores and told.good else ():
            made["volumes"].update(task["result"].get("volumes", {}).values())
            if "instance_id" in task["result"]:
                made["instances"].add(task["result"]["instance_id"])
        return made

    # -------------------------------------------------------------------------------------------------------- points

    def _points(self, told: Told) -> list[str]:
        """One of each kind that was meant, of a run that succeeded; what the appliance lists is in the repository."""
        site, points = self._site, self._site.points()
        own = Counter(point["kind"] for point in points if point["session_id"] == told.session_id)
        kind = told.detail["session"]["kind"]
        found = []
        if told.good and kind == "policy" and own != {"snapshot": 1, "image-backup": 1}:
            found.append(f"points of a good run: {dict(own)}")
        if told.good and kind == "manual-snapshot" and own != {"manual-snapshot": 1}:
            found.append(f"points of a good snapshot: {dict(own)}")
        if kind == "policy":
            kept = Counter(point["kind"] for point in site.points(told.instance_id))
            found += [f"{number} points of kind {one} kept" for one, number in kept.items() if number > 2]
        images = {point["id"] for point in points if point["kind"] == "image-backup"}
        with opening.opened(LOCATION, PASSWORD.encode(), _quiet) as opened:
            listed = {point.id for point in list_points(opened.repository)}
        found += [f"point {one} is listed and not in the repository" for one in sorted(images - listed)]
        found += [f"point {one} is in the repository and not listed" for one in sorted(listed - images)]
        for point in points:
            if point["session_id"] == told.session_id and point["kind"] == "image-backup":
                self.expected[point["id"]] = told.contents
                found += self.point_is_whole(point["id"])
        return found

    def point_is_whole(self, point_id: str) -> list[str]:
        """Whether the repository alone gives back what was in the volumes."""
        with opening.opened(LOCATION, PASSWORD.encode(), _quiet) as opened:
            repository = opened.repository
            manifest, restored = load_manifest(repository, find_point(repository, point_id, None)), {}
            for volume in manifest.volumes:
                target = MemoryTarget()
                restore_to(repository.access(manifest.tenant), volume, target, Silence())
                restored[volume.name] = dict(target.volume.blocks) if target.volume else {}
        return [] if restored == self.expected[point_id] else [f"point {point_id} restores something else"]

    def everything(self) -> list[str]:
        """At the end: every point restores, and the repository is sound."""
        points = [one["id"] for one in self._site.points() if one["kind"] == "image-backup"]
        found = [line for one in points if one in self.expected for line in self.point_is_whole(one)]
        with opening.opened(LOCATION, PASSWORD.encode(), _quiet) as opened:
            damage = check_repository(opened.repository, 100, Silence()).damage
        return [*found, *(f"damage: {one}" for one in damage)]

    # ------------------------------------------------------------------------------------------------------ restores

    def _restored(self, told: Told) -> list[str]:
        """What a restore that succeeded has made is one, and holds what was asked for."""
        if not told.restores or not told.good:
            return []
        site, made = self._site, self._made(told)
        if told.restores == "volumes":
            ids = told.detail["tasks"][0]["result"]["volumes"]
            contents = {device: site.account.path(volume_id) for device, volume_id in ids.items()}
            return [] if _blocks(contents) == told.contents else ["restored volumes hold something else"]
        if len(made["instances"]) != 1:
            return [f"restored instances: {sorted(made['instances'])}"]
        (instance_id,) = made["instances"]
        if told.restores == "in place" and instance_id != told.instance_id:
            return [f"{instance_id} was made, and {told.instance_id} was meant"]
        return [] if site.contents(instance_id) == told.contents else ["a restored instance holds something else"]

    def _clear_up(self, told: Told) -> None:
        """The customer looks at what was restored, and gives it back."""
        made = self._made(told)
        for instance_id in made["instances"] - set(self._site.instances):
            self._site.terminate(instance_id)
        for volume_id in made["volumes"] & set(self._site.census()["volumes"]):
            if told.restores == "volumes":
                self._site.account.ec2.delete_volume(VolumeId=volume_id)


def _all(census: dict[str, Any]) -> set[str]:
    """Every id; a queue's is the last word of its ARN, and of its URL."""
    return {_last_word(one) for kind, found in census.items() if kind != "buckets" for one in found}


def _last_word(one: str) -> str:
    return one.replace("/", ":").rpartition(":")[2]


def _blocks(paths: dict[str, Any]) -> dict[str, dict[int, bytes]]:
    return {name: blocks_of(path) for name, path in paths.items()}


def _quiet(line: str) -> None:
    raise AssertionError(line)
