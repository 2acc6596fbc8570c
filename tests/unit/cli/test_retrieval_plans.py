"""What a person reads of a plan: what has to be retrieved, how long it takes, and at whose prices."""

import json

import pytest

from holdfast.cli.retrieval import (
    RetrievalWish,
    at_own_prices,
    is_readable,
    not_retrieved,
    plan_document,
    readable,
    retrieval_table,
    show_plan,
)
from holdfast.cli.retrieval_prices import VARIABLE, retrieval_prices
from holdfast.cli.voice import Output, Voice
from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier
from holdfast.domain.errors import UsageError
from holdfast.domain.numerals import counted
from holdfast.domain.retrieval import estimate
from holdfast.protocol.encoding import to_document
from holdfast.repository.reading.retrieval.retrieving import Retrieval
from holdfast.repository.stores.counting import RequestCounts
from holdfast.wiring.local.opening import LocalRepository
from holdfast.wiring.location_memory import FileLocationMemory
from tests.faults.cold_world import STANDARD, Archive

GIB = 1024**3
PRICE = {"storage_class": "DEEP_ARCHIVE", "tier": "bulk", "usd_per_1000_requests": 7, "usd_per_gib": "0.5"}


@pytest.fixture(autouse=True)
def no_prices(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def archive() -> Archive:
    return Archive()


def voice(form: Output) -> Voice:
    return Voice(form, no_progress=True)


def test_a_plan_names_packs_and_offers(archive):
    plan = archive.plan(0)
    document = plan_document(plan, 3, LIST_PRICES)
    assert document["restore_points"] == [archive.points[0].id]
    assert document["archived_packs"] == document["cold_packs"] == len(plan.packs)
    assert document["archived_bytes"] == sum(pack.size_bytes for pack in plan.packs)
    assert [(one["tier"], one["longest_seconds"]) for one in document["offers"]] == [
        ("standard", 12 * 3600),
        ("bulk", 48 * 3600),
    ]
    archive.retrieve(0, STANDARD)
    after = plan_document(archive.plan(0), 3, LIST_PRICES)
    assert (after["readable_packs"], after["offers"]) == (len(plan.packs), [])
    assert after["readable_until"].startswith("2026-01-05T00:00:00")


def test_a_person_is_told_what_to_do_and_nothing_is_asked_for(archive, capsys, tmp_path):
    memory = FileLocationMemory(tmp_path, lambda text: None)
    opened = LocalRepository(archive.repository, RequestCounts(), memory)
    wanted = Retrieval(archive.repository, archive.plan(0))
    assert readable(voice(Output.TABLE), opened, lambda: wanted, RetrievalWish(None, 3, wait=True)) == 8
    said = capsys.readouterr()
    assert "within 48 hours" in said.out
    assert LIST_PRICES.label in said.out
    assert "--retrieval-tier standard|bulk" in said.err
    assert archive.store.billed == []


def test_of_what_is_under_way_no_tier_is_told(archive, capsys, tmp_path):
    """S3 does not say at which tier it was asked for: the tier of a second call says nothing of the first."""
    opened = LocalRepository(archive.repository, RequestCounts(), FileLocationMemory(tmp_path, lambda text: None))
    count = len(archive.plan(0).packs)
    for tier, told in ((Tier.BULK, "bulk retrievals: within 48 hours"), (Tier.STANDARD, "asked for before")):
        wish = RetrievalWish(tier, 3, wait=False)
        assert readable(voice(Output.TABLE), opened, lambda: Retrieval(archive.repository, archive.plan(0)), wish) == 8
        said = capsys.readouterr().err
        assert f"{counted(count, 'pack is', 'packs are')} on the way; " in said
        assert told in said
        assert ("bulk retrievals" in said) == (tier is Tier.BULK)
    assert len(archive.store.billed) == count


def test_prices_of_ones_own(archive, tmp_path, monkeypatch, capsys):
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"label": "ours", "prices": [PRICE], "usd_per_gib_month_of_copies": 0.3}))
    monkeypatch.setenv(VARIABLE, str(file))
    prices = retrieval_prices()
    assert float(prices.usd(ArchiveClass.DEEP_ARCHIVE, Tier.BULK, 1000, 2 * GIB, 30)) == pytest.approx(7 + 1 + 0.6)
    assert prices.offers(ArchiveClass.GLACIER) == LIST_PRICES.offers(ArchiveClass.GLACIER)
    show_plan(voice(Output.JSON), archive.plan(0), 3)
    assert json.loads(capsys.readouterr().out)["prices"] == "ours"


def test_what_an_appliance_plans_is_shown_at_ones_own_prices(archive, tmp_path, monkeypatch):
    document = to_document(estimate(archive.plan(0).data, 5))
    assert at_own_prices(document)["offers"] == document["offers"]
    (tmp_path / "prices.json").write_text(json.dumps({"label": "ours", "prices": [PRICE]}))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "prices.json"))
    ours = at_own_prices(document)
    assert ours["prices"] == "ours"
    assert ours["offers"][0] == document["offers"][0]
    assert ours["offers"][1]["usd"] > document["offers"][1]["usd"]
    table = retrieval_table(ours, {})
    assert "USD FOR 5 DAYS" in table
    assert "DEEP_ARCHIVE" in table
    assert not is_readable(ours)
    assert "--retrieval-tier standard|bulk" in not_retrieved("restore point 3fa9", ours).cure


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"prices": []}',
        '{"label": "x", "prices": [{"storage_class": "STANDARD"}]}',
        json.dumps({"label": "x", "prices": [PRICE | {"tier": "expedited"}]}),
    ],
)
def test_a_list_that_is_none(text, tmp_path, monkeypatch):
    (tmp_path / "prices.json").write_text(text)
    for name in ("prices.json", "missing.json"):
        monkeypatch.setenv(VARIABLE, str(tmp_path / name))
        with pytest.raises(UsageError):
            retrieval_prices()
