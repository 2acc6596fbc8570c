"""The records of a server over every database that may hold them."""

from dataclasses import replace

import pytest

from holdfast.database.server_records import server_records
from holdfast.domain.errors import ConflictError, NotFoundError, UsageError
from holdfast.domain.infrastructure import ApplianceState
from holdfast.domain.session import State
from holdfast.protocol.appliance_answers import ChangePage, ChangeRecord, SessionDetail
from holdfast.protocol.encoding import to_document
from holdfast.server.ports.records import PluginState, StoredPlugin, StoredToken, TokenKind
from holdfast.testing.sample_records import appliance, hex_id, moment, point, session, task, workload

NOW = moment(1000)


@pytest.fixture
def records(open_database):
    made = server_records(open_database("server"))
    made.appliances.put(appliance("one"))
    made.appliances.put(appliance("two"))
    return made


def page(*changes, newest=None, after=0):
    numbered = tuple(
        ChangeRecord(
            usn,
            kind,
            value if isinstance(value, str) else value.id,
            None if isinstance(value, str) else to_document(value),
        )
        for usn, kind, value in changes
    )
    return ChangePage(numbered, newest if newest is not None else numbered[-1].usn, after)


def test_appliances(records):
    changed = replace(appliance("one"), state=ApplianceState.UNAVAILABLE, reason="no answer", synced_usn=99)
    records.mirror.apply("one", page((7, "session", session(1))), NOW)
    records.appliances.put(changed)
    found = records.appliances.get("one")
    assert (found.state, found.synced_usn, found.synced_at) == (ApplianceState.UNAVAILABLE, 7, NOW)
    assert [one.name for one in records.appliances.all()] == ["one", "two"]
    records.appliances.remove("one")
    with pytest.raises(NotFoundError):
        records.appliances.get("one")
    with pytest.raises(NotFoundError):
        records.appliances.remove("one")
    assert records.mirror.sessions(before=None, limit=10) == []


def test_plugins(records):
    aws = StoredPlugin("aws", "1.0", "shipped", PluginState.INSTALLING)
    records.plugins.put(aws)
    records.plugins.put(replace(aws, state=PluginState.INSTALLED, settings={"stack": "s"}))
    assert records.plugins.get("aws").settings == {"stack": "s"}
    assert [one.state for one in records.plugins.all()] == [PluginState.INSTALLED]
    records.plugins.remove("aws")
    with pytest.raises(NotFoundError):
        records.plugins.get("aws")


def test_tokens(records):
    admin = StoredToken("aaaaaaaa", "00" * 32, TokenKind.ADMIN, moment(1))
    service = StoredToken("bbbbbbbb", "11" * 32, TokenKind.SERVICE, moment(0), "one", moment(9))
    records.tokens.add(admin)
    records.tokens.add(service)
    with pytest.raises(ConflictError):
        records.tokens.add(replace(service, id="aaaaaaaa"))
    assert records.tokens.get("bbbbbbbb") == service
    records.tokens.revoke("aaaaaaaa", moment(5))
    records.tokens.revoke("aaaaaaaa", moment(6))
    assert records.tokens.get("aaaaaaaa") == replace(admin, revoked_at=moment(5))
    for call in (lambda: records.tokens.get("none"), lambda: records.tokens.revoke("none", moment(1))):
        with pytest.raises(NotFoundError):
            call()


def test_tokens_of_one_appliance_are_revoked_together(records):
    kinds = [
        (TokenKind.SERVICE, "one"),
        (TokenKind.SERVICE, "one"),
        (TokenKind.SERVICE, "two"),
        (TokenKind.ADMIN, None),
    ]
    for number, (kind, name) in enumerate(kinds):
        records.tokens.add(StoredToken(f"{number}", "00" * 32, kind, moment(number), name))
    records.tokens.revoke("0", moment(5))
    records.tokens.revoke_services("one", moment(6))
    assert [records.tokens.get(f"{n}").revoked_at for n in range(4)] == [moment(5), moment(6), None, None]


def test_tokens_of_administrators_are_revoked_but_one(records):
    for name, kind in (
        ("a", TokenKind.ADMIN),
        ("b", TokenKind.ADMIN),
        ("c", TokenKind.ADMIN),
        ("d", TokenKind.SERVICE),
    ):
        records.tokens.add(StoredToken(name, "00" * 32, kind, moment(1)))
    records.tokens.revoke("a", moment(2))
    assert records.tokens.revoke_admins_but("c", moment(3)) == 1
    assert [records.tokens.get(name).revoked_at for name in "abcd"] == [moment(2), moment(3), None, None]


def test_tokens_that_open_nothing_any_more_are_forgotten(records):
    records.tokens.add(StoredToken("lasting", "00" * 32, TokenKind.ADMIN, moment(0)))
    records.tokens.add(StoredToken("expired", "00" * 32, TokenKind.ADMIN, moment(0), expires_at=moment(3)))
    records.tokens.add(StoredToken("revoked", "00" * 32, TokenKind.SERVICE, moment(0), "one"))
    records.tokens.revoke("revoked", moment(4))
    assert records.tokens.forget(moment(3), 9) == 0
    assert records.tokens.forget(moment(4), 9) == 1
    assert [records.tokens.forget(moment(9), 1) for _ in range(2)] == [1, 0]
    assert records.tokens.get("lasting")
    with pytest.raises(NotFoundError):
        records.tokens.get("revoked")


def test_a_page_again_changes_nothing(records):
    first = page((3, "session", session(1)), (4, "task", task(2, 1)), newest=9)
    assert records.mirror.apply("one", first, NOW) == 4
    assert records.mirror.apply("one", page((5, "session", session(1, State.FAILED)), newest=9), NOW) == 5
    assert records.mirror.apply("one", first, NOW) == 5
    assert records.mirror.synced_usn("one") == 5
    assert records.mirror.session(hex_id(1)) == ("one", SessionDetail(session(1, State.FAILED), (task(2, 1),)))
    assert records.mirror.apply("one", page(newest=5), NOW) == 5
    assert records.mirror.synced_usn("two") == 0


def test_a_page_that_cannot_be_read_is_taken_over_not_even_in_part(records):
    broken = ChangeRecord(2, "session", hex_id(2), {"id": hex_id(2)})
    good = page((1, "session", session(1))).changes[0]
    with pytest.raises(UsageError):
        records.mirror.apply("one", ChangePage((good, broken), 2), NOW)
    assert records.mirror.synced_usn("one") == 0
    assert records.mirror.sessions(before=None, limit=10) == []


def test_what_was_removed_there_is_removed_here(records):
    records.mirror.apply("one", page((1, "point", point(1)), (2, "point", point(2))), NOW)
    records.mirror.apply("one", page((3, "point", hex_id(1))), NOW)
    assert [one.point.id for one in records.mirror.points(before=None, limit=5)] == [hex_id(2)]


def test_an_appliance_that_counts_less_is_refused_until_it_is_read_anew(records):
    records.mirror.apply("one", page((8, "point", point(1))), NOW)
    with pytest.raises(ConflictError, match="not what it was"):
        records.mirror.apply("one", page((2, "point", point(2))), NOW)
    records.mirror.drop("one")
    assert records.mirror.points(before=None, limit=5) == []
    assert records.appliances.get("one").synced_at is None
    assert records.mirror.apply("one", page((2, "point", point(2))), NOW) == 2


def test_a_page_that_was_asked_for_before_all_was_dropped_is_not_taken_for_all(records):
    mirror = records.mirror
    mirror.apply("one", page((1, "session", session(1)), (2, "session", session(2))), NOW)
    mirror.drop("one")
    assert mirror.apply("one", page((3, "session", session(3)), after=2), NOW) == 0
    assert mirror.synced_usn("one") == 0
    assert mirror.apply("one", page((1, "session", session(1)), (3, "session", session(3))), NOW) == 3
    assert mirror.apply("one", page((4, "session", session(4)), after=3), NOW) == 4


def test_an_unknown_appliance_is_not_found(records):
    for call in (
        lambda: records.mirror.apply("none", page(newest=1), NOW),
        lambda: records.mirror.drop("none"),
        lambda: records.mirror.synced_usn("none"),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_documents_by_appliance_and_id(records):
    def account(name):
        return {"name": name, "role_arn": None}

    for name in ("two", "one"):
        changes = tuple(ChangeRecord(usn, "account", key, account(key)) for usn, key in [(1, "b"), (2, "a")])
        records.mirror.apply(name, ChangePage(changes, 2), NOW)
    found = records.mirror.documents("account")
    assert [(one.appliance, one.id) for one in found] == [("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")]
    assert [one.id for one in records.mirror.documents("account", "two")] == ["a", "b"]
    assert records.mirror.get("two", "account", "b").document == account("b")
    with pytest.raises(NotFoundError):
        records.mirror.get("two", "policy", "b")


def test_sessions_of_all_in_one_list(records):
    for number in range(12):
        if number % 3 == 0:
            records.sessions.open(session(number, subject="own"), [], {})
        else:
            name = "one" if number % 3 == 1 else "two"
            records.mirror.apply(name, page((number + 1, "session", session(number))), NOW)
    found, before = [], None
    while batch := records.mirror.sessions(before=before, limit=5):
        found += batch
        before = batch[-1].session.id
    assert [one.session.id for one in found] == [hex_id(number) for number in range(11, -1, -1)]
    assert [one.appliance for one in found[:3]] == ["two", "one", ""]
    own = records.mirror.sessions(before=None, limit=50, appliance="")
    assert {one.session.subject for one in own} == {"own"}
    assert len(own) == 4
    two = records.mirror.sessions(before=hex_id(9), limit=2, appliance="two", kind="policy", subject="daily")
    assert [one.session.id for one in two] == [hex_id(8), hex_id(5)]
    assert records.mirror.sessions(before=None, limit=5, kind="restore") == []


def test_one_session_by_a_prefix(records):
    records.sessions.open(replace(session(1), id="aa".ljust(32, "0")), [], {})
    records.mirror.apply("one", page((1, "session", replace(session(2), id="ab".ljust(32, "0")))), NOW)
    assert records.mirror.session("aa")[0] == ""
    assert records.mirror.session("ab")[0] == "one"
    with pytest.raises(UsageError):
        records.mirror.session("a")
    with pytest.raises(NotFoundError):
        records.mirror.session("c")


def test_points_of_all_in_one_list(records):
    for number in range(6):
        name = "two" if number % 2 else "one"
        records.mirror.apply(name, page((number + 1, "point", point(number, workload_number=number % 3))), NOW)
    listed = records.mirror.points(before=hex_id(4), limit=2)
    assert [(one.appliance, one.point.id) for one in listed] == [("two", hex_id(3)), ("one", hex_id(2))]
    of_one = records.mirror.points(before=None, limit=9, appliance="one", workload_id=workload(1).id)
    assert [one.point.id for one in of_one] == [hex_id(4)]
    assert records.mirror.point(hex_id(3)).appliance == "two"
    with pytest.raises(NotFoundError):
        records.mirror.point(hex_id(3), "one")
    with pytest.raises(UsageError, match="no single point"):
        records.mirror.point("0")


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
def test_pages_have_each_point_of_each_appliance_once_where_several_have_the_same(records, limit):
    for name in ("two", "one"):
        records.mirror.apply(name, page(*((n, "point", point(n)) for n in (1, 2, 3))), NOW)
    listed, last = [], None
    while found := records.mirror.points(before=last, limit=limit):
        listed += [(one.point.id, one.appliance) for one in found]
        last = found[-1].place
    assert listed == [(hex_id(n), name) for n in (3, 2, 1) for name in ("one", "two")]
    behind_both = records.mirror.points(before=hex_id(3), limit=1)
    assert [one.point.id for one in behind_both] == [hex_id(2)]


def test_whose_point_is_meant_is_asked_where_several_have_it(records):
    for name in ("two", "one"):
        records.mirror.apply(name, page((1, "point", point(1))), NOW)
    for text in (hex_id(1), hex_id(1)[:-1]):
        with pytest.raises(UsageError, match="whose point") as refused:
            records.mirror.point(text)
        assert refused.value.why == "several appliances have it: one, two"
        assert "--appliance" in refused.value.cure
        assert records.mirror.point(text, "two").appliance == "two"
