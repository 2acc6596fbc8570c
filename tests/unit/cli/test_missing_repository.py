"""Who mistypes where a repository is, is told what is there instead, and not of servers that he never heard of."""

import pytest

from holdfast.cli import main
from holdfast.cli.repository_names import is_name


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a repository `backups`, and no management server on this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOLDFAST_SERVER", raising=False)
    (tmp_path / "password").write_text("secret")
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "config").write_bytes(b"")
    (tmp_path / "backsup").mkdir()
    return tmp_path


VERBS = ["show", "stats", "check", "repair", "collect-garbage", "renew-locks", "rekey", "key drill"]


@pytest.mark.parametrize("words", [*(f"{verb} backup --password-file password" for verb in VERBS), "scrub backup",
                                   "key list backup", "copy backup backups --password-file password"])  # fmt: skip
def test_a_mistyped_folder_is_told_with_the_one_that_is_meant(words, folder, capsys):
    assert main.run(["repository", *words.split()]) == 4
    said = capsys.readouterr().err
    assert f"error: there is no repository at {folder}/backup [not-found]" in said
    assert f"cure: give {folder}/backups if that is meant, or make one there: `holdfast repository init backup`" in said
    assert not (folder / "backup").exists()


def test_where_nothing_is_like_it_only_init_is_named(folder, capsys):
    assert main.run(["image", "list", "--repository", "elsewhere", "--password-file", "password"]) == 4
    assert "cure: check the location, or make one there" in capsys.readouterr().err


def test_a_word_is_a_name_only_where_there_is_a_server_to_ask(folder, monkeypatch, capsys):
    assert not is_name("main")
    assert "main is taken for a folder" in capsys.readouterr().err
    monkeypatch.setenv("HOLDFAST_SERVER", "https://127.0.0.1:9")
    assert is_name("main")
    assert not is_name("backups")
    assert not is_name("./main")
