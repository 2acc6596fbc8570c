"""What cloud-init would make of user data."""

import gzip

import pytest

from holdfast.lab.instances.user_data import read_user_data

SCRIPT = b"#!/bin/sh\necho once\n"
HOOK = b"#cloud-boothook\n#!/bin/sh\necho always\n"


def archive(*parts):
    pieces = b"".join(b"--==\nContent-Type: text/plain\n\n" + part + b"\n" for part in parts)
    return b'Content-Type: multipart/mixed; boundary="=="\nMIME-Version: 1.0\n\n' + pieces + b"--==--\n"


def test_a_script_is_for_the_first_boot():
    found = read_user_data(SCRIPT)
    assert (found.programs(True), found.programs(False), found.ignored) == ([SCRIPT], [], [])


def test_a_boothook_is_for_every_boot_and_comes_first():
    found = read_user_data(archive(SCRIPT, HOOK))
    first, second = found.programs(True)
    assert (b"always" in first, b"once" in second) == (True, True)
    assert found.programs(False) == [first]


def test_a_boothook_without_an_interpreter_is_for_the_shell():
    (program,) = read_user_data(b"#cloud-boothook\necho hook\n").programs(False)
    assert program == b"#!/bin/sh\necho hook\n"


def test_scripts_run_at_every_boot_where_that_is_configured():
    config = b"#cloud-config\ncloud_final_modules:\n- [scripts-user, always]\n"
    found = read_user_data(archive(config, SCRIPT))
    assert [p.strip() for p in found.programs(False)] == [SCRIPT.strip()]


def test_compressed_user_data_is_unpacked():
    assert read_user_data(gzip.compress(SCRIPT)).programs(True) == [SCRIPT]


@pytest.mark.parametrize(
    "text", [b"#cloud-config\npackages: [x]\n", b"#include\nhttp://x\n", b"\x1f\x8bnot gzip", b"x"]
)
def test_what_is_not_known_is_named_and_left_alone(text):
    found = read_user_data(text)
    assert (found.programs(True), len(found.ignored)) == ([], 1)


def test_no_user_data_is_nothing():
    found = read_user_data(b"")
    assert (found.programs(True), found.ignored) == ([], [])
