"""The number of cases that a campaign went through stands at the end of the run: a campaign of nothing would show."""

import pytest

CASES = "cases"


@pytest.fixture
def count_case(request):
    """Call it once a case."""
    properties = request.node.user_properties
    properties.append((CASES, 0))
    place = len(properties) - 1

    def count(number: int = 1) -> None:
        properties[place] = (CASES, properties[place][1] + number)

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == CASES and getattr(report, "when", "") == "call":
                    file = report.nodeid.split("::")[0]
                    totals[file] = totals.get(file, 0) + value
    if totals:
        terminalreporter.section("fault cases")
        for file, number in sorted(totals.items()):
            terminalreporter.write_line(f"{number:7,} cases  {file}")
