"""Faults of the broker on request: what goes wrong, and at which delivery, settlement, attachment or token.

Only which fault strikes when belongs here; what it does to a connection is the business of ``connection`` and
``links``. Faults of the line below AMQP are the business of ``proxy``.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from energy_assets.sandbox.faults import SandboxError

Kind = Literal[
    "reset",
    "close",
    "detach",
    "black_hole",
    "garbage",
    "slow",
    "duplicate",
    "out_of_order",
    "swallow",
    "lock_lost",
    "refuse_attach",
    "refuse_token",
]
"""What goes wrong.

- ``reset``, ``close``, ``detach``: the connection is reset; closed with ``condition``; its consumers' links are
  detached with ``condition``.
- ``black_hole``: nothing is read or written any more, and the connection stays; new ones as well, until it is removed.
- ``garbage``: bytes that are no frame.
- ``slow``: one delivery every ``seconds``.
- ``duplicate``: the message comes into the queue once more, with the same id and a number of its own.
- ``out_of_order``: what is delivered together is shuffled.
- ``swallow``: a settlement is not answered; it is applied where ``applied`` says so.
- ``lock_lost``: a settlement is refused, because its lock had ended.
- ``refuse_attach``: a consumer is refused with ``condition``.
- ``refuse_token``: a token is refused with ``status``; 0 does not answer at all.
"""

Point = Literal["now", "delivery", "settlement", "attach", "token"]
"""Where a fault may strike."""

POINTS: dict[Kind, tuple[Point, ...]] = {
    "reset": ("now", "delivery", "settlement"),
    "close": ("now", "delivery", "settlement"),
    "detach": ("now", "delivery", "settlement"),
    "black_hole": ("now", "delivery", "settlement"),
    "garbage": ("now", "delivery", "settlement"),
    "slow": ("delivery",),
    "duplicate": ("delivery",),
    "out_of_order": ("delivery",),
    "swallow": ("settlement",),
    "lock_lost": ("settlement",),
    "refuse_attach": ("attach",),
    "refuse_token": ("token",),
}
"""Where each may strike. The first is where it does by default; but what befalls a whole connection strikes at
deliveries where it is said how many it lets pass or strikes, and else at once."""

CONDITIONS: dict[str, str] = {
    "not-found": "amqp:not-found",
    "unauthorized": "amqp:unauthorized-access",
    "resource-limit": "amqp:resource-limit-exceeded",
    "server-busy": "com.microsoft:server-busy",
    "entity-disabled": "com.microsoft:entity-disabled",
    "forced": "amqp:connection:forced",
    "detach-forced": "amqp:link:detach-forced",
    "stolen": "amqp:link:stolen",
}
"""Short names of conditions; others are sent as they are given."""

_DEFAULT_CONDITIONS: dict[Kind, str] = {
    "close": "forced",
    "detach": "detach-forced",
    "refuse_attach": "server-busy",
}

ENDS_CONNECTION: tuple[Kind, ...] = ("reset", "close", "detach", "black_hole", "garbage")
"""Faults that befall a connection as a whole."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of misbehaving.

    Attributes:
        kind: What goes wrong.
        on: Where it strikes; empty for the kind's own.
        skip: Occasions that pass unharmed first.
        count: Occasions that it strikes; ``None`` for ever.
        probability: Chance that an occasion is struck.
        condition: Condition of an error: a short name of ``CONDITIONS`` or as AMQP sends it; empty for the kind's own.
        seconds: Interval of ``slow``.
        status: Status of a refused token.
        applied: Whether a swallowed settlement takes effect.
    """

    kind: Kind
    on: Point | Literal[""] = ""
    skip: int = 0
    count: int | None = None
    probability: float = 1.0
    condition: str = ""
    seconds: float = 0.1
    status: int = 401
    applied: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SandboxError(f"there is no fault {self.kind!r}; there are {', '.join(get_args(Kind))}")
        if self.on and self.on not in POINTS[self.kind]:
            raise SandboxError(f"{self.kind} strikes on {' or '.join(POINTS[self.kind])}, not on {self.on!r}")

    @property
    def point(self) -> Point:
        """Where it strikes."""
        counted = self.skip > 0 or self.count is not None or self.probability < 1
        return self.on or ("delivery" if self.kind in ENDS_CONNECTION and counted else POINTS[self.kind][0])

    @property
    def error(self) -> str:
        """The condition as AMQP sends it."""
        name = self.condition or _DEFAULT_CONDITIONS.get(self.kind, "amqp:internal-error")
        return CONDITIONS.get(name, name)


@dataclass(slots=True)
class _Armed:
    fault: Fault
    met: int = 0
    hit: int = 0


class Faults:
    """The faults in force. Belongs to the broker's thread."""

    def __init__(self, seed: int = 0) -> None:
        self._armed: dict[int, _Armed] = {}
        self._next = 1
        self.random = random.Random(seed)

    def add(self, kind: Kind, **options: Any) -> tuple[int, Fault]:  # noqa: ANN401 - each option has its own type
        """Arm a fault; options are the attributes of ``Fault``.

        Returns:
            A number to remove it by, and the fault.

        Raises:
            SandboxError: Unknown kind or option.
        """
        unknown = set(options) - {f.name for f in fields(Fault)}
        if unknown:
            raise SandboxError(f"a fault has no option {', '.join(sorted(unknown))}")
        fault = Fault(kind, **options)
        number = self._next
        self._next += 1
        self._armed[number] = _Armed(fault)
        return number, fault

    def remove(self, number: int) -> None:
        """Disarm one fault; an unknown number is no error, the fault is gone either way."""
        self._armed.pop(number, None)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def listed(self) -> list[dict[str, Any]]:
        """Armed faults with how many occasions each has struck."""
        return [{"id": n, "hit": armed.hit, **asdict(armed.fault)} for n, armed in self._armed.items()]

    def hits(self, point: Point) -> list[Fault]:
        """The faults that strike one occasion, in the order in which they were armed."""
        if not self._armed:
            return []
        return [
            armed.fault
            for armed in self._armed.values()
            if armed.fault.point == point and armed.fault.kind != "out_of_order" and self._strikes(armed)
        ]

    def shuffles(self) -> bool:
        """Whether what is about to be delivered together is shuffled; each call is an occasion."""
        struck = [self._strikes(armed) for armed in self._armed.values() if armed.fault.kind == "out_of_order"]
        return any(struck)

    def swallowing(self) -> bool:
        """Whether connections are black holes."""
        return any(a.fault.kind == "black_hole" and a.fault.point == "now" for a in self._armed.values())

    def _strikes(self, armed: _Armed) -> bool:
        fault = armed.fault
        armed.met += 1
        spent = fault.count is not None and armed.hit >= fault.count
        if armed.met <= fault.skip or spent or self.random.random() >= fault.probability:
            return False
        armed.hit += 1
        return True
