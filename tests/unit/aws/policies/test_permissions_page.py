"""The page for people says what the policies grant."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[4]


def test_the_page_is_up_to_date():
    written = runpy.run_path(str(ROOT / "tools" / "permissions_page.py"))["page"]()
    stands = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert stands == written, "run: python tools/permissions_page.py > docs/permissions.md"
