"""The figures as a picture: CPU by step, one bar a contestant, the rounds' spread as a line on it."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.figures import OURS, chosen
from bench.rounds import ORDER, Sample

_COLOURS = {"holdfast": "#0b7285", "restic": "#e8590c", "borg": "#5c940d"}


def draw(samples: Sequence[Sample], title: str, file: Path) -> None:
    """Write an SVG. Contestants that ran only one step are left to the table."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "holdfast"
    from matplotlib import pyplot as plt

    steps = [step for step in ORDER if len({one.contestant for one in samples if one.step == step}) > 1]
    steps_of: dict[str, set[str]] = {}
    for one in samples:
        steps_of.setdefault(one.contestant, set()).add(one.step)
    names = sorted(name for name, run in steps_of.items() if len(run) > 1)
    figure, axes = plt.subplots(1, len(steps), figsize=(3 * len(steps), 4), constrained_layout=True)
    for axis, step in zip(axes, steps, strict=True):
        for at, name in enumerate(names):
            seconds = [one.cpu_seconds for one in chosen(samples, step, name)]
            if not seconds:
                continue
            colour = _COLOURS[name.split()[0]]
            axis.bar(at, median(seconds), color=colour, alpha=1.0 if name == OURS or "holdfast" not in name else 0.6)
            axis.plot([at, at], [min(seconds), max(seconds)], color="#212529", linewidth=1)
        axis.set_title(step, fontsize=9)
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("CPU seconds")
    figure.suptitle(title, fontsize=10)
    figure.savefig(file, metadata={"Date": None})
