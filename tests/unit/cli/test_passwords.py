"""Passwords from files: the bytes without one line end, and a clear word about files that hold none."""

import pytest

from holdfast.cli import main
from holdfast.cli.passwords import given_password, read_secret_file
from holdfast.domain.errors import NotFoundError, PermissionDeniedError, UsageError
from holdfast.wiring.password_words import TO_PASSWORD


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
    assert read_secret_file(path, "--password-file") == password


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"x" * 65537])
def test_files_without_a_password(tmp_path, content):
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_secret_file(path, "--password-file")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(NotFoundError):
        read_secret_file(tmp_path / "missing", "--password-file")
    with pytest.raises(PermissionDeniedError):
        read_secret_file(tmp_path, "--password-file")


def test_the_option_comes_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "option").write_text("option")
    (tmp_path / "environment").write_text("environment")
    monkeypatch.setenv("HOLDFAST_PASSWORD_FILE", str(tmp_path / "environment"))
    assert given_password(tmp_path / "option") == b"option"
    assert given_password(None) == b"environment"
    monkeypatch.setenv("HOLDFAST_PASSWORD_FILE", "")
    assert given_password(None) is None


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("image list --repository r --password-file none", "--password-file"),
        ("repository copy r s --password-file there --to-password-file none", "--to-password-file"),
        ("repository repair r --password-file there --from s --from-password-file none", "--from-password-file"),
        ("repository key add r --password-file there --new-password-file none", "--new-password-file"),
        ("repository key rotate r --password-file there --new-password-file none", "--new-password-file"),
        ("repository key drill r --recovery-code-file none", "--recovery-code-file"),
        ("account add a --role r --external-id-file none", "--external-id-file"),
        ("appliance connect a --url u --fingerprint f --code-file none", "--code-file"),
    ],
)
def test_a_file_that_is_not_there_is_told_with_the_option_that_named_it(words, option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("secret")
    assert main.run(words.split()) == 4
    assert f"cure: check what {option} names" in capsys.readouterr().err


def test_a_password_that_is_no_text_is_none_for_a_server(tmp_path, capsys):
    (tmp_path / "word").write_bytes(bytes(range(128, 160)))
    words = ["repository", "add", "main", "s3://b/p", "--password-file", str(tmp_path / "word")]
    assert main.run(words) == 2
    assert "no UTF-8 text" in capsys.readouterr().err


def test_a_file_that_the_environment_names_is_told_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_TO_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(NotFoundError) as caught:
        given_password(None, words=TO_PASSWORD)
    assert "HOLDFAST_TO_PASSWORD_FILE" in caught.value.cure


def test_a_copy_without_the_password_of_its_target_names_that_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    (tmp_path / "there").write_text("secret")
    for name in ("first", "second"):
        assert main.run(["repository", "init", name, "--password-file", "there"]) == 0
    capsys.readouterr()
    assert main.run(["repository", "copy", "first", "second", "--password-file", "there"]) == 5
    assert "cure: add --to-password-file FILE, or set HOLDFAST_TO_PASSWORD_FILE;" in capsys.readouterr().err


def test_where_a_suite_has_no_use_for_memory_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    (tmp_path / "word").write_text("secret")
    opening = ["--password-file", "word"]
    note = "note: --kdf-memory has no part in encryption suite 1"
    assert main.run(["repository", "init", "one", *opening, "--encryption-suite", "1", "--kdf-memory", "64MiB"]) == 0
    assert note in capsys.readouterr().err
    adding = ["repository", "key", "add", "one", *opening, "--new-password-file", "word"]
    assert main.run([*adding, "--kdf-memory", "64MiB"]) == 0
    assert note in capsys.readouterr().err
    assert main.run(adding) == 0
    assert main.run(["repository", "init", "two", *opening, "--kdf-memory", "64MiB"]) == 0
    assert "--kdf-memory" not in capsys.readouterr().err
