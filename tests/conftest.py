"""What holds for every test: no real account is reached, the developer's home is left alone, CI skips nothing, and the
number of cases that a campaign went through stands at the end of the run: a campaign of nothing would show, and one of
too few crash points fails in CI.
"""

import itertools
import json
import os
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

IN_CI = os.environ.get("CI") == "true"
CASES = "cases"
CRASH_POINTS = "crash points"
# Of a whole run, and how pytest is asked for one.
LEAST_CRASH_POINTS = 20_000
WHOLE_RUN = ["tests"]
# A file that is to hold as JSON the cases of the run, by the test's file, and how many tests passed.
CASES_FILE = os.environ.get("CASES_FILE")

# A loaded machine is no finding, and the same commit gives the same answer; campaigns bring their own seed.
settings.register_profile("make-test", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("campaign", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("make-test")

_HERE = Path(__file__).parent
_home_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Cut the run off from the person's own AWS profile, credentials and Holdfast settings; processes inherit that."""
    # A run in the background of a script ignores Ctrl-C, and so would every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith(("AWS_", "HOLDFAST_")):
            del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    }
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            # Started with nohup or in the background of a script: programs under test would inherit the deafness.
            # A handler of one's own, which does as little, is not inherited.
            signal.signal(number, lambda number, frame: None)


@pytest.fixture(scope="session")
def _homes() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="holdfast-test-homes-") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _own_home(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test remembers keys and ledger heads in a place of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(_homes / str(next(_home_numbers))))


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing. Give the machine what this test needs: {reason}"


# Files that wait for processes more than they compute, the longest first: begun last they would run alone at the end.
_LONGEST_FIRST = ("e2e/cli/test_demo", "e2e/permissions", "e2e/campaign", "e2e/product", "e2e/server", "e2e/aws", "e2e")


def _turn(item: pytest.Item) -> int:
    place = item.path.relative_to(_HERE).as_posix()
    return next((at for at, begin in enumerate(_LONGEST_FIRST) if place.startswith(begin)), len(_LONGEST_FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the processes of a run their files in that order (`--no-loadscope-reorder` keeps it)."""
    items.sort(key=_turn)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture
def count_case(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Call it once a case."""
    return _counter(request, CASES)


@pytest.fixture
def count_crash_point(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Call it once an execution that one fault has hit and that was judged: it is a case as well."""
    counters = [_counter(request, name) for name in (CASES, CRASH_POINTS)]

    def count(number: int = 1) -> None:
        for counter in counters:
            counter(number)

    return count


def _counter(request: pytest.FixtureRequest, name: str) -> Callable[..., None]:
    properties = request.node.user_properties
    properties.append((name, 0))
    place = len(properties) - 1

    def count(number: int = 1) -> None:
        properties[place] = (name, properties[place][1] + number)

    return count


def _counted(reporter: pytest.TerminalReporter, what: str) -> dict[str, int]:
    """By the test's file."""
    totals: dict[str, int] = {}
    for reports in reporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == what and getattr(report, "when", "") == "call":
                    file = report.nodeid.split("::")[0]
                    totals[file] = totals.get(file, 0) + value
    return totals


def _lacks_crash_points(config: pytest.Config) -> int:
    """How many a whole run in CI lacks; no other run lacks any, nor does a process of a run that others share."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not IN_CI or config.args != WHOLE_RUN or config.option.keyword or config.option.markexpr:
        return 0
    return max(0, LEAST_CRASH_POINTS - sum(_counted(reporter, CRASH_POINTS).values()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A proof that has shrunk is none."""
    if session.exitstatus == pytest.ExitCode.OK and _lacks_crash_points(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals, crash_points = (_counted(terminalreporter, what) for what in (CASES, CRASH_POINTS))
    if totals:
        terminalreporter.section("cases")
        for file, number in sorted(totals.items()):
            terminalreporter.write_line(f"{number:7,} cases  {file}")
    if crash_points:
        terminalreporter.write_line(f"{sum(crash_points.values()):7,} crash points among them")
    if _lacks_crash_points(terminalreporter.config):
        terminalreporter.write_line(f"too few: {LEAST_CRASH_POINTS:,} is the least of a whole run", red=True)
    if CASES_FILE:
        passed = len(terminalreporter.stats.get("passed", ()))
        Path(CASES_FILE).write_text(json.dumps({"cases": totals, "passed": passed}))
