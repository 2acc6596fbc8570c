"""Bundles take their time: it is said how far they are, and a person may change their mind."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from holdfast.aws.bundle.building import Bundle
from holdfast.domain.errors import CancelledError, UsageError
from holdfast.patience import Waiting
from holdfast.plugin_api import PluginContext
from holdfast_aws.bundling import made_bundle
from holdfast_aws.cloud import Cloud


class Making:
    """A bundle of ten files of ten megabytes, three seconds each."""

    def __init__(self, python="cp311"):
        self.python, self.seconds, self.said, self.cancelled = python, 0.0, [], False
        waiting = Waiting(sleep=lambda duration: None, monotonic=lambda: self.seconds)
        self.cloud = Cloud(cast(Any, None), lambda: datetime.now(UTC), waiting, self.build)

    def build(self, kind, folder, told):
        for number in range(10):
            self.seconds += 3
            told((number + 1) * 10_000_000, 100_000_000)
        return Bundle(folder / "x", "ab", 61_000_000, self.python, "x86_64", "0.1.0", kind)

    def made(self):
        context = PluginContext(
            cast(Any, None), cast(Any, None), self.said.append, lambda: self.cancelled, "s", Path("folder")
        )
        return made_bundle("worker", self.cloud, context)


def test_it_says_how_far_it_is():
    making = Making()
    assert making.made().kind == "worker"
    assert making.said == [
        "making the worker's bundle of what is installed here",
        *(f"making the worker's bundle: {done} of 100 MB ({done} %)" for done in (20, 40, 60, 80, 100)),
        "the worker's bundle is made: 61 MB in 30 s",
    ]


def test_it_ends_when_somebody_asks_for_it():
    making = Making()
    making.cancelled = True
    with pytest.raises(CancelledError):
        making.made()
    assert making.seconds == 6


def test_one_that_no_instance_could_run_is_refused():
    with pytest.raises(UsageError, match="Debian 12"):
        Making("cp312").made()
