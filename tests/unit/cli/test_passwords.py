"""Passwords from files: the bytes without one line end, and a clear word about files that hold none."""

import pytest

from holdfast.cli.passwords import given_password, read_password_file
from holdfast.domain.errors import NotFoundError, PermissionDeniedError, UsageError


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"secret", b"secret"),
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"secret\n\n", b"secret\n"),
        (b"secret\r", b"secret\r"),
        (b" secret \n", b" secret "),
        (b"\xff\x00\n", b"\xff\x00"),
        (b"x" * 65536, b"x" * 65536),
    ],
)
def test_one_line_end_is_taken_off(tmp_path, content, password):
    path = tmp_path / "password"
    path.write_bytes(content)
    assert read_password_file(path) == password


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"x" * 65537])
def test_files_without_a_password(tmp_path, content):
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_password_file(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(NotFoundError):
        read_password_file(tmp_path / "missing")
    with pytest.raises(PermissionDeniedError):
        read_password_file(tmp_path)


def test_the_option_comes_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "option").write_text("option")
    (tmp_path / "environment").write_text("environment")
    monkeypatch.setenv("HOLDFAST_PASSWORD_FILE", str(tmp_path / "environment"))
    assert given_password(tmp_path / "option") == b"option"
    assert given_password(None) == b"environment"
    monkeypatch.setenv("HOLDFAST_PASSWORD_FILE", "")
    assert given_password(None) is None
