"""What a block of an EBS snapshot costs to fetch: from the lab, on loopback, signed, its checksum checked; over plain
HTTP and over TLS.

Run as a program it is one side of that: `write IMAGE` makes a snapshot and prints its id, `read ID` fetches its blocks.
The lab, and what speaks TLS in front of it, are processes of their own, so their CPU is not in the figures.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.contestants import Place
from bench.measured_process import measure
from bench.tls_front import CERTIFICATE
from bench.volume_image import Images

GOAL_MILLISECONDS = 0.6


@dataclass(frozen=True, slots=True)
class BlockCost:
    """CPU and wall time of fetching `blocks` blocks of 512 KiB. `sha256_seconds` is what their checksums alone cost."""

    blocks: int
    cpu_seconds: float
    sha256_seconds: float
    wall_seconds: float

    @property
    def cpu_milliseconds(self) -> float:
        """CPU of one block."""
        return self.cpu_seconds / self.blocks * 1000


@dataclass(frozen=True, slots=True)
class BlockCosts:
    """The same blocks over plain HTTP and over TLS."""

    plain: BlockCost
    tls: BlockCost

    def sentence(self) -> str:
        """For the page."""
        tls = self.tls
        return (
            f"{tls.blocks} blocks were fetched over TLS with {tls.cpu_milliseconds:.2f} ms of CPU each "
            f"(goal: at most {GOAL_MILLISECONDS} ms), {tls.sha256_seconds * 1000 / tls.blocks:.2f} of it "
            f"for the SHA-256 that AWS asks for; {tls.blocks / tls.wall_seconds:.0f} blocks a second. "
            f"Over plain HTTP they took {self.plain.cpu_milliseconds:.2f} ms each."
        )


def measure_blocks(images: Images, folder: Path) -> BlockCosts:
    """Make a snapshot of the image in a lab and fetch every block of it, in either way."""
    place = Place(folder / "ebs", images.changed_blocks)
    place.prepare(images.before)
    program = [str(Path(sys.executable).parent / "holdfast"), "lab", "run", "--output", "json", "--no-progress"]
    lab = subprocess.Popen(program, cwd=place.folder, env=place.environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert lab.stdout is not None
        environment = place.environment() | {
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "AWS_ENDPOINT_URL": _endpoint(lab),
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        ourselves = [sys.executable, "-m", "bench.ebs_blocks"]
        written = measure([*ourselves, "write", str(images.before)], environment, place.folder)
        read = [*ourselves, "read", written.output.strip()]
        plain = measure(read, environment, place.folder)
        with _tls_in_front(environment, place.folder) as secured:
            tls = measure(read, secured, place.folder)
    finally:
        lab.terminate()
        lab.wait()
    place.remove()
    return BlockCosts(BlockCost(**json.loads(plain.output)), BlockCost(**json.loads(tls.output)))


@contextmanager
def _tls_in_front(environment: dict[str, str], folder: Path) -> Iterator[dict[str, str]]:
    """The environment of who speaks TLS to its endpoint."""
    place = urlsplit(environment["AWS_ENDPOINT_URL"])
    words = [str(folder), str(place.hostname), str(place.port)]
    front = subprocess.Popen(
        [sys.executable, "-m", "bench.tls_front", *words], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert front.stdout is not None
        port = int(front.stdout.readline())
        yield environment | {
            "AWS_ENDPOINT_URL": f"https://localhost:{port}",
            "AWS_CA_BUNDLE": str(folder / CERTIFICATE),
        }
    finally:
        front.terminate()
        front.wait()


def _endpoint(lab: "subprocess.Popen[str]") -> str:
    """From the document that the lab prints once it answers."""
    text = ""
    assert lab.stdout is not None
    for line in lab.stdout:
        text += line
        if line.rstrip() == "}" or line.rstrip().endswith("}"):
            break
    endpoint: str = json.loads(text)["endpoint"]
    return endpoint


def _write(image: Path) -> None:
    from holdfast.aws.location import open_target
    from holdfast.images.file_source import FileSource

    source, target = FileSource(image), open_target("ebs:")
    target.begin(source.size_bytes)
    for block, data in source.read(source.allocated()):
        target.write(block.number * len(data), data)
    print(target.finish()["snapshot_id"])


def _read(snapshot_id: str) -> None:
    from holdfast.aws.location import open_source

    source = open_source(f"ebs:{snapshot_id}")
    references = list(source.allocated())
    began_seconds, began_cpu_seconds = time.monotonic(), time.process_time()
    blocks, sha256_seconds = 0, 0.0
    for _block, data in source.read(references):
        blocks += 1
        hash_began_seconds = time.thread_time()
        hashlib.sha256(data)
        sha256_seconds += time.thread_time() - hash_began_seconds
    cost = BlockCost(
        blocks=blocks,
        # The hash was computed once more to know what it costs.
        cpu_seconds=time.process_time() - began_cpu_seconds - sha256_seconds,
        sha256_seconds=sha256_seconds,
        wall_seconds=time.monotonic() - began_seconds,
    )
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    {"write": lambda word: _write(Path(word)), "read": _read}[sys.argv[1]](sys.argv[2])
