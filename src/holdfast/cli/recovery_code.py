"""What is said of a recovery code: it is shown once, and where that came to nothing, another one is to be made."""

import shlex

from holdfast.cli.interruption import LAST_WORDS
from holdfast.cli.voice import Voice, say


def before_it_is_made(url: str) -> None:
    """From here on who interrupts is told what may stand without a code that anybody has seen."""
    word = shlex.quote(url)
    LAST_WORDS.set(
        f"see `holdfast repository key list {word}`; for a recovery code that stands there and was not shown "
        f"`holdfast repository key add {word} --recovery` makes another one"
    )


def after_it_was_shown(voice: Voice, url: str, apart_from: str) -> None:
    """Where it was: keep it. Where standard output did not take it: what was done stands, and nobody has the code."""
    if voice.was_heard:
        LAST_WORDS.set("it is done; the recovery code was shown, and is stored nowhere")
        say(f"keep the recovery code apart from {apart_from}: it is shown once and stored nowhere")
        return
    say(
        "the recovery code was not shown, and nobody has it; all else is done, and not to be done again: "
        f"`holdfast repository key add {shlex.quote(url)} --recovery` makes another one"
    )
