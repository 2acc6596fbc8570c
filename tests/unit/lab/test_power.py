"""An instance comes to its end, whatever became of its boot."""

import threading
import time

from holdfast.lab.instances.metadata_server import Metadata
from holdfast.lab.instances.power import TERMINATED, InstanceWorld, Power

LIMIT_SECONDS = 60.0


def test_an_instance_whose_process_cannot_start_is_terminated_all_the_same(tmp_path):
    """The kernel takes no environment of that size, as it takes no further process where there is no room."""
    world = InstanceWorld(tmp_path, "x" * 300_000, time.time, 0.0)
    ended = threading.Event()
    metadata = Metadata(lambda: None, lambda: "", time.time)
    power = Power(world, "i-1", metadata, lambda: b"#!/bin/sh\n", lambda: None, ended.set)
    power.start()
    deadline_seconds = time.monotonic() + LIMIT_SECONDS
    while not (power.folder.console.exists() and "does not start" in power.folder.console.read_text()):
        assert time.monotonic() < deadline_seconds
        time.sleep(0.01)
    power.terminate()
    assert ended.wait(LIMIT_SECONDS)
    while power.state != TERMINATED:
        assert time.monotonic() < deadline_seconds
        time.sleep(0.01)
