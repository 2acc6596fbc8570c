"""Stores that ask a server whose answers a test decides."""

from collections.abc import Callable, Iterator

import pytest

from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.signed_http.transport import CurlTransport
from tests.unit.signed_http.loopback import Answer, Asked, LoopbackServer, serving

Decide = Callable[[Asked], Answer | None]


@pytest.fixture
def opened() -> Iterator[Callable[..., tuple[S3Store, LoopbackServer]]]:
    """Start a server with the answers given, and a store that asks it."""
    stack = []

    def open_one(decide: Decide, **options: str) -> tuple[S3Store, LoopbackServer]:
        context = serving(decide)
        server = context.__enter__()
        store = S3Store(
            S3Location("bucket", "some/prefix", "us-east-1", server.url, **options),  # type: ignore[arg-type]
            AwsSession("us-east-1"),
            CurlTransport(max_connections=2),
        )
        stack.append((context, store))
        return store, server

    yield open_one
    for context, store in stack:
        store.close()
        context.__exit__(None, None, None)
