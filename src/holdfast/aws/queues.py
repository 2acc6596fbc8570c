"""SQS: a queue of its own for each worker's one task, and one in which all workers report."""

from collections.abc import Mapping
from typing import Any

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import UnavailableError
from holdfast.patience import REAL_WAITING, TOLD_AFTER_USUAL_SECONDS, Patience, RetryPolicy, Waiting
from holdfast.signed_http.aws_answers import Refusal

# SQS's bounds (API reference: ReceiveMessage, DeleteMessageBatch, SetQueueAttributes).
BATCH_MESSAGES = 10
LONGEST_POLL_SECONDS = 20
SHORTEST_RETENTION_SECONDS, LONGEST_RETENTION_SECONDS = 60, 14 * 24 * 3600
# For a minute after a queue was deleted, none of its name can be made (API reference, CreateQueue).
_TOO_SOON = ("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently")
_NAME_IS_FREE_POLICY = RetryPolicy(
    attempts=60,
    first_delay_seconds=1.0,
    longest_delay_seconds=5.0,
    total_seconds=120.0,
    told_after_seconds=TOLD_AFTER_USUAL_SECONDS,
)
_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class TaskQueues:
    """Makes, fills and removes the queues of workers."""

    def __init__(self, sqs: PatientClient, waiting: Waiting = REAL_WAITING) -> None:
        self._sqs = sqs
        self._waiting = waiting

    def create(self, name: str, tags: Mapping[str, str], lifetime_seconds: int) -> str:
        """The address of the queue; made before with the same words, it is the same queue."""
        kept = min(max(lifetime_seconds, SHORTEST_RETENTION_SECONDS), LONGEST_RETENTION_SECONDS)
        patience = Patience(_NAME_IS_FREE_POLICY, self._waiting)
        while isinstance(
            answer := self._sqs.try_call(
                "CreateQueue",
                f"queue {name}",
                QueueName=name,
                Attributes={"MessageRetentionPeriod": str(kept), "SqsManagedSseEnabled": "true"},
                tags=dict(tags),
            ),
            Refusal,
        ):
            error = self._sqs.meaning(answer, "CreateQueue", f"queue {name}")
            if answer.code not in _TOO_SOON:
                raise error
            patience.wait_or_raise(UnavailableError(error.what, why=error.why, cure="run it again in a minute"))
        return str(answer["QueueUrl"])

    def send(self, url: str, message: str) -> None:
        """Put a message into it."""
        self._sqs.call("SendMessage", url, QueueUrl=url, MessageBody=message)

    def names_beginning(self, prefix: str) -> list[str]:
        """The addresses of all queues whose names begin so."""
        found = self._sqs.pages("ListQueues", f"queues {prefix}*", "QueueUrls", QueueNamePrefix=prefix, MaxResults=1000)
        return [str(url) for url in found]

    def tags(self, url: str) -> dict[str, str]:
        """The tags of a queue; none when it is gone."""
        answer = self._sqs.try_call("ListQueueTags", url, QueueUrl=url)
        if isinstance(answer, Refusal):
            if answer.code in _GONE:
                return {}
            raise self._sqs.meaning(answer, "ListQueueTags", url)
        return {str(key): str(value) for key, value in answer.get("Tags", {}).items()}

    def delete(self, url: str) -> None:
        """Remove it; gone already is no error."""
        answer = self._sqs.try_call("DeleteQueue", url, QueueUrl=url)
        if isinstance(answer, Refusal) and answer.code not in _GONE:
            raise self._sqs.meaning(answer, "DeleteQueue", url)


class SqsEventQueue:
    """Fits `holdfast.appliance.ports.cloud.EventQueue`."""

    def __init__(self, sqs: PatientClient, url: str) -> None:
        self._sqs = sqs
        self._url = url

    @property
    def url(self) -> str:
        """Its address."""
        return self._url

    def receive(self, wait_seconds: float) -> list[tuple[str, str]]:
        """(receipt, body) of up to ten messages; waits at most 20 s, which is SQS's own bound."""
        answer = self._sqs.call(
            "ReceiveMessage",
            self._url,
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH_MESSAGES,
            WaitTimeSeconds=max(0, min(LONGEST_POLL_SECONDS, int(wait_seconds))),
        )
        return [(str(one["ReceiptHandle"]), str(one["Body"])) for one in answer.get("Messages", ())]

    def done(self, receipts: list[str]) -> None:
        """Delete them. One whose receipt has run out comes again, which does no harm: events tell repetitions."""
        for begin in range(0, len(receipts), BATCH_MESSAGES):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt}
                for number, receipt in enumerate(receipts[begin : begin + BATCH_MESSAGES])
            ]
            answer = self._sqs.call("DeleteMessageBatch", self._url, QueueUrl=self._url, Entries=entries)
            self._check(answer.get("Failed", ()))

    def _check(self, failed: Any) -> None:
        for one in failed:
            if not one.get("SenderFault"):
                raise UnavailableError(
                    f"a message of {self._url} could not be deleted",
                    why=f"{one.get('Code')}: {one.get('Message', '')}",
                    cure="nothing: it comes again, and is deleted then",
                )
