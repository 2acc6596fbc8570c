"""What a long run is made of: the same tests as every run, with other seeds and for as long as somebody wants."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of proof. A round of it is one pytest run over `tests`, with the environment that `settings` gives for
    the round's seed; rounds follow each other until `share` per cent of the minutes are over and, of an hour's run,
    there were `hourly` cases, of another one as many as its length gives. Rounds that wait more than they compute are
    made `abreast`.
    """

    name: str
    what: str
    cases: str
    share: int
    tests: tuple[str, ...]
    settings: Callable[[int], dict[str, str]]
    options: tuple[str, ...] = ()
    hourly: int = 0
    abreast: int = 1


SECTIONS = (
    Section(
        "kills",
        "kill -9 of the command line, of collections beside backups, of copies, at random moments; real processes",
        "kills",
        30,
        ("tests/faults/test_kill.py", "tests/faults/test_kill_collection.py", "tests/faults/test_kill_copy.py"),
        lambda seed: {"SEED": str(seed)},
        hourly=10_000,
        abreast=3,
    ),
    Section(
        "crash points",
        "each request × all that may befall it: repairs, reinstating, new keys, junk, single writers; once",
        "cases",
        0,
        (
            "tests/faults/test_junk.py",
            "tests/faults/test_reinstating.py",
            "tests/faults/test_rekeying.py",
            "tests/faults/test_repair.py",
            "tests/faults/test_single_writer.py",
        ),
        lambda seed: {"CRASH_POINTS": "all"},
    ),
    Section(
        "histories",
        "operations one after the other, each hit by up to two faults of the store, hours between them",
        "histories",
        10,
        ("tests/faults/test_histories.py",),
        lambda seed: {"HISTORIES": "400", "SEED": str(seed)},
    ),
    Section(
        "state machine",
        "a repository against a dictionary: two writers, collector, deleter, reader; memory, directory, two S3 servers",
        "histories",
        10,
        ("tests/properties/test_repository_machine.py",),
        lambda seed: {"MACHINE_RUNS": "150", "MACHINE_STORES": "all"},
        ("--hypothesis-profile=campaign",),
    ),
    Section(
        "appliances",
        "kill -9 of appliance, worker and server at requests to AWS, a sample of the kill campaign's",
        "kills",
        10,
        ("tests/e2e/campaign",),
        lambda seed: {"CAMPAIGN": f"build/long-run/campaign/{seed}", "KILLS": "2", "SEED": str(seed)},
    ),
    Section(
        "chunks",
        "ten million chunks in 400 index runs: collections, a backup and checks of them; once",
        "chunks",
        0,
        ("tests/e2e/repository/test_many_chunks.py",),
        lambda seed: {"CHUNKS": "10000000"},
    ),
    Section(
        "whole",
        "deployments, workers that are instances, schedules by the clock, a demo that is stopped halfway; once",
        "tests",
        0,
        (
            "tests/e2e/product/test_whole.py",
            "tests/e2e/server/test_whole_deployment.py",
            "tests/e2e/cli/test_demo_stopped.py",
            "tests/e2e/campaign/test_kill_servers.py",
        ),
        lambda seed: {"PRODUCT": "whole"},
    ),
)
