"""The doctor: looks at everything that a user's machine can have, and says for each finding what to do.

The words of findings, and how looks are carried out (each by itself, for a bounded time, whatever becomes of the
others) belong here; the looks are in ``ailments`` and ``ailments_of_data``. Nothing is printed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from energy_assets.errors import EnergyAssetsError

Verdict = Literal["sound", "note", "warning", "error", "unknown", "skipped"]
"""``note``: worth knowing. ``warning``: will become trouble, or may be meant. ``error``: data, or their coming, are not
to be relied upon. ``unknown``: could not be looked at. ``skipped``: was not to be looked at."""

BAD: frozenset[Verdict] = frozenset({"error", "unknown"})
"""Verdicts for which a monitor is to ring."""

LOOK_SECONDS = 60.0
"""Longest look, unless it says otherwise: as long as the checks of a full day of everything may take."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Something safe that mends a finding: it removes nothing that anybody can want and changes no value.

    Attributes:
        says: What will be done, beginning with a verb in the imperative.
        run: Does it; gives what was done, one sentence.
    """

    says: str
    run: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a look came to.

    Attributes:
        verdict: How bad it is.
        text: One sentence.
        remedy: What to do about it; empty where nothing is to be done.
        subject: Stable name of what it is about, as a table or a host, for programs; empty for the look as a whole.
        fix: What ``--fix`` would do.
    """

    verdict: Verdict
    text: str
    remedy: str = ""
    subject: str = ""
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look.

    Attributes:
        name: Its name.
        run: Looks; no diagnosis at all means that everything is sound.
        sound: What is said then.
        seconds: After this long it is given up.
    """

    name: str
    run: Callable[[], Iterable[Diagnosis]]
    sound: str
    seconds: float = LOOK_SECONDS


@dataclass(frozen=True, slots=True)
class Looked:
    """A look that was made.

    Attributes:
        name: Its name.
        diagnoses: What it came to, at least one.
        seconds: How long it took.
    """

    name: str
    diagnoses: tuple[Diagnosis, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of a fix.

    Attributes:
        says: What was to be done.
        done: What was done; empty where it failed.
        error: Why it failed; empty where it did not.
    """

    says: str
    done: str = ""
    error: str = ""


def examine(looks: Sequence[Look]) -> Iterator[Looked]:
    """Make the looks one after another; one that fails or does not end says so and the others go on."""
    for look in looks:
        yield _made(look)


def mend(looked: Sequence[Looked], before: Callable[[Fix], None]) -> list[Fixed]:
    """Carry out the fixes of what was found, each announced before it is begun.

    Args:
        looked: What was found.
        before: Told of each fix before it is begun.
    """
    fixed = []
    for fix in (d.fix for one in looked for d in one.diagnoses if d.fix is not None):
        before(fix)
        try:
            fixed.append(Fixed(fix.says, fix.run()))
        except Exception as error:
            # Whatever a fix dies of, the others are carried out and the report is given.
            fixed.append(Fixed(fix.says, error=str(error) or type(error).__name__))
    return fixed


def bad(looked: Sequence[Looked]) -> bool:
    """Whether anything was found for which a monitor is to ring."""
    return any(d.verdict in BAD for one in looked for d in one.diagnoses)


@dataclass
class _Result:
    diagnoses: list[Diagnosis] = field(default_factory=list)
    error: Exception | None = None


def _made(look: Look) -> Looked:
    began = time.monotonic()
    result = _Result()

    def run() -> None:
        try:
            result.diagnoses.extend(look.run())
        except Exception as error:
            # Whatever a look dies of is its result.
            result.error = error

    # A look that hangs in a library cannot be stopped; as a daemon it does not keep the process.
    thread = threading.Thread(target=run, name=f"doctor-{look.name}", daemon=True)
    thread.start()
    thread.join(look.seconds)
    seconds = time.monotonic() - began
    if thread.is_alive():
        late = Diagnosis(
            "unknown", f"It was given up after {look.seconds:.0f} s.", "Run it again when less is going on."
        )
        return Looked(look.name, (late,), seconds)
    found = tuple(result.diagnoses)
    if result.error is not None:
        found = (*found, _failed(result.error))
    return Looked(look.name, found or (Diagnosis("sound", look.sound),), seconds)


def _failed(error: Exception) -> Diagnosis:
    if isinstance(error, EnergyAssetsError | OSError):
        return Diagnosis("unknown", f"It cannot be looked at: {error}", "The sentence says what stands in the way.")
    text = f"The look itself failed: {type(error).__name__}: {error}"
    return Diagnosis("unknown", text, "Report it with the log; the other looks are not touched by it.")
