"""Progress of many points as that of one long operation."""

from holdfast.repository.progress import Progress


class RunProgress:
    """Told by the work on one point after the other, it tells its listener about all of them; each note once."""

    def __init__(self, listener: Progress, total_bytes: int) -> None:
        self._listener = listener
        self._left_bytes = 0
        self._noted: set[str] = set()
        listener.total(total_bytes)

    def begin(self, size_bytes: int) -> None:
        """The work on a point of that size begins; whatever the one before left open is passed over."""
        self.finish()
        self._left_bytes = size_bytes

    def finish(self) -> None:
        """The work on a point has ended, perhaps early."""
        self._listener.advance(self._left_bytes)
        self._left_bytes = 0

    def total(self, size_bytes: int | None) -> None:
        """Of one volume: not passed on."""

    def advance(self, size_bytes: int) -> None:
        """Passed on, up to the point's size."""
        self._listener.advance(self._step(size_bytes))

    def skip(self, size_bytes: int) -> None:
        """The same."""
        self._listener.skip(self._step(size_bytes))

    def note(self, text: str) -> None:
        """Passed on, unless it was before."""
        if text not in self._noted:
            self._noted.add(text)
            self._listener.note(text)

    def _step(self, size_bytes: int) -> int:
        step = min(size_bytes, self._left_bytes)
        self._left_bytes -= step
        return step
