"""Calls whose words do not fit are refused before anything is touched: three lines, exit code 2."""

import pytest
import typer

from holdfast.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "disk").write_bytes(b"content")
    return tmp_path


OPENING = ["--repository", "repository", "--password-file", "password"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "holdfast --help"),
        (["image", "frobnicate"], "holdfast image --help"),
        (["image", "list"], "holdfast image list --help"),
        (["image", "list", "--repository"], "--repository"),
        (["image", "list", "--repository", "x", "--output", "xml"], "--output: 'xml' is not one of 'table', 'json'"),
        (["image", "verify", "p", *OPENING, "--retrieval-tier", "slow"], "--retrieval-tier: 'slow' is not one of"),
        (["image", "verify", "p", *OPENING, "--retrieval-days", "0"], "--retrieval-days: '0' is less than 1 ["),
        (["image", "verify", "p", *OPENING, "--retrieval-days", "few"], "--retrieval-days: 'few' is no whole number ["),
        (["repository", "init", "new?class=archive", "--password-file", "password"], "a directory takes no options"),
        (["repository", "init", "s3://Bucket/x", "--password-file", "password"], "small letters"),
        (["image", "list", "--repository", "gopher://x", "--password-file", "password"], "gopher"),
        (["image", "backup", "disk", *OPENING, "--workload", "w", "--compression", "most"], "most"),
        (["image", "restore", "latest:w", *OPENING], "--to"),
        (["repository", "check", "repository", "--read-data=0"], "--read-data"),
        (["repository", "check", "repository", "--read-data=101"], "1 to 100"),
        (["repository", "check", "repository", "--read-data="], "--read-data"),
        (["repository", "init", "new", "--password-file", "password", "--kdf-memory", "1MiB"], "64MiB"),
        (["repository", "init", "new", "--password-file", "password", "--kdf-memory", "lots"], "lots"),
        (["repository", "init", "new", "--password-file", "password", "--immutable"], "Object Lock"),
        (["repository", "init", "new", "--encryption-suite", "3"], "--encryption-suite"),
        (["repository", "init", "s3://bucket/x?class=archive", "--password-file", "password"], "archive"),
        (["repository", "compress", "repository"], "compress"),
        (["session", "list", "--kind", "nightly"], "nightly"),
        (["session", "list", "--last", "0"], "--last"),
        (["point", "list", "--last", "0"], "--last"),
        (["policy", "apply", "-f", "."], "cannot be read"),
        (["restore", "instance", "3fa9", "--subnet", "s", "--name", "n", "--yes"], "--subnet, --name cannot be given"),
        (["restore", "instance", "3fa9", "--kms-key", "key", "--plan"], "add --new"),
        (["demo", "--size", "lots"], "lots"),
        (["lab", "run", "--listen", "nowhere"], "nowhere"),
    ],
)
def test_words_that_do_not_fit(words, said, folder, capsys):
    assert main.run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.partition(":")[0].strip() for line in lines] == ["error", "why", "cure"]
    assert said in captured.err
    assert not (folder / "new").exists()


@pytest.mark.parametrize("words", [[], ["image"], ["repository"], ["repository", "key"], ["lab"], ["image", "--help"]])
def test_a_noun_alone_shows_its_help(words, capsys):
    assert main.run(words) == 0
    assert "Usage: holdfast" in capsys.readouterr().out


def every_command(command, path=()):
    """The words of each command of the program."""
    verbs = getattr(command, "commands", None)
    if verbs is None:
        return [" ".join(path)]
    return [words for name, verb in verbs.items() for words in every_command(verb, (*path, name))]


@pytest.mark.parametrize("words", every_command(typer.main.get_command(main.app)))
def test_every_command_helps_with_an_example(words, capsys):
    assert main.run([*words.split(), "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Example: holdfast {words} " in f"{out} "
    assert all(option in out for option in ("--output", "--no-progress", "--debug"))


def test_only_a_check_takes_read_data_without_a_value():
    command = typer.main.get_command(main.app)
    prepared = main.prepared(command, ["repository", "check", "x", "--read-data", "--", "--read-data"])
    assert prepared == ["repository", "check", "x", "--read-data=100", "--", "--read-data"]
    words = ["image", "list", "--repository", "--read-data"]
    assert main.prepared(command, words) == words


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("holdfast repository s", ["show", "stats", "scrub"]), ("holdfast repository check --read-d", ["--read-data"])],
)
def test_a_shell_completes_verbs_and_options(typed, offered, monkeypatch, capsys):
    monkeypatch.setenv("_HOLDFAST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    with pytest.raises(SystemExit) as ended:
        main.run([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == offered


def test_a_new_user_reads_first_how_a_repository_begins(capsys):
    assert main.run(["repository"]) == 0
    verbs = capsys.readouterr().out.partition("Commands:")[2].split("\n")
    assert verbs[1].split()[0] == "init"
