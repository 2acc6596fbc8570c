"""A lab with IAM enforced, and an appliance in it that was installed by the server's documented rights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.wiring.local import opening
from tests.e2e.permissions.account_in_lab import ARCHIVE, DEEP_ARCHIVE, LOCATION, PASSWORD, AccountInLab
from tests.labs import start_lab

KDF_BYTES = 64 * 1024**2


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountInLab]:
    """Before anything is installed; with an empty repository in a bucket of the customer's, and an empty archive."""
    with start_lab(faults="quota=off,pending=50ms,iam=0ms") as lab:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        made = AccountInLab(lab.endpoint, tmp_path)
        cold = (
            f"{place}?class=archive&storage_class={name}"
            for place, name in ((ARCHIVE, "GLACIER"), (DEEP_ARCHIVE, "DEEP_ARCHIVE"))
        )
        for location in (LOCATION, *cold):
            with opening.initialised(location, lambda _line: None, PASSWORD.encode(), None, KDF_BYTES):
                pass
        yield made
