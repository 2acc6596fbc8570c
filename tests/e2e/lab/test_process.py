"""A lab as a process: it says when it is ready, and it ends when it should."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdfast.domain.errors import ConflictError, UnavailableError, UsageError
from holdfast.lab.process import start_lab
from holdfast.wiring import lab as wiring
from tests.e2e.lab.account import Account, block, until
from tests.e2e.lab.fleet import alive

LAB = [sys.executable, "-m", "holdfast.lab"]


def run_lab(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*LAB, *words], capture_output=True, text=True, timeout=120, check=False)


def test_stopped_lab_is_gone_and_leaves_no_files():
    lab = start_lab()
    account = Account(lab.endpoint)
    folder = account.path(account.new_volume()).parent.parent
    pid = lab.pid
    lab.stop()
    assert not alive(pid)
    assert not folder.exists()
    lab.stop()


def test_lab_ends_with_whoever_started_it():
    program = (
        "import os, sys, time\nfrom holdfast.lab.process import start_lab\n"
        "lab = start_lab()\nprint(lab.pid, flush=True)\ntime.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert starter.stdout
    pid = int(starter.stdout.readline())
    assert alive(pid)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    until(lambda: not alive(pid))


def test_detached_lab_ends_when_it_is_stopped():
    lab = start_lab(attached=False)
    assert Account(lab.endpoint).lab("health") == {"status": "ok"}
    lab.stop()
    assert not alive(lab.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_lab_in_good_order(number, tmp_path):
    process = subprocess.Popen([*LAB, "--state", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(number)
    assert process.wait(120) == 0
    assert process.stdout.read() == ""
    process.stdout.close()


def test_address_in_use_is_an_error_with_a_cure():
    with start_lab() as lab:
        answer = run_lab("--listen", lab.endpoint.removeprefix("http://"))
        assert answer.returncode == ConflictError.exit_status
        assert "the address is in use" in answer.stderr
        assert answer.stderr.count("\n") == 3
        assert answer.stdout == ""


@pytest.mark.parametrize("words", [("--faults", "s3:explode=1"), ("--listen", "nowhere"), ("--listen", "127.0.0.1:x")])
def test_words_that_cannot_be_meant(words):
    answer = run_lab(*words)
    assert answer.returncode == UsageError.exit_status
    assert answer.stderr.count("\n") == 3
    assert "Traceback" not in answer.stderr


def test_state_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    answer = run_lab("--state", str(tmp_path / "file" / "state"))
    assert answer.returncode == 5
    assert "choose another --state" in answer.stderr


def test_wiring_runs_a_lab_and_announces_it_when_it_answers():
    """In a process of its own, whose main thread takes the signal."""
    program = (
        "from holdfast.wiring.lab import run\nrun('127.0.0.1:0', '', None, lambda words: print(words, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    account = Account(process.stdout.readline().strip())
    assert account.blocks(account.snapshot_of({0: block(0)})) == {0: block(0)}
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    process.stdout.close()


def test_bad_words_are_errors_of_the_tree():
    with pytest.raises(UsageError):
        wiring.run("127.0.0.1:0", "s3:explode=1", None, lambda words: None)
    with pytest.raises(UsageError):
        start_lab(faults="s3:explode=1")


def test_lab_in_use_survives_a_client_that_goes_away(account):
    """Half a request, then silence, and a hundred connections that are dropped."""
    host, port = account.endpoint.removeprefix("http://").split(":")
    for _ in range(100):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")
    assert account.lab("health") == {"status": "ok"}


def test_parallel_writers_lose_nothing(account):
    snapshot_id = account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    numbers = range(48)

    def put(part: int) -> None:
        writer = Account(account.endpoint)
        for number in numbers[part::4]:
            writer.put(snapshot_id, number, block(number))

    threads = [threading.Thread(target=put, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=len(numbers))
    assert account.blocks(account.completed(snapshot_id)) == {number: block(number) for number in numbers}


def test_memory_does_not_grow_with_the_volume():
    """16 TiB with two blocks cost a lab what 1 GiB with two blocks do."""
    with start_lab(faults="quota=off,pending=10ms") as lab:
        account = Account(lab.endpoint)
        small = account.snapshot_of({0: block(0), 2047: block(1)}, gib=1)
        assert list(account.listed(small)) == [0, 2047]
        before_kib = resident_kib(lab.pid)
        large = account.snapshot_of({0: block(0), 2**25 - 1: block(1)}, gib=16 * 1024)
        assert list(account.listed(large)) == [0, 2**25 - 1]
        assert resident_kib(lab.pid) - before_kib < 8 * 1024


def resident_kib(pid: int) -> int:
    (line,) = [words for words in Path(f"/proc/{pid}/status").read_text().splitlines() if words.startswith("VmRSS")]
    return int(line.split()[1])


def test_folder_is_used_by_one_lab_at_a_time(tmp_path):
    with start_lab(tmp_path):
        answer = run_lab("--state", str(tmp_path))
        assert answer.returncode == ConflictError.exit_status
        assert "another lab uses it" in answer.stderr
    assert run_lab("--state", str(tmp_path), "--listen", "192.0.2.1:0").returncode == UnavailableError.exit_status
