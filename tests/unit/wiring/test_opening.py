"""A repository opened by its location: what is remembered of it, whatever became of the work."""

import shutil

import pytest

from holdfast.domain.errors import RollbackError
from holdfast.images.file_source import FileSource
from holdfast.repository.progress import Silence
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.wiring.local.opening import initialised, opened


def backup_and_end(repository, source):
    backup_volume(repository, source, BackupOrder("disk"), Silence())
    raise KeyboardInterrupt


def test_what_was_committed_before_the_work_failed_does_not_go_away_unseen(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    place, image, warnings = tmp_path / "repository", tmp_path / "image", list[str]()
    image.write_bytes(b"content")
    with initialised(str(place), warnings.append, b"password", None, 64 << 20):
        pass
    shutil.copytree(place, tmp_path / "before")
    with pytest.raises(KeyboardInterrupt), opened(str(place), b"password", warnings.append) as there:
        backup_and_end(there.repository, FileSource(image))
    shutil.rmtree(place)
    (tmp_path / "before").rename(place)
    with pytest.raises(RollbackError), opened(str(place), b"password", warnings.append):
        pass
    assert warnings == []
