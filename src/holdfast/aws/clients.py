"""Clients of AWS services that wait out passing faults: everything that is not bulk data goes through one."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from holdfast.aws.errors import error_of_aws_refusal, error_of_botocore
from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.patience import REAL_WAITING, TOLD_AFTER_USUAL_SECONDS, Patience, RetryPolicy, Waiting
from holdfast.repository.stores.s3.errors import refusal_of
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.signed_http.aws_answers import Refusal

# AWS's throttling of control calls lasts seconds, sometimes a minute.
CONTROL_POLICY = RetryPolicy(attempts=12, first_delay_seconds=0.2)
# What was made a moment ago is not known everywhere in EC2 and EBS ("Eventual consistency" in the EC2 developer guide:
# up to a few minutes; writers of snapshots have seen two of "does not exist").
SHOWN_AFTER_SECONDS = 180.0
NEW_THINGS_POLICY = RetryPolicy(
    attempts=40,
    first_delay_seconds=0.5,
    longest_delay_seconds=5.0,
    total_seconds=120.0,
    told_after_seconds=TOLD_AFTER_USUAL_SECONDS,
)


IsUnknown = Callable[[Refusal], bool]


def _is_not_found(refusal: Refusal) -> bool:
    """As EC2 says it."""
    return refusal.code.endswith(".NotFound")


class PatientClient:
    """One service in one region; may be used from many threads."""

    def __init__(
        self,
        session: AwsSession,
        service: str,
        *,
        policy: RetryPolicy = CONTROL_POLICY,
        waiting: Waiting = REAL_WAITING,
    ) -> None:
        self._service = service
        self._client: Any = session.client(service)
        self._policy = policy
        self._waiting = waiting

    @property
    def region(self) -> str:
        """The region that requests go to."""
        return str(self._client.meta.region_name)

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the service."""
        return str(self._client.meta.endpoint_url)

    def try_call(self, operation: str, resource: str, **parameters: Any) -> dict[str, Any] | Refusal:
        """The answer, or the refusal that waiting does not cure; `operation` is AWS's name, `resource` a person's.

        Raises UnavailableError when patience has run out, PermissionDeniedError without credentials.
        """
        patience = Patience(self._policy, self._waiting)
        action = f"{self._service}:{operation}"
        while True:
            try:
                answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
                return answer
            except ClientError as error:
                meaning = error_of_botocore(error, action, resource)
                if not isinstance(meaning, UnavailableError):
                    return refusal_of(error)
                patience.wait_or_raise(meaning)
            except BotoCoreError as error:
                meaning = error_of_botocore(error, action, resource)
                if not isinstance(meaning, UnavailableError):
                    raise meaning from error
                patience.wait_or_raise(meaning)

    def call(self, operation: str, resource: str, **parameters: Any) -> dict[str, Any]:
        """The answer; a refusal is raised as the error that it means."""
        answer = self.try_call(operation, resource, **parameters)
        if isinstance(answer, Refusal):
            raise self.meaning(answer, operation, resource)
        return answer

    def try_call_on_new(
        self, operation: str, resource: str, is_unknown: IsUnknown = _is_not_found, **parameters: Any
    ) -> dict[str, Any] | Refusal:
        """As `try_call`, of what was made a moment ago and may not be known everywhere: where `is_unknown` says of the
        refusal that it does not exist, it is asked for again, for a while. Raises UnavailableError when it does not
        exist then.
        """
        patience = Patience(NEW_THINGS_POLICY, self._waiting)
        while isinstance(answer := self.try_call(operation, resource, **parameters), Refusal):
            if not is_unknown(answer):
                break
            error = self.meaning(answer, operation, resource)
            patience.wait_or_raise(UnavailableError(error.what, why=error.why, cure="run it again"))
        return answer

    def call_on_new(
        self, operation: str, resource: str, is_unknown: IsUnknown = _is_not_found, **parameters: Any
    ) -> dict[str, Any]:
        """As `call`, of what was made a moment ago."""
        answer = self.try_call_on_new(operation, resource, is_unknown, **parameters)
        if isinstance(answer, Refusal):
            raise self.meaning(answer, operation, resource)
        return answer

    def pages(self, operation: str, resource: str, items: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Every entry of the list `items`, over all pages of the answer, whichever way the service turns them."""
        place: dict[str, Any] = {}
        while True:
            answer = self.call(operation, resource, **parameters, **place)
            yield from answer.get(items, ())
            if answer.get("NextToken"):
                place = {"NextToken": answer["NextToken"]}
            elif answer.get("IsTruncated"):
                place = {"Marker": answer["Marker"]}
            else:
                return

    def meaning(self, refusal: Refusal, operation: str, resource: str) -> HoldfastError:
        """The error that a refusal of `operation` means."""
        return error_of_aws_refusal(refusal, f"{self._service}:{operation}", resource)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
