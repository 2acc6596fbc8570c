"""A client whose answers are written down: what was asked is kept, in order."""

from typing import Any

from holdfast.aws.clients import PatientClient
from holdfast.aws.errors import error_of_aws_refusal
from holdfast.domain.errors import HoldfastError
from holdfast.patience import Waiting
from holdfast.signed_http.aws_answers import Refusal

Answer = dict[str, Any] | Refusal | HoldfastError


class RecordedEc2(PatientClient):
    """`answers`: operation -> its answers, one after the other; the last one is given again."""

    def __init__(self, answers: dict[str, list[Answer]]) -> None:
        self._service = "ec2"
        self._waiting = Waiting(sleep=lambda _seconds: None)
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def answer(self, operation: str, *answers: Answer) -> None:
        """From now on."""
        self._answers[operation] = list(answers)

    @property
    def region(self) -> str:
        return "eu-west-1"

    def try_call(self, operation: str, resource: str, **parameters: Any) -> dict[str, Any] | Refusal:
        self.asked.append((operation, parameters))
        answers = self._answers[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, HoldfastError):
            raise answer
        return answer

    def meaning(self, refusal: Refusal, operation: str, resource: str) -> HoldfastError:
        return error_of_aws_refusal(refusal, f"ec2:{operation}", resource)

    def operations(self, *names: str) -> list[str]:
        """What was asked, of these."""
        return [operation for operation, _ in self.asked if operation in names]

    def parameters(self, operation: str) -> dict[str, Any]:
        """Of the last time that it was asked."""
        return [asked for name, asked in self.asked if name == operation][-1]
