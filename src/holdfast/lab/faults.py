"""`--faults SPEC`: what goes wrong in a lab, how often, and in which order.

    SPEC    = ITEM {"," ITEM}
    ITEM    = SERVICE ":" KIND "=" VALUE | "seed=" INTEGER | "pending=" TIME | "iam=" TIME
            | "hidden=" TIME | "quota=" ("on" | "off") | "vcpus=" INTEGER | "boot=" ("always" | "never")
    SERVICE = the name a request is signed for (ebs, s3, ec2, ...), or "*" for every service
    KIND    = throttle | error | cut | lost        VALUE = a probability between 0 and 1
            | slow                                 VALUE = TIME
    TIME    = a number with the unit "ms" or "s"

Whether a request is hit follows from the seed, the method, the path and how often that was asked before: the same
requests meet the same faults in every run, in whatever order threads send them.
"""

import hashlib
import math
import re
import threading
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from holdfast.domain.errors import UsageError

GRAMMAR = (
    "items SERVICE:KIND=VALUE, separated by commas: KIND throttle, error, cut or lost with a probability from 0 to 1, "
    "or slow with a time (200ms, 1.5s); SERVICE ebs, s3, ... or *; besides seed=INTEGER, pending=TIME, iam=TIME, "
    "hidden=TIME, quota=on|off, vcpus=INTEGER, boot=always|never. "
    "Example: ebs:throttle=0.5,s3:error=0.1,ebs:slow=200ms,s3:cut=0.05,s3:lost=0.05,seed=7"
)
DEFAULT_PENDING_SECONDS = 0.2
DEFAULT_VCPUS = 256
DEFAULT_IAM_SECONDS = 0.3
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s)")
_SERVICE = re.compile(r"\*|[a-z][a-z0-9-]*")


class Fault(Enum):
    """What happens to a request instead of its answer."""

    THROTTLE = "throttle"
    ERROR = "error"
    CUT = "cut"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Requests to a service meet a fault with this probability."""

    service: str
    fault: Fault
    probability: float


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """All of a SPEC. `pending_seconds` is how long new things take to become usable, `iam_seconds` how long a change of
    roles and policies takes to become effective, `hidden_seconds` for how long EC2 and IAM do not know what they have
    made. `vcpus` is the quota of an account in a region; without `boots`,
    instances run and never start their user data.
    """

    rules: tuple[FaultRule, ...] = ()
    slow_seconds: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    pending_seconds: float = DEFAULT_PENDING_SECONDS
    quotas: bool = True
    iam_seconds: float = DEFAULT_IAM_SECONDS
    hidden_seconds: float = 0.0
    vcpus: int = DEFAULT_VCPUS
    boots: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What one request meets: a delay before it is looked at, then a fault or None."""

    delay_seconds: float
    fault: Fault | None


def parse_faults(text: str) -> FaultSpec:
    """A SPEC as the user wrote it; UsageError with the grammar where it is none."""
    rules: list[FaultRule] = []
    slow: list[tuple[str, float]] = []
    settings: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        service, colon, kind = name.partition(":")
        if not equals or (not colon and name in settings):
            raise _bad(item)
        if not colon:
            settings[name] = value
        elif not _SERVICE.fullmatch(service):
            raise _bad(item)
        elif kind == "slow":
            slow.append((service, _seconds(item, value)))
        else:
            rules.append(FaultRule(service, _fault(item, kind), _probability(item, value)))
    if unknown := settings.keys() - {"seed", "pending", "iam", "hidden", "quota", "vcpus", "boot"}:
        raise _bad(min(unknown))
    return FaultSpec(
        rules=tuple(rules),
        slow_seconds=tuple(slow),
        seed=_integer("seed", settings.get("seed", "0")),
        pending_seconds=_seconds(text, settings["pending"]) if "pending" in settings else DEFAULT_PENDING_SECONDS,
        quotas=_switch("quota", settings.get("quota", "on"), "on", "off"),
        vcpus=_integer("vcpus", settings.get("vcpus", str(DEFAULT_VCPUS))),
        boots=_switch("boot", settings.get("boot", "always"), "always", "never"),
        iam_seconds=_seconds(text, settings["iam"]) if "iam" in settings else DEFAULT_IAM_SECONDS,
        hidden_seconds=_seconds(text, settings.get("hidden", "0s")),
    )


class FaultPlan:
    """Decides for every request of a lab; safe for threads."""

    def __init__(self, spec: FaultSpec) -> None:
        self.spec = spec
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def decide(self, service: str, method: str, path: str) -> Decision:
        """What the next request of this method to this path meets."""
        if not self.spec.rules and not self.spec.slow_seconds:
            return Decision(0.0, None)
        with self._lock:
            turn = self._seen[service, method, path]
            self._seen[service, method, path] += 1
        delay_seconds = sum(seconds for name, seconds in self.spec.slow_seconds if name in ("*", service))
        for position, rule in enumerate(self.spec.rules):
            if rule.service in ("*", service):
                words = f"{self.spec.seed}|{position}|{rule.fault.value}|{service}|{method}|{path}|{turn}"
                draw = int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") / 2**64
                if draw < rule.probability:
                    return Decision(delay_seconds, rule.fault)
        return Decision(delay_seconds, None)


def _bad(item: str) -> UsageError:
    return UsageError(f"--faults: cannot make out {item!r}", why="it does not follow the grammar", cure=GRAMMAR)


def _fault(item: str, kind: str) -> Fault:
    try:
        return Fault(kind)
    except ValueError:
        raise _bad(item) from None


def _probability(item: str, value: str) -> float:
    try:
        probability = float(value)
    except ValueError:
        raise _bad(item) from None
    if not math.isfinite(probability) or not 0 <= probability <= 1:
        raise _bad(item)
    return probability


def _seconds(item: str, value: str) -> float:
    match = _TIME.fullmatch(value)
    if match is None:
        raise _bad(item)
    return float(match.group(1)) / (1000 if match.group(2) == "ms" else 1)


def _integer(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _bad(f"{name}={value}") from None


def _switch(name: str, value: str, on: str, off: str) -> bool:
    if value not in (on, off):
        raise _bad(f"{name}={value}")
    return value == on
