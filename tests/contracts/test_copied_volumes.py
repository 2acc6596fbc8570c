"""A volume of another repository gives what a block source gives, once its chunks are opened."""

from collections.abc import Iterable, Iterator, Mapping

import pytest

from holdfast.repository.block_source import BlockReference
from holdfast.repository.copying.backups_here import backup_of
from holdfast.repository.copying.known_chunks import KnownChunks
from holdfast.repository.copying.readers import Readers
from holdfast.repository.copying.translation import Translation
from holdfast.repository.copying.volume_source import CopiedVolume
from holdfast.repository.object_store import Buffer
from holdfast.repository.packs.compression import CompressionLevel, decompress
from holdfast.repository.packs.prepared_chunk import PreparedChunk
from holdfast.repository.sessions.points import list_points, load_manifest
from holdfast.repository.sessions.session import open_session
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.terms import terms_of
from holdfast.testing.block_source_contract import BlockSourceContract
from tests.unit.repository.copying.copied import two_places

WORKLOAD = "disk"


class Opened:
    """A copied volume whose chunks are opened again; it is of a repository, so nothing is to be closed."""

    def __init__(self, volume: CopiedVolume) -> None:
        self._volume = volume

    @property
    def size_bytes(self) -> int:
        return self._volume.size_bytes

    @property
    def facts(self) -> Mapping[str, str]:
        return self._volume.facts

    @property
    def identity(self) -> Mapping[str, str]:
        return self._volume.identity

    def allocated(self) -> Iterator[BlockReference]:
        return self._volume.allocated()

    def changed_since(self, base: Mapping[str, str]) -> None:
        return

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        for block, content in self._volume.read(blocks):
            plain: object = content
            if isinstance(content, PreparedChunk):
                plain = decompress(content.compression, content.stored, content.plain_length)
            assert isinstance(plain, bytes)
            yield block, plain

    def close(self) -> None:
        return


class TestCopiedVolume(BlockSourceContract):
    @pytest.fixture
    def open_source(self):
        def open_(content):
            there, here = two_places()
            there.back_up(WORKLOAD, content)
            source, target = there.open(), here.open()
            [point] = list_points(source)
            [volume] = load_manifest(source, point).volumes
            session = open_session(target, point.tenant, WORKLOAD)
            backup = BackupSession.begin(target.access(point.tenant), terms_of(session, CompressionLevel.DEFAULT))
            readers = Readers(source.access(point.tenant))
            translation = Translation(readers.data, source.surroundings, backup, KnownChunks())
            return Opened(CopiedVolume(backup_of(source, point), volume, readers.maps, translation))

        return open_
