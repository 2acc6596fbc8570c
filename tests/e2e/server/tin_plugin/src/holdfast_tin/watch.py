"""A service that writes down how it was started, and lives as long as its standard input."""

import os
import sys
from pathlib import Path

words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
mark = Path(words["--token-file"]).with_suffix(".started")
with mark.open("a") as file:
    file.write(f"{os.getpid()}\n")
while os.read(0, 4096):
    pass
