"""The figures as a picture: CPU by step, one bar a program, the rounds' spread as a line on it."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.contestants import COMPARED, LISTED
from bench.figures import OURS, chosen
from bench.rounds import ORDER, Sample

_COLOURS = {"holdfast": "#0b7285", "restic": "#e8590c", "borg": "#5c940d"}


def draw(samples: Sequence[Sample], title: str, file: Path) -> None:
    """Write a picture of the steps that several programs ran; ours with a list stands beside the others without."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "holdfast"
    from matplotlib import pyplot as plt

    steps = [step for step in ORDER if len({one.contestant.split()[0] for one in samples if one.step == step}) > 1]
    figure, axes = plt.subplots(1, len(steps), figsize=(3 * len(steps), 4), constrained_layout=True, squeeze=False)
    for axis, step in zip(axes[0], steps, strict=True):
        names = sorted({one.contestant for one in samples if one.step == step})
        bars = {name: [one.cpu_seconds for one in chosen(samples, step, name)] for name in names}
        if step == COMPARED:
            bars[f"{OURS}, list"] = [one.cpu_seconds for one in chosen(samples, LISTED, OURS)]
        for at, (name, seconds) in enumerate(bars.items()):
            axis.bar(at, median(seconds), color=_COLOURS[name.split()[0]])
            axis.plot([at, at], [min(seconds), max(seconds)], color="#212529", linewidth=1)
        axis.set_title("incremental" if step == COMPARED else step, fontsize=9)
        axis.set_xticks(range(len(bars)), list(bars), rotation=60, ha="right", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("CPU seconds")
    figure.suptitle(title, fontsize=10)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
