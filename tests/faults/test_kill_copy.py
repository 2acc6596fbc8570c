"""kill -9 of copies, real processes on directories: what was copied is whole and there once, and the next run goes on.

`KILLS=1000 pytest tests/faults/test_kill_copy.py` is a campaign of that length, `SEED` its other parameter.
"""

import os
import time
from dataclasses import dataclass

from holdfast.images.file_source import FileSource
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository, make_small_repository, restored
from tests.faults.ground import PACK_SIZE_BYTES, SEED, TRIES_FOR_A_KILL, Aim, Ground, finished, new_ground
from tests.warm_processes import WarmProcess

KILLS = int(os.environ.get("KILLS", "16"))


@dataclass
class Copies:
    """Where the points of a ground are copied to."""

    ground: Ground
    small: SmallRepository

    def start(self) -> WarmProcess:
        folder = self.ground.folder
        places = (self.ground.small.store.location, self.small.store.location)
        return self.ground.command("repository", "copy", *places, "--to-password-file", str(folder / "target-code"))

    def seen(self) -> int:
        """How many backups are there; each once, and as it was."""
        repository = self.small.open(deterministic_surroundings(7))
        points = list_points(repository)
        origins = [point.origin.point for point in points if point.origin is not None]
        assert len(set(origins)) == len(points)
        for point, origin in zip(points, origins, strict=True):
            assert restored(repository, point) == self.ground.contents[origin]
        return len(points)


def back_up(ground: Ground) -> None:
    content = ground.change_image()
    report = backup_volume(ground.open(), FileSource(ground.image), BackupOrder("disk"), Silence())
    ground.contents[report.finished.manifest.session] = content


def test_kill(count_case):
    with new_ground() as ground:
        store = DirectoryStore(ground.folder / "target")
        small = make_small_repository(store, deterministic_surroundings(SEED + 1), PACK_SIZE_BYTES)
        (ground.folder / "target-code").write_bytes(small.secret.text or b"")
        copies = Copies(ground, small)
        for _time in range(2):  # the second is an incremental one, as all others are
            back_up(ground)
            began = time.monotonic()
            finished(copies.start())
        tries, killed, aim = 0, 0, Aim(2 * (time.monotonic() - began))
        while killed < KILLS:
            assert tries < TRIES_FOR_A_KILL * KILLS, "most copies had ended by themselves"
            back_up(ground)
            process = copies.start()
            time.sleep(aim.moment(ground.dice))
            process.kill()
            process.communicate()
            is_hit = process.returncode < 0
            tries, killed = tries + 1, killed + is_hit
            aim.learn(hit=is_hit)
            assert copies.seen() >= 1
            count_case(int(is_hit))
        finished(copies.start())
        assert copies.seen() == len(ground.contents)
        for repository in (ground.open(), small.open(deterministic_surroundings(8))):
            assert check_repository(repository, None, Silence()).damage == ()
