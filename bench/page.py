"""Put what was measured between a page's markers; everything else on the page is a person's."""

import re
from pathlib import Path


def replace_section(text: str, name: str, content: str) -> str:
    """`text` with `content` between `<!-- name -->` and `<!-- /name -->`. Raises ValueError where they are not."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the page needs <!-- {name} --> and <!-- /{name} --> once")
    return pattern.sub(lambda match: f"{match[1]}\n{content}\n\n{match[2]}", text)


def write_sections(page: Path, sections: dict[str, str]) -> None:
    """Replace these sections of the page at once."""
    text = page.read_text(encoding="utf-8")
    for name, content in sections.items():
        text = replace_section(text, name, content)
    page.write_text(text, encoding="utf-8")
