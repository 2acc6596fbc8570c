"""Verify one restore point: read all of it as a restore would, keep nothing, and count that it was all."""

import threading
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.reading.passed_over import warnings_in
from holdfast.repository.reading.volume_reader import VolumeReader
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.sessions.points import PointSummary, load_manifest


class _Verification:
    """A target that keeps nothing: what reaches it was opened and re-hashed."""

    sequential = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.read_bytes = 0
        self.zero_bytes = 0

    def begin(self, size_bytes: int) -> None:
        """Nothing to prepare."""

    def write(self, offset: int, data: Buffer) -> None:
        """Count it."""
        with self._lock:
            self.read_bytes += len(data)

    def write_zeros(self, offset: int, length: int) -> None:
        """Count it."""
        self.zero_bytes += length

    def finish(self) -> dict[str, str]:
        """Nothing to say."""
        return {}

    def abort(self) -> None:
        """Nothing to undo."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """A point whose every byte was read and proved; `warnings` name damage for which another copy was read."""

    volumes: int
    size_bytes: int
    read_bytes: int
    warnings: tuple[str, ...]


def verify_point(repository: Repository, point: PointSummary, progress: Progress) -> VerifyReport:
    """Read a whole restore point as a restore would. Raises IntegrityError at the first damage; the count must be
    whole.
    """
    with pinned(repository, [point.session], progress) as living:
        manifest = load_manifest(repository, point)
        access = repository.access(manifest.tenant)
        read_bytes = 0
        passed_over: dict[str, str] = {}
        for volume in manifest.volumes:
            target = _Verification()
            reader = VolumeReader(access, volume)
            reader.restore(target, living)
            passed_over |= reader.passed_over()
            if target.read_bytes + target.zero_bytes != volume.size_bytes:
                raise IntegrityError(
                    f"volume {volume.name} of {point.id} was not read to its end",
                    why=f"{target.read_bytes + target.zero_bytes} of {volume.size_bytes} bytes",
                    cure="run `holdfast repository check --read-data`",
                    objects=(point.key,),
                )
            read_bytes += target.read_bytes
    return VerifyReport(len(manifest.volumes), manifest.size_bytes, read_bytes, warnings_in(repository, passed_over))
