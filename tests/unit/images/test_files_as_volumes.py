"""What a file system can hand to a backup or restore beside ordinary files."""

import os
from pathlib import Path

import pytest

from holdfast.domain.errors import UsageError
from holdfast.images.file_source import FileSource
from holdfast.images.file_target import FileTarget


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no volume"):
        FileSource(tmp_path / "pipe")


@pytest.mark.parametrize("force", [False, True])
def test_what_is_neither_file_nor_device_is_not_replaced(tmp_path, force):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull), tmp_path):
        with pytest.raises(UsageError, match="no place for a volume"):
            FileTarget(path, force=force)


def test_a_name_that_is_no_text_is_recorded_as_far_as_it_is(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    path.write_bytes(b"content")
    source = FileSource(path)
    assert source.facts == {"kind": "file", "name": "odd\N{REPLACEMENT CHARACTER}"}
    source.close()
