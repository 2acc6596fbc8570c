"""One step on a repository that has grown, in a process of its own: says what it asked of the store and what it found.

python bench/scale_step.py open|incremental|collect|check|know|own FOLDER CODE [WORKLOAD NUMBER SIZE]
"""

import argparse
import json
import random
import sys
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.virtual_packs import VirtualPacks
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import names
from holdfast.repository.format.places import PackRow, Place
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import Repository, open_repository
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.progress import Silence
from holdfast.repository.scratch import ScratchFile
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_volume
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.wiring.machine import machine_surroundings

CHANGED_BLOCKS = 8
_FILLED_BLOCKS = 64


def volume(workload: str, number: int, size_bytes: int) -> MemoryVolume:
    """A sparse volume of which CHANGED_BLOCKS blocks, spread over all of it, differ in each state."""
    step = size_bytes // BLOCK_SIZE_BYTES // _FILLED_BLOCKS
    seeds = [number if at < CHANGED_BLOCKS else 0 for at in range(_FILLED_BLOCKS)]
    blocks = {at * 5 % _FILLED_BLOCKS * step: _block(f"{workload} {at} {seed}") for at, seed in enumerate(seeds)}
    return MemoryVolume(size_bytes, blocks)


def _block(seed: str) -> bytes:
    """It compresses well, so that ten thousand points fit a machine."""
    return random.Random(seed).randbytes(BLOCK_SIZE_BYTES // 64).ljust(BLOCK_SIZE_BYTES, b"\0")


def incremental(repository: Repository, workload: str, number: int, size_bytes: int) -> BackupReport:
    """The state of that number, as its source tells it against the one before."""
    before = {f"s{number - 1}": volume(workload, number - 1, size_bytes)} if number else {}
    source = MemorySource(volume(workload, number, size_bytes), f"s{number}", before)
    return backup_volume(repository, source, BackupOrder(workload), Silence())


def _knowing(repository: Repository) -> dict[str, object]:
    """Load every index run as a backup would that may, then look chunks up that are known and such that are not."""
    access = repository.access()
    index = ChunkIndex(scratch=repository.surroundings.scratch)
    began = time.process_time()
    ids: list[bytes] = []
    for info in repository.store.list(names.INDEX):
        run = access.read_index_run(info.key)
        index.load(run)
        data = run.rows["id"][run.rows["type"] == CHUNK_TYPE_DATA]
        ids += [chunk.tobytes() for chunk in data[:: max(1, len(data) // 50)]]
    loaded = time.process_time()
    found = sum(index.find(chunk, CHUNK_TYPE_DATA) is not None for chunk in ids)
    known = time.process_time()
    strange = random.Random(1).randbytes(32 * len(ids))
    missed = sum(index.find(strange[at : at + 32], CHUNK_TYPE_DATA) is None for at in range(0, len(strange), 32))
    return {
        "load_seconds": loaded - began,
        "asked": len(ids),
        "found": found,
        "missed": missed,
        "hit_microseconds": (known - loaded) / len(ids) * 1e6,
        "miss_microseconds": (time.process_time() - known) / len(ids) * 1e6,
    }


def _remembering(chunks: int) -> dict[str, object]:
    """As many chunks of its own as a backup that large stores, and the index runs made of them in the end."""
    index, dice = ChunkIndex(scratch=ScratchFile), random.Random(1)
    began = time.process_time()
    for number in range(chunks):
        if number % 32 == 0:
            pack = PackRow(1, bytes(16), dice.randbytes(16))
        index.add(dice.randbytes(32), CHUNK_TYPE_DATA, Place(pack, number % 32, number % 32 << 18, 1 << 18, 1 << 19, 1))
    added = time.process_time()
    rows = sum(len(part) for part, _packs in index.own_rows())
    return {"rows": rows, "add_seconds": added - began, "part_seconds": time.process_time() - added}


def _peak_bytes() -> int:
    """The most memory that this process has had; VmHWM, unlike ru_maxrss, knows nothing of who started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Do it, and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("open", "incremental", "collect", "check", "know", "own"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("code")
    parser.add_argument("workload", nargs="?", default="")
    parser.add_argument("number", nargs="?", type=int, default=0)
    parser.add_argument("size", nargs="?", type=int, default=0)
    options = parser.parse_args()
    counts = RequestCounts()
    said: dict[str, object] = {}
    began = time.perf_counter()
    packs = VirtualPacks.beside(options.folder)
    with machine_surroundings() as surroundings:
        repository = open_repository(CountingStore(packs, counts), Secret(text=options.code.encode()), surroundings)
        said["open_seconds"] = time.perf_counter() - began
        if options.step == "incremental":
            report = incremental(repository, options.workload, options.number, options.size)
            said["method"] = report.method.value
        elif options.step == "collect":
            found = Collection(repository, CollectionOrder(timedelta(0)), Silence(), time.sleep).run()
            said |= {"epoch": found.epoch, "packs": found.packs, "deleted": found.deleted, "merged": found.merged_runs}
        elif options.step == "know":
            said |= _knowing(repository)
        elif options.step == "own":
            said |= _remembering(options.number)
        elif options.step == "check":
            seen = check_repository(repository, None, Silence())
            said |= {"points": seen.points, "packs": seen.packs, "left_over": seen.unreferenced_packs}
            said["damage"] = {one.object: [hurt.workload for hurt in one.hurt] for one in seen.damage}
        else:
            began = time.perf_counter()
            said["points"] = len(list_points(repository))
            said["list_seconds"] = time.perf_counter() - began
    packs.keep()
    said["peak_bytes"] = _peak_bytes()
    print(json.dumps(said | counts.snapshot()))


if __name__ == "__main__":
    main()
