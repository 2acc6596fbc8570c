"""Everything that an appliance does, by name."""

from collections.abc import Callable, Mapping

from tests.e2e.permissions import archives
from tests.e2e.permissions.flows import Outcome, Scene

# What a scene is made of.
FIRST = "first image backups"
# In this order they are asked for: the first one that needs an action is the one that is denied it.
WAYS: Mapping[str, Callable[[Scene], Outcome]] = {
    "register an account": Scene.account_is_registered,
    "register another account": Scene.other_account_is_registered,
    "register a repository": Scene.repository_is_registered,
    "snapshot": Scene.snapshot,
    "snapshot that is kept in another region": Scene.snapshot_abroad,
    "snapshot that is kept in another account": Scene.snapshot_of_other_account,
    "snapshot policy with retention": Scene.retention,
    "restore volumes from snapshots": Scene.volumes,
    "restore an instance into a new place": Scene.instance_anew,
    "restore an instance that is gone": Scene.instance_in_its_place,
    "restore into an instance that stands": Scene.exchange,
    "restore into an instance that stands, cancelled": Scene.exchange_cancelled,
    "plan of a restore": Scene.plan,
    "image backup": Scene.backup,
    "image backup by a worker that cannot start": Scene.backup_by_a_worker_that_cannot_start,
    "restore volumes from an image backup": Scene.volumes_from_image,
    "read an image backup back": Scene.read_back,
    "archive an image backup, and ask it back": archives.asked_back_by_one,
    "archive an image backup, and ask it back by one job": archives.asked_back_by_job,
    "image backup in another account": Scene.other_account_is_backed_up,
    "restore volumes into another account": Scene.volumes_of_other_account,
    "check an account": Scene.account_is_checked,
    "reaper": Scene.reaping,
}
