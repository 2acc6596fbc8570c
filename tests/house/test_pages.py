"""The pages that every reader expects, in the form they expect."""

import re

import pytest

from tests.house.tree import ROOT, documentation

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_changelog_has_a_place_for_the_next_change():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[?Unreleased\]?$", text, re.MULTILINE), "CHANGELOG.md: keep a section ## [Unreleased]"


def test_decisions_are_numbered_without_gap():
    numbers = [page.name[:4] for page in DECISIONS]
    wanted = [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    assert numbers == wanted, "docs/decisions: number the pages 0001, 0002, … without gap; a number is never used again"


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_decision_has_its_parts(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(page.name[:4])}. "), f"{page.name}: begin with `# {int(page.name[:4])}. Title`"
    for part in ("Status", "Context", "Decision", "Consequences"):
        assert re.search(rf"^## {part}$", text, re.MULTILINE), f"{page.name}: add the section ## {part}"


def test_glossary_defines_each_word_once():
    words = re.findall(r"^\*\*(.+?)\*\*", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    twice = {word for word in words if words.count(word) > 1}
    assert words, "docs/glossary.md: begin each entry with **word**"
    assert not twice, f"docs/glossary.md: {twice} is defined twice; one word has one meaning"
    assert words == sorted(words, key=str.lower), "docs/glossary.md: keep the words in alphabetical order"


def test_links_between_pages_lead_somewhere():
    broken = []
    for name, text in documentation().items():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in target and not target.startswith("mailto:"):
                place = (ROOT / name).parent / target
                broken += [] if place.exists() else [f"{name} -> {target}"]
    assert not broken, f"{broken}: mend the links"


def test_paths_named_in_pages_exist():
    gone = [
        f"{name}: {path}"
        for name, text in documentation().items()
        for path in re.findall(r"`((?:src|tests|docs|tools|bench)/[\w./-]*\w)/?`", text)
        if not (ROOT / path).exists()
    ]
    assert not gone, f"{gone}: the page sends readers to a file that is not there"


def test_the_page_of_tests_names_each_kind_and_each_campaign():
    text, tests = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8"), ROOT / "tests"
    folders = [f"`tests/{folder.name}`" for folder in tests.iterdir() if any(folder.glob("**/*.py"))]
    campaigns = [f"`{file.name}`" for file in (tests / "faults").glob("test_*.py")]
    variables = {
        f"`{name}`"
        for file in tests.glob("**/*.py")
        for name in re.findall(r"int\(os\.environ\.get\(\"([A-Z_]+)\"", file.read_text(encoding="utf-8"))
    }
    missing = sorted(name for name in (*folders, *campaigns, *variables) if name not in text)
    assert not missing, f"docs/testing.md: say what {missing} proves, or what it is for"
