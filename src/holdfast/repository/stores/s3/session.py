"""What botocore knows of this machine: credentials, region, endpoints, certificates."""

import os
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, cast
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import BotoCoreError, ConnectionClosedError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from holdfast.domain.errors import PermissionDeniedError, UsageError
from holdfast.repository.stores.s3.errors import translate_botocore_error
from holdfast.signed_http.sigv4 import Credentials

# One attempt each: patience is the part of our own wrappers, which know what may be repeated.
_ONE_ATTEMPT = {"total_max_attempts": 1, "mode": "standard"}
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60


class AwsSession:
    """A botocore session; may be used from many threads.

    `region` None means AWS_REGION, then what botocore knows: AWS_DEFAULT_REGION and the profile. (AWS's newer SDKs and
    its Lambda and ECS runtimes set AWS_REGION; botocore does not read it.)
    """

    def __init__(self, region: str | None = None) -> None:
        self._session = Session()
        self._asked_region = region or os.environ.get("AWS_REGION") or None
        self._credentials: BotocoreCredentials | None = None

    @property
    def region(self) -> str:
        """Where requests go that name no region. Raises UsageError where nothing says so."""
        region = self._asked_region or self._session.get_config_variable("region")
        if not region:
            raise UsageError(
                "no AWS region",
                why="neither the environment nor a profile names one",
                cure="set AWS_REGION, or a region in the profile",
            )
        return str(region)

    def client(self, service: str, *, endpoint: str | None = None, s3_options: dict[str, str] | None = None) -> Any:
        """A botocore client; `endpoint` None means AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile, or AWS.

        Raises UsageError without a region, when the profile does not exist, and for an endpoint with a password in it.
        """
        config = Config(
            region_name=self._asked_region,
            signature_version="s3v4" if service == "s3" else None,
            retries=cast(Any, _ONE_ATTEMPT),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=64,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3=cast(Any, s3_options),
        )
        try:
            self._session.register_component("data_loader", _loader(self._session.get_config_variable("data_path")))
            client: Any = self._session.create_client(cast(Any, service), endpoint_url=endpoint, config=config)
        except BotoCoreError as error:
            raise translate_botocore_error(error, f"{service} client", endpoint or "AWS") from error
        if "@" in urlsplit(client.meta.endpoint_url).netloc:
            raise UsageError(
                f"the endpoint of {service} holds a name and a password",
                why="an endpoint stands in notes, errors and logs",
                cure="take them out of AWS_ENDPOINT_URL or the profile; credentials are given in the other ways of AWS",
            )
        client.meta.events.register("before-parse", partial(_refuse_cut_answer, client.meta.endpoint_url))
        return client

    def credentials(self) -> Credentials:
        """Credentials as they are now: temporary ones are renewed by botocore before they end.

        Raises PermissionDeniedError when there are none or they cannot be renewed.
        """
        try:
            if self._credentials is None:
                self._credentials = self._session.get_credentials()
            if self._credentials is None:
                raise PermissionDeniedError(
                    "no AWS credentials",
                    why="neither the environment, a profile nor an instance role gives any",
                    cure="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use an instance role",
                )
            frozen = self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise translate_botocore_error(error, "renewing credentials", "this machine") from error
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token)


@cache
def _loader(data_path: str | None) -> Loader:
    """What reads botocore's descriptions of services: each once a process, for EC2's alone are megabytes of JSON."""
    loader: Loader = create_loader(data_path)
    return loader


def _refuse_cut_answer(endpoint: str, operation_model: Any, response_dict: dict[str, Any], **unused: object) -> None:
    """Raise ConnectionClosedError for a body shorter than its announced length.

    botocore switches urllib3's own check off (`enforce_content_length=False`) and reads half a JSON document as an
    empty answer: a cut list would look like a short one.
    """
    body, announced = response_dict["body"], response_dict["headers"].get("content-length")
    if announced is None or operation_model.http["method"] == "HEAD" or not isinstance(body, bytes):
        return
    if len(body) != int(announced):
        raise ConnectionClosedError(endpoint_url=endpoint)


def utc_now() -> datetime:
    """This machine's time, for signatures."""
    return datetime.now(UTC)
