"""Parts of the distribution that are not installed everywhere: how to install one, said alike wherever it is missed."""

import shlex


def how_to_install(extra: str, interpreter: str) -> str:
    """The cure, of the program that `interpreter` runs. By the name alone pip would fetch another project from PyPI."""
    pip = f"{shlex.quote(interpreter)} -m pip install"
    return (
        f"run `{pip} '.[{extra}]'` in a checkout, or `{pip} 'FILE.whl[{extra}]'` with the release's wheel; "
        "the name alone is another project's on PyPI"
    )
