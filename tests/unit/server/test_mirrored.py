"""What the mirror has is shown while the appliance that has more of it cannot be asked."""

import pytest

from holdfast.domain.errors import CertificateError, ConflictError, NotAuthenticatedError, UnavailableError
from holdfast.domain.infrastructure import ApplianceState
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord, PointDetail, SessionDetail
from holdfast.protocol.encoding import to_document
from holdfast.testing.sample_records import point, session

SESSION, POINT = session(1), point(1)
SHOWN = (("a", SessionDetail(SESSION, ())), ("a", PointDetail(POINT, {})))


@pytest.fixture
def mirrored(connected):
    """A session that runs and a point; the appliance answers neither."""
    changes = [("session", SESSION.id, SESSION), ("point", POINT.id, POINT)]
    records = tuple(ChangeRecord(n, kind, id_, to_document(one)) for n, (kind, id_, one) in enumerate(changes, 1))
    connected.server.sync("a", ChangePage(records, 2))
    refuse(connected, UnavailableError)
    return connected


def refuse(small, error):
    for path in (f"/sessions/{SESSION.id}", f"/points/{POINT.id}"):
        small.plugin.answers["GET", path] = error("nothing is told of it", why="it is away", cure="wait")


def shown(small):
    owner, detail, as_of = small.server.get_session(SESSION.id)
    assert as_of == small.records.appliances.get("a").synced_at
    assert as_of is not None
    return (owner, detail), small.server.get_point(POINT.id)


@pytest.mark.parametrize("error", [UnavailableError, CertificateError, ConflictError, NotAuthenticatedError])
def test_whatever_the_appliance_answers(mirrored, error):
    refuse(mirrored, error)
    assert shown(mirrored) == SHOWN


@pytest.mark.parametrize(
    "state", [ApplianceState.UNAVAILABLE, ApplianceState.CERTIFICATE_CHANGED, ApplianceState.OWNED_BY_ANOTHER]
)
def test_however_the_appliance_stands(mirrored, state):
    mirrored.server.report("a", state, "it is so", "NEW")
    assert shown(mirrored) == SHOWN
