"""The words of checks: how bad something is, what a check says, what it found.

Plain values only; how findings are made is in the evaluators, what becomes of them in Dagster and in the alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Severity = Literal["info", "warning", "error"]
"""``info``: to be known. ``warning``: to be looked at. ``error``: the data of these days are not to be relied upon."""


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """What a check is, said once for all datasets.

    Attributes:
        name: Name, the same for every dataset.
        says: What is true where it passes, one sentence.
        severity: How bad it is where it fails; a finding may be milder.
        blocking: Whether what depends on the dataset is to wait for it. No check here is: quality is no failed run.
    """

    name: str
    says: str
    severity: Severity
    blocking: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to for one dataset.

    Attributes:
        check: Name of the check.
        dataset: Code of the dataset.
        from_day: First settlement day looked at, or the first at fault; ``None`` where it is not about days.
        to_day: Last such day, inclusive.
        passed: Whether what the check says is true.
        severity: How bad it is where it is not.
        text: One sentence: what, dataset, window, remedy.
        numbers: The figures behind it.
    """

    check: str
    dataset: str
    from_day: date | None
    to_day: date | None
    passed: bool
    severity: Severity
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)
