"""One reusable buffer a thread: fresh large buffers cost more (page faults) than the cipher that fills them."""

import threading

_local = threading.local()
_LEAST_BYTES = 1 << 20


def scratch(size_bytes: int) -> memoryview:
    """This thread's buffer, cut to `size_bytes`; what stands in it is lost at the next call."""
    buffer: bytearray | None = _local.__dict__.get("buffer")
    if buffer is None or len(buffer) < size_bytes:
        buffer = _local.buffer = bytearray(max(size_bytes, _LEAST_BYTES))
    return memoryview(buffer)[:size_bytes]
