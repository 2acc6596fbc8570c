"""Where the CPU of our own commands goes: every stage's thread time, taken inside the real command line.

Run as a program it is the profiled command: the functions of the stages are wrapped by a clock, then `holdfast` runs.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contestants import CHECK, FULL, LISTED, RESTORE, Holdfast, Place
from bench.measured_process import measure
from bench.volume_image import Images

READ = "read the volume"
START = "start the program"
DERIVE = "derive the key from the password (Argon2id)"
REST = "everything else"

# Stage -> the names through which the data path calls it.
STAGES = {
    DERIVE: ["holdfast.repository.crypto.password:password_key"],
    READ: ["holdfast.images.file_source:FileSource._read_whole"],
    "test for zeros": ["holdfast.repository.writing.volume_writer:is_zero"],
    "hash chunks, new ones and what was opened (BLAKE3)": ["holdfast.repository.crypto.keyed_hash:KeyedHash.of"],
    "look it up in the index": ["holdfast.repository.packs.chunk_index:ChunkIndex.find"],
    "compress (zstd)": ["holdfast.repository.writing.volume_writer:compress"],
    "seal (AES-256-GCM)": ["holdfast.repository.format.pack:ChunkCipher.seal_into"],
    "open (AES-256-GCM)": ["holdfast.repository.format.pack:ChunkCipher.open_into"],
    "decompress (zstd)": ["holdfast.repository.packs.chunk_opening:decompress"],
    "digest of the pack (SHA-256)": ["holdfast.repository.format.pack:digest"],
    "write to the store, flush": ["holdfast.repository.stores.directory:DirectoryStore.create"],
    "read from the store": ["holdfast.repository.stores.directory:DirectoryStore.get"],
    "write the restored volume": ["holdfast.images.file_target:FileTarget.write"],
    "flush the restored volume": ["holdfast.images.file_target:FileTarget.finish"],
}


@dataclass(frozen=True, slots=True)
class Profile:
    """CPU seconds by step and stage."""

    seconds: dict[str, dict[str, float]]

    def table(self) -> str:
        """In Markdown, one column a step."""
        steps = list(self.seconds)
        stages = [stage for stage in (START, *STAGES, REST) if any(self.seconds[step].get(stage) for step in steps)]
        lines = ["| CPU seconds of | " + " | ".join(steps) + " |", "|---|" + "---:|" * len(steps)]
        for stage in stages:
            cells = [self.seconds[step].get(stage) for step in steps]
            lines.append(f"| {stage} | " + " | ".join("" if cell is None else f"{cell:.2f}" for cell in cells) + " |")
        totals = [f"**{sum(self.seconds[step].values()):.2f}**" for step in steps]
        return "\n".join([*lines, "| all | " + " | ".join(totals) + " |"])


def profile(images: Images, folder: Path) -> Profile:
    """Profile a full backup, a restore, a check and an incremental of the image in a repository below `folder`."""
    ours = Holdfast("default")
    place = Place(folder / "profile", images.changed_blocks)
    place.prepare(images.before)
    measure(ours.initialise(place), place.environment(), place.folder)
    seconds = {}
    for step in (FULL, RESTORE, CHECK, LISTED):
        if step == LISTED:
            place.copy_repository()
            place.replace_volume(images.after)
        result = place.folder / "stages.json"
        _program, *words = ours.steps(place)[step]
        environment = place.environment() | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        measure([sys.executable, "-m", "bench.stage_profile", str(result), *words], environment, place.folder)
        seconds[step] = json.loads(result.read_text())
    place.remove()
    return Profile(seconds)


class _Clock:
    """Adds up the CPU time of threads inside each stage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: dict[str, float] = {}
        self.started_seconds = 0.0

    def wrap(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        # Argon2id works on several lanes at once in threads of its own, while nothing else runs.
        clock = time.process_time if stage == DERIVE else time.thread_time

        def timed(*words: Any, **named: Any) -> Any:
            if not self.started_seconds and stage != DERIVE:
                self.started_seconds = time.process_time() - self.seconds.get(DERIVE, 0.0)
            began_seconds = clock()
            try:
                return call(*words, **named)
            finally:
                spent_seconds = clock() - began_seconds
                with self._lock:
                    self.seconds[stage] = self.seconds.get(stage, 0.0) + spent_seconds

        return timed


def _run_profiled(result: Path, words: list[str]) -> None:
    import importlib

    from holdfast.cli.main import main

    clock = _Clock()
    for stage, places in STAGES.items():
        for place in places:
            module, _colon, name = place.partition(":")
            owner: Any = importlib.import_module(module)
            *outer, last = name.split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, last, clock.wrap(stage, getattr(owner, last)))
    sys.argv = ["holdfast", *words]
    try:
        main()
    finally:
        clock.seconds[START] = clock.started_seconds
        clock.seconds[REST] = time.process_time() - sum(clock.seconds.values())
        result.write_text(json.dumps(clock.seconds))


if __name__ == "__main__":
    _run_profiled(Path(sys.argv[1]), sys.argv[2:])
