"""Progress where there is no terminal: few lines, each with amount, rate and remaining time."""

from holdfast.cli.progress_display import BarDisplay, LineDisplay, NotesOnly, _bar


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_line_every_few_seconds():
    clock = Clock()
    lines: list[str] = []
    display = LineDisplay("backing up", lines.append, clock)
    display.total(100 * 1024**2)
    for _ in range(100):
        clock.seconds += 0.11
        display.advance(1024**2)
    assert lines == [
        "backing up: 46.0 MiB of 100.0 MiB (46 %), 9.1 MiB/s, 5.9 s left",
        "backing up: 92.0 MiB of 100.0 MiB (92 %), 9.1 MiB/s, 0.9 s left",
    ]


def test_what_was_done_before_counts_for_the_amount_and_not_for_the_rate():
    clock = Clock()
    lines: list[str] = []
    display = LineDisplay("backing up", lines.append, clock)
    display.total(100 * 1024**2)
    display.skip(60 * 1024**2)
    clock.seconds += 10
    display.advance(20 * 1024**2)
    assert lines == ["backing up: 80.0 MiB of 100.0 MiB (80 %), 2.0 MiB/s, 10.0 s left"]


def test_a_bar_has_what_is_left_to_do():
    with _bar() as bar:
        display = BarDisplay(bar, "backing up")
        display.skip(5)
        assert not bar.tasks[0].total
        display.total(100)
        display.skip(60)
        display.advance(20)
        assert (bar.tasks[0].completed, bar.tasks[0].total) == (20, 40)


def test_no_end_known():
    clock = Clock()
    lines: list[str] = []
    display = LineDisplay("backing up", lines.append, clock)
    display.total(None)
    clock.seconds += 10
    display.advance(1024**3)
    assert lines == ["backing up: 1.0 GiB, 102.4 MiB/s"]


def test_time_that_stands_still_and_nothing_to_do():
    clock = Clock()
    lines: list[str] = []
    display = LineDisplay("checking", lines.append, clock)
    display.total(0)
    display.advance(0)
    clock.seconds += 10
    display.total(10)
    display.advance(20)
    assert lines == ["checking: 20 B of 10 B (200 %), 0 B/s"]


def test_each_total_begins_anew():
    clock = Clock()
    lines: list[str] = []
    display = LineDisplay("verifying", lines.append, clock)
    for total_bytes in (1024, 2048):
        display.total(total_bytes)
        clock.seconds += 8
        display.advance(1024)
    assert lines == ["verifying: 1.0 KiB of 1.0 KiB (100 %), 128 B/s, 0.0 s left",
                     "verifying: 1.0 KiB of 2.0 KiB (50 %), 128 B/s, 8.0 s left"]  # fmt: skip


def test_notes_are_always_shown():
    lines: list[str] = []
    for display in (LineDisplay("x", lines.append, Clock()), NotesOnly(lines.append)):
        display.total(5)
        display.advance(5)
        display.note("a word")
    assert lines == ["note: a word", "note: a word"]
