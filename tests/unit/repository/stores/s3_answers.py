"""Answers of an S3 server that a test decides."""

from tests.unit.signed_http.loopback import Answer


def refusal(status: int, code: str, headers: dict[str, str] | None = None, message: str = "a message") -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Answer(status, body, headers or {})
