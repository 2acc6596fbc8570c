"""An unmodified moto server for the tests of the AWS adapters."""

from collections.abc import Iterator

import pytest

from holdfast.testing.server_processes import moto_server


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def endpoint(moto_url, monkeypatch) -> str:
    """The server's URL, and botocore's own variable pointing to it: nothing else is configured."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    return moto_url
