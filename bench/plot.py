"""The figures as a picture: CPU by step, one bar a program, the rounds' spread as a line on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.contestants import COMPARED, LISTED
from bench.figures import OURS, chosen
from bench.rounds import ORDER, Sample

_COLOURS = {"holdfast": "#0b7285", "restic": "#e8590c", "borg": "#5c940d"}


Bars = Mapping[str, Sequence[float]]


def draw(samples: Sequence[Sample], title: str, file: Path) -> None:
    """Write a picture of the steps that several programs ran; ours with a list stands beside the others without."""
    panels: dict[str, Bars] = {}
    for step in ORDER:
        names = sorted({one.contestant for one in samples if one.step == step})
        if len({name.split()[0] for name in names}) > 1:
            bars = {name: [one.cpu_seconds for one in chosen(samples, step, name)] for name in names}
            if step == COMPARED:
                bars[f"{OURS}, list"] = [one.cpu_seconds for one in chosen(samples, LISTED, OURS)]
            panels["incremental" if step == COMPARED else step] = bars
    draw_panels(panels, title, file)


def draw_panels(panels: Mapping[str, Bars], title: str, file: Path) -> None:
    """Write a picture with a panel for each step: by program the CPU seconds of its rounds."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "holdfast"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(3 * len(panels), 4), constrained_layout=True, squeeze=False)
    for axis, (step, bars) in zip(axes[0], panels.items(), strict=True):
        for at, (name, seconds) in enumerate(bars.items()):
            axis.bar(at, median(seconds), color=_COLOURS[name.split()[0]])
            axis.plot([at, at], [min(seconds), max(seconds)], color="#212529", linewidth=1)
        axis.set_title(step, fontsize=9)
        axis.set_xticks(range(len(bars)), list(bars), rotation=60, ha="right", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("CPU seconds")
    figure.suptitle(title, fontsize=10, wrap=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
