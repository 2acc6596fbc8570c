"""Labs for tests: what `holdfast.lab.process` starts, forked from one process that has imported it all.

Where the start itself is the point, tests call `holdfast.lab.process.start_lab`.
"""

import atexit
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import cast

from holdfast.lab.listening import DEFAULT_LISTEN
from holdfast.lab.process import LabProcess, answering, lab_words
from tests.warm_processes import LABS, Stable


def start_lab(state: Path | None = None, faults: str = "", listen: str = DEFAULT_LISTEN) -> LabProcess:
    """A lab that answers; it ends with this process. Raises as the real one does."""
    words = lab_words(state, faults, listen, attached=True)
    orders, our_orders = os.pipe()
    our_answers, answers = os.pipe()
    try:
        process = _stable().start(words, (orders, answers, 2))
    finally:
        os.close(orders)
        os.close(answers)
    process.stdin, process.stdout = open(our_orders, "w"), open(our_answers)  # noqa: SIM115 - as long as the lab
    return answering(cast("subprocess.Popen[str]", process))


@cache
def _stable() -> Stable:
    """One for all labs of a run."""
    made = Stable(LABS)
    atexit.register(made.close)
    return made
