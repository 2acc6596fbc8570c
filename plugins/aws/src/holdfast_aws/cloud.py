"""Clients of one account and region: the server's own AWS credentials, as botocore finds them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from holdfast.aws.bundle.building import Bundle, Told, build_bundle
from holdfast.aws.bundle.contents import Kind
from holdfast.aws.clients import PatientClient
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.repository.stores.s3.session import AwsSession


@dataclass(frozen=True, slots=True)
class Cloud:
    """AWS as the plug-in uses it, and what makes its bundles; a test hands in clients that fail."""

    client: Callable[[str, str | None], PatientClient]
    now: Callable[[], datetime]
    waiting: Waiting = REAL_WAITING
    build: Callable[[Kind, Path, Told], Bundle] = build_bundle


def real_cloud() -> Cloud:
    """AWS, or what AWS_ENDPOINT_URL names."""

    def client(service: str, region: str | None) -> PatientClient:
        return PatientClient(AwsSession(region), service)

    return Cloud(client, lambda: datetime.now(UTC))
