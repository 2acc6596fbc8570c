"""One point into another repository: pinned there, written and committed here (ordering rules 2, 3 and 7)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.domain.errors import NeedsRetrievalError
from holdfast.domain.time import parse_time
from holdfast.repository.copying.backups_here import BackupsHere, backup_of
from holdfast.repository.copying.base import Base, Heir, base_volumes, choose_base
from holdfast.repository.copying.cold_copies import cold_copies
from holdfast.repository.copying.estimate import new_chunks
from holdfast.repository.copying.known_chunks import KnownChunks, NearbyChunks
from holdfast.repository.copying.readers import Readers
from holdfast.repository.copying.stream_copy import copy_stream, side_by_side
from holdfast.repository.copying.translation import Translation
from holdfast.repository.copying.volume_source import CopiedVolume, identity_of
from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.format.origin import Backup, Origin
from holdfast.repository.format.places import Located
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.passed_over import warnings_in
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.sessions.points import PointSummary, load_manifest
from holdfast.repository.sessions.session import WriterSession, ended_on_failure, open_session
from holdfast.repository.sessions.signs_of_life import living
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.commit import Copied, WrittenVolumes, commit_point
from holdfast.repository.writing.terms import terms_of
from holdfast.repository.writing.unfinished import NO_VIGIL, Vigil, inherit, settle, trail_owner
from holdfast.repository.writing.volume_writer import write_volume


@dataclass(frozen=True, slots=True)
class CopiedPoint:
    """`point` of the source, and the manifest of its copy. `read_bytes`: plain bytes of what was read and not known,
    `resumed_bytes` of what an earlier run had read.
    """

    point: PointSummary
    manifest: Manifest
    read_bytes: int
    resumed_bytes: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Copying:
    """One run, from `source` to `target`: what both have, and what the run remembers. `gone`: what the target's ledger
    calls points although nobody finds them.
    """

    source: Repository
    target: Repository
    there: BackupsHere
    here: BackupsHere
    vigil: Vigil = NO_VIGIL
    gone: tuple[PointSummary, ...] = ()
    known: KnownChunks = field(default_factory=KnownChunks)
    _readers: dict[str, Readers] = field(default_factory=dict)
    _passed_over: dict[str, str] = field(default_factory=dict)

    def copy(self, point: PointSummary, progress: Progress) -> CopiedPoint:
        """Copy a point that the target does not have; what an earlier run had stored of it is taken over. Raises what
        reading and writing raise; then there is no copy.
        """
        with pinned(self.source, [point.session], progress) as reading:
            manifest = load_manifest(self.source, point)
            session = open_session(
                self.target, manifest.tenant, manifest.workload, keep_until=promise_of(manifest, self.target)
            )
            writing = living(self.target, session.session, reading)
            with self.vigil.kept(session.session), ended_on_failure(session, writing):
                inheritance = inherit(session, _identities(backup_of(self.source, point), manifest), writing)
                backup = BackupSession.begin(
                    session.repository.access(manifest.tenant),
                    terms_of(session, CompressionLevel.DEFAULT),
                    inheritance.taken,
                    trail_owner(session),
                )
                try:
                    copied = self._copy(session, backup, point, manifest, writing)
                finally:
                    backup.abandon()
            settle(session, backup.checkpoints_left, inheritance, self.vigil, writing)
        return copied

    def readers(self, tenant: str) -> Readers:
        """Of that tenant of the source."""
        if tenant not in self._readers:
            self._readers[tenant] = Readers(self.source.access(tenant))
        return self._readers[tenant]

    def forget_readers(self) -> None:
        """What they know of moved chunks may have passed."""
        for readers in self._readers.values():
            self._passed_over.update(readers.passed_over())
        self._readers.clear()

    def warnings(self) -> tuple[str, ...]:
        """A line for every damaged object of the source for which another copy was read, and for every point of the
        target that is gone.
        """
        found = dict(self._passed_over)
        for readers in self._readers.values():
            found |= readers.passed_over()
        return (*warnings_in(self.source, found), *(_of_gone(point, self.target) for point in self.gone))

    def _copy(
        self,
        session: WriterSession,
        backup: BackupSession,
        point: PointSummary,
        manifest: Manifest,
        progress: Progress,
    ) -> CopiedPoint:
        heir = Heir(self.target, session.plan)
        base = choose_base(heir, self.source, self.there, self.here, point, progress)
        try:
            volumes = tuple(self._volume(backup, point, volume, base, progress) for volume in manifest.volumes)
        except NeedsRetrievalError as error:
            error.packs = tuple(sorted(self._cold_copies(point, base, progress).union(error.packs)))
            raise
        packs = backup.finish()
        origin = Origin(
            backup_of(self.source, point),
            self.source.config.repository,
            tuple(volume.root for volume in manifest.volumes),
        )
        written = WrittenVolumes(
            kind=manifest.kind,
            volumes=volumes,
            packs=packs,
            index=backup.index,
            verified=True,
            parent=None if base is None else base.manifest.session,
            statistics=manifest.statistics,
            configuration=manifest.configuration,
            copied=Copied(manifest.created, origin),
        )
        committed = commit_point(session, written)
        counters, stored_bytes = backup.counters, sum(pack.size_bytes for pack in packs)
        return CopiedPoint(point, committed, counters.read_bytes, counters.resumed_bytes, stored_bytes)

    def _cold_copies(self, point: PointSummary, base: Base | None, progress: Progress) -> frozenset[str]:
        """Of all that this run has not read yet."""
        readers = self.readers(point.tenant)
        chunks = new_chunks(self.source, readers, point, base)
        unread = (chunk for chunk in chunks if self.known.target_id(chunk.id) is None)
        return cold_copies(unread, readers.data, self.source.surroundings, progress)

    def _volume(
        self, backup: BackupSession, point: PointSummary, volume: VolumeMap, base: Base | None, progress: Progress
    ) -> VolumeMap:
        readers = self.readers(point.tenant)
        translation = Translation(readers.data, self.source.surroundings, backup, self.known)
        in_target, in_source = base_volumes(base, volume)
        if volume.cut == CUT_FIXED:
            copied = CopiedVolume(backup_of(self.source, point), volume, readers.maps, translation)
            changed = None
            if in_source is not None and base is not None:
                changed = copied.changed_from(in_source, readers.of_earlier(stands=base.stands))
            return write_volume(backup, copied, name=volume.name, parent=in_target, changed=changed, progress=progress)
        pairs: Iterator[tuple[bytes, Located]] = iter(())
        if in_source is not None and in_target is not None:
            target_maps = ChunkReader(backup.access, CHUNK_TYPE_MAP, IndexSearch(backup.access))
            pairs = side_by_side(in_source, readers.maps, in_target, target_maps)
        return copy_stream(backup, volume, readers.maps, translation, NearbyChunks(pairs), progress)


def _of_gone(point: PointSummary, target: Repository) -> str:
    return (
        f"restore point {point.id} of {point.workload} is gone from {target.store.location} although nobody deleted it "
        "as one: it counts as no copy; `holdfast repository check` says what else is gone there"
    )


def _identities(backup: Backup, manifest: Manifest) -> list[tuple[str, int, Mapping[str, str]]]:
    """The volumes of a point that can be gone on with."""
    fixed = (volume for volume in manifest.volumes if volume.cut == CUT_FIXED)
    return [(volume.name, volume.size_bytes, identity_of(backup, volume)) for volume in fixed]


def promise_of(manifest: Manifest, target: Repository) -> datetime | None:
    """What the original is promised, where the target can promise anything, too."""
    return parse_time(manifest.keep_until) if target.config.immutable and manifest.keep_until else None
