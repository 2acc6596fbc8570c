"""The lab loads moto when one is built, and says which extra is missing."""

import subprocess
import sys

import pytest

from holdfast.domain.errors import UsageError
from holdfast.domain.extras import how_to_install
from holdfast.lab.listening import parse_listen


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    return done.stdout.strip()


def test_importing_the_lab_loads_none_of_its_extra():
    loaded = python(
        "import sys, holdfast.lab, holdfast.lab.process, holdfast.lab.server, holdfast.wiring.lab\n"
        "print(sorted({'moto', 'flask', 'werkzeug', 'boto3', 'botocore', 'numpy'} & set(sys.modules)))"
    )
    assert loaded == "[]"


@pytest.mark.parametrize("absent", ["moto", "flask"])
def test_missing_extra_is_named(absent):
    told = python(
        f"import sys\nsys.modules[{absent!r}] = None\n"
        "from holdfast.domain.errors import MissingExtraError\nfrom holdfast.lab.process import start_lab\n"
        "try:\n    start_lab()\nexcept MissingExtraError as error:\n    print(error.cure)"
    )
    assert told == how_to_install("lab", sys.executable)


def test_addresses():
    assert parse_listen("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_listen("[::1]:5000") == ("::1", 5000)


@pytest.mark.parametrize("text", ["", ":", "localhost", "localhost:", ":5000", "h:65536", "h:-1", "h:٣"])
def test_what_is_no_address(text):
    with pytest.raises(UsageError, match="--listen"):
        parse_listen(text)
