"""The layers of pyproject.toml are the drawing of the house; this keeps the drawing complete."""

import re
import tomllib

import pytest

from tests.house.tree import ROOT, SOURCE

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
LAYERS = next(contract for contract in CONTRACTS if contract["type"] == "layers")
PLACED = [name.strip() for line in LAYERS["layers"] for name in line.split("|")]
PLANNED = {name.strip("() ") for name in PLACED if name.startswith("(")}
BUILT = {name for name in PLACED if not name.startswith("(")}


def rooms() -> set[str]:
    folders = {path.parent.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py") if path.parent != SOURCE}
    files = {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}
    return folders | files


def test_contract_is_exhaustive():
    assert LAYERS.get("exhaustive") is True, "keep `exhaustive = true` in the layers contract: it finds unplaced rooms"
    assert LAYERS["containers"] == ["holdfast"]


def test_every_room_is_placed():
    unplaced = rooms() - BUILT - PLANNED
    assert not unplaced, f"place {unplaced} in the layers contract of pyproject.toml, and in ARCHITECTURE.md"


def test_parentheses_mean_not_built():
    wrong = rooms() & PLANNED
    assert not wrong, f"{wrong} is built: take its parentheses off in the layers contract"
    gone = BUILT - rooms()
    assert not gone, f"{gone} is not built: put it in parentheses in the layers contract, or remove it"


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "README.md"])
def test_page_names_every_built_room(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [room for room in sorted(rooms()) if not re.search(rf"\b{room}/|\b{room}\.py", text)]
    assert not missing, f"{page}: name the folders {missing} and say what they are"
