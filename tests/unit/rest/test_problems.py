"""An error arrives as what it was: class, words, exit status."""

import json

import httpx
import pytest

from holdfast.domain import errors
from holdfast.domain.errors import HoldfastError
from holdfast.rest.problems import error_of, problem_of, status_of
from holdfast.rest.tls import client_context

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HoldfastError)]


def made(kind):
    if kind in (errors.ObjectNotFoundError, errors.ObjectExistsError):
        return kind("packs/aa/bb")
    if kind is errors.IntegrityError:
        return kind("what it was", why="the reason – ü", cure="do this", objects=("packs/a", "packs/b"))
    if kind is errors.FormatError:
        return kind("what it was", why="the reason", cure="do this", key="packs/a")
    return kind("what it was", why="the reason – ü", cure="do this")


def facts(error):
    return (
        type(error), error.what, error.why, error.cure, error.code, error.exit_status, str(error),
        getattr(error, "key", None), getattr(error, "objects", None),
    )  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_itself(kind):
    error = made(kind)
    document = json.loads(json.dumps(problem_of(error)))
    assert facts(error_of(document, document["status"], "there")) == facts(error)


def test_every_error_crosses_two_sockets(server, appliance):
    """From the appliance over the server to the command."""
    client = server.client()
    for kind in CLASSES:
        appliance.appliance.trouble = made(kind)
        with pytest.raises(HoldfastError) as caught:
            client.send("GET", "/accounts")
        assert facts(caught.value) == facts(made(kind))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.UsageError, 400),
        (errors.MissingExtraError, 400),
        (errors.NotAuthenticatedError, 401),
        (errors.PermissionDeniedError, 403),
        (errors.CertificateError, 403),
        (errors.ObjectNotFoundError, 404),
        (errors.ConflictError, 409),
        (errors.QuotaReachedError, 409),
        (errors.ThrottledError, 429),
        (errors.UnavailableError, 503),
        (errors.WorkerLostError, 503),
        (errors.IntegrityError, 500),
        (errors.CancelledError, 500),
        (HoldfastError, 500),
    ],
)
def test_status_by_class(kind, status):
    assert status_of(made(kind)) == status


@pytest.mark.parametrize(
    ("exit_status", "kind"),
    [
        (2, errors.UsageError),
        (4, errors.NotFoundError),
        (6, errors.IntegrityError),
        (7, errors.ConflictError),
        (99, HoldfastError),
    ],
)
def test_a_code_of_a_newer_version_becomes_the_nearest_class(exit_status, kind):
    document = {"code": "from-the-future", "title": "w", "detail": "y", "cure": "c", "exit_status": exit_status}
    error = error_of(document, 500, "there")
    assert (type(error), error.what, error.why, error.cure) == (kind, "w", "y", "c")
    str(error)


@pytest.mark.parametrize("document", [None, "text", [], {}, {"code": 5}, {"detail": "no code"}])
def test_what_is_no_problem_is_said_to_come_from_in_between(document):
    error = error_of(document, 502, "https://there")
    assert isinstance(error, errors.UnavailableError)
    assert "502" in error.why


def test_what_nobody_foresaw_tells_no_secret(appliance, client, caplog):
    appliance.appliance.trouble = RuntimeError("secret word")
    with pytest.raises(HoldfastError) as caught:
        client.send("GET", "/accounts")
    assert caught.value.code == "failed"
    assert "secret word" not in f"{caught.value.what}{caught.value.why}{caught.value.cure}"
    assert "secret word" in caplog.text


def test_the_document_is_a_problem_document(server):
    headers = {"Authorization": f"Bearer {server.token()}"}
    with httpx.Client(base_url=server.url, verify=client_context(server.certificate), headers=headers) as client:
        answer = client.get("/api/v1/appliances/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() | {"detail": "", "cure": "", "title": ""} == {
        "type": "/problems/not-found", "status": 404, "code": "not-found", "exit_status": 4,
        "detail": "", "cure": "", "title": "",
    }  # fmt: skip
