"""From samples to figures: medians, ratios paired by round, and whether each goal is met."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.contestants import CHECK, COMPARED, FULL, LISTED, RESTORE
from bench.rounds import ORDER, Sample

MEBIBYTE = 1 << 20
PACK_BYTES = 16 * MEBIBYTE
OURS, FAST, RESTIC, BORG = "holdfast default", "holdfast fast", "restic auto", "borg zstd,3"

Figure = Callable[[Sample], float]


def cpu_seconds(sample: Sample) -> float:
    """User and system time."""
    return sample.cpu_seconds


def wall_seconds(sample: Sample) -> float:
    """Time that passed."""
    return sample.wall_seconds


def stored_bytes(sample: Sample) -> float:
    """Growth of the repository."""
    return float(sample.stored_bytes)


def chosen(samples: Sequence[Sample], step: str, contestant: str) -> list[Sample]:
    """One contestant's samples of one step, by round."""
    found = [sample for sample in samples if sample.step == step and sample.contestant == contestant]
    return sorted(found, key=lambda sample: sample.round)


def ratio(
    samples: Sequence[Sample], step: str, above: str, below: str, figure: Figure, below_step: str | None = None
) -> float | None:
    """The median over the rounds of above/below within one round; None where one of them has no such step."""
    pairs = zip(chosen(samples, step, above), chosen(samples, below_step or step, below), strict=False)
    ratios = [figure(first) / figure(second) for first, second in pairs]
    return median(ratios) if ratios else None


def table(samples: Sequence[Sample]) -> str:
    """Medians of every step and contestant in Markdown, with the CPU as a ratio to ours."""
    lines = [
        "| step | program | CPU s | wall s | peak MiB | stored MB | CPU against holdfast default |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for step in ORDER:
        for contestant in dict.fromkeys(
            sample.contestant for sample in sorted(samples, key=lambda one: one.contestant)
        ):
            rows = chosen(samples, step, contestant)
            if not rows:
                continue
            against = ratio(samples, step, contestant, OURS, cpu_seconds)
            stored = median(row.stored_bytes for row in rows)
            lines.append(
                f"| {step} | {contestant} | {median(row.cpu_seconds for row in rows):.2f} "
                f"| {median(row.wall_seconds for row in rows):.2f} "
                f"| {median(row.peak_bytes for row in rows) / MEBIBYTE:.0f} "
                f"| {f'{stored / 1e6:.1f}' if step in (FULL, LISTED, COMPARED) else ''} "
                f"| {'' if against is None else f'{against:.2f} ×'} |"
            )
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of a figure, and what it came to. `at_least` tells in which direction better lies."""

    text: str
    limit: float
    at_least: bool
    measured: float | None

    @property
    def met(self) -> bool:
        """Whether the measured value keeps the limit."""
        return self.measured is not None and (
            self.measured >= self.limit if self.at_least else self.measured <= self.limit
        )


def goals(samples: Sequence[Sample]) -> list[Goal]:
    """Every goal that these samples can tell."""

    def least(text: str, limit: float, measured: float | None) -> Goal:
        return Goal(text, limit, True, measured)

    def most(text: str, limit: float, measured: float | None) -> Goal:
        return Goal(text, limit, False, measured)

    def of(step: str, above: str, below: str, figure: Figure, below_step: str | None = None) -> float | None:
        return ratio(samples, step, above, below, figure, below_step)

    def puts(step: str) -> float | None:
        found = [
            (sample.requests["put"] - 10) / max(sample.stored_bytes / PACK_BYTES, 1)
            for sample in chosen(samples, step, OURS)
            if sample.requests
        ]
        return max(found, default=None)

    peaks = [sample.peak_bytes / MEBIBYTE for sample in samples if sample.contestant == OURS]
    return [
        least("full backup: CPU of restic auto / holdfast default", 2.0, of(FULL, RESTIC, OURS, cpu_seconds)),
        most("full backup: bytes of holdfast default / restic auto", 1.02, of(FULL, OURS, RESTIC, stored_bytes)),
        most("full backup: CPU of holdfast default / borg", 1.0, of(FULL, OURS, BORG, cpu_seconds)),
        most("full backup: bytes of holdfast default / borg", 1.06, of(FULL, OURS, BORG, stored_bytes)),
        least("full backup: CPU of restic auto / holdfast fast", 2.3, of(FULL, RESTIC, FAST, cpu_seconds)),
        most("full backup: bytes of holdfast fast / restic auto", 1.08, of(FULL, FAST, RESTIC, stored_bytes)),
        most("full backup: wall of holdfast default / restic auto", 1.0, of(FULL, OURS, RESTIC, wall_seconds)),
        most("full backup: wall of holdfast default / borg", 1.0, of(FULL, OURS, BORG, wall_seconds)),
        least(
            "2 % incremental: CPU of restic auto / holdfast with a list (wanted at 4 GiB)",
            10.0,
            of(COMPARED, RESTIC, OURS, cpu_seconds, LISTED),
        ),
        most("restore: CPU of holdfast / restic", 0.75, of(RESTORE, OURS, RESTIC, cpu_seconds)),
        most("restore: CPU of holdfast / borg", 0.5, of(RESTORE, OURS, BORG, cpu_seconds)),
        most("restore: wall of holdfast / restic", 1.0, of(RESTORE, OURS, RESTIC, wall_seconds)),
        most("check with data: CPU of holdfast / restic", 0.75, of(CHECK, OURS, RESTIC, cpu_seconds)),
        most("peak memory of any step, MiB", 256.0, max(peaks, default=None)),
        *(most(f"{step}: PUTs beyond 10, per 16 MiB stored", 1.1, puts(step)) for step in (FULL, LISTED, COMPARED)),
    ]


def goals_table(found: Sequence[Goal]) -> str:
    """The goals in Markdown."""
    lines = ["| goal | wanted | measured | |", "|---|---:|---:|---|"]
    for goal in found:
        measured = "not measured" if goal.measured is None else f"{goal.measured:.2f}"
        wanted = f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        lines.append(f"| {goal.text} | {wanted} | {measured} | {'met' if goal.met else '**missed**'} |")
    return "\n".join(lines)
