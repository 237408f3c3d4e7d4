"""Which checks there are, and for which datasets each makes sense.

Only what the code location needs to show them: no evaluator, nothing heavy. The evaluators are in ``rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from energy_assets.catalogue.model import Dataset
from energy_assets.checks.expected import rhythm
from energy_assets.checks.facts import bounded_fields
from energy_assets.checks.learned import Profiled, awaited
from energy_assets.checks.model import CheckSpec

RECONCILIATION = CheckSpec(
    "reconciliation", "Every fetched row is accounted for: stored, known, doubled, set aside.", "error"
)
RECEIPTS_AGAINST_ROWS = CheckSpec(
    "receipts_against_rows", "Each day holds exactly the rows that its newest commit left.", "error"
)
UNIQUE_KEY = CheckSpec("unique_key", "No natural key stands more than once on a day.", "error")
IN_WINDOW = CheckSpec("in_window", "Every row lies inside the window that was asked for.", "error")
REPEATED_SAMPLE = CheckSpec("repeated_sample", "No answer came twice for windows that share no bound.", "error")
EXPECTED_PERIODS = CheckSpec(
    "expected_periods", "Every period or publication that is due is there, and every settled window answered.", "error"
)
NULL_RULES = CheckSpec("null_rules", "Columns that always have a value have one.", "error")
BOUNDS = CheckSpec("bounds", "Values lie within what is physically possible.", "warning")
SCHEMA_DRIFT = CheckSpec("schema_drift", "The provider sends the columns that the catalogue knows.", "warning")
FRESHNESS = CheckSpec("freshness", "The newest row is as new as the dataset's own lag lets expect.", "warning")
ROW_COUNT = CheckSpec("row_count", "A settled day has about as many rows as days like it had.", "warning")
QUARANTINE = CheckSpec("quarantine", "Every row could be read.", "warning")

AGREES_WITH_FUELINST = CheckSpec(
    "agrees_with_fuelinst", "Half-hourly generation is the mean of the five-minute values.", "warning"
)
AGREES_WITH_INDO = CheckSpec(
    "agrees_with_indo", "Transmission demand is national demand with pumping, exports and station load.", "warning"
)
AGREES_WITH_NESO = CheckSpec("agrees_with_neso", "National demand is what NESO publishes by itself.", "warning")
AGREES_WITH_API = CheckSpec("agrees_with_api", "A day has as many facts pushed as asked for.", "warning")

AGREES_WITH_ELEXON = CheckSpec(
    "agrees_with_elexon", "Every settlement period for which Elexon counts data points has rows.", "error"
)
LAST_UPDATE = CheckSpec("last_update", "What Elexon says that it has updated was asked for since.", "warning")
"""About every dataset that Elexon lists; not a check of its own in Dagster, but told by the daily look."""

LATENESS = CheckSpec("lateness", "Every publication is there by the time that its own history lets expect.", "warning")
UNUSUAL = CheckSpec("unusual", "Values are like those of days like it, as far as can be learned.", "warning")


def _always(_: Dataset) -> bool:
    return True


def _windowed(dataset: Dataset) -> bool:
    """Whether the provider is asked for windows of it."""
    return dataset.files is None and dataset.provider != "iris" and not dataset.is_register


APPLIES: tuple[tuple[CheckSpec, Callable[[Dataset], bool]], ...] = (
    (RECONCILIATION, _always),
    (RECEIPTS_AGAINST_ROWS, _always),
    (UNIQUE_KEY, _always),
    (IN_WINDOW, lambda d: _windowed(d) and d.check.kind != "none"),
    (REPEATED_SAMPLE, lambda d: _windowed(d) and not d.may_repeat),
    (EXPECTED_PERIODS, _windowed),
    (NULL_RULES, lambda d: any(not f.nullable for f in d.fields)),
    (BOUNDS, lambda d: bool(bounded_fields(d))),
    (SCHEMA_DRIFT, _always),
    (FRESHNESS, lambda d: rhythm(d) is not None),
    (ROW_COUNT, lambda d: d.files is None),
    (QUARANTINE, _always),
    (LATENESS, lambda d: awaited(d) is not None),
    (UNUSUAL, lambda d: Profiled.of(d) is not None),
)
"""Every check that is about one dataset alone, in the order in which they are shown, and when it makes sense."""


def specs_for(dataset: Dataset) -> tuple[CheckSpec, ...]:
    """The checks that make sense for a dataset, in a fixed order."""
    return tuple(spec for spec, applies in APPLIES if applies(dataset))


def cross_specs(dataset: Dataset) -> tuple[CheckSpec, ...]:
    """The checks of a dataset against another."""
    if dataset.provider == "iris":
        return (AGREES_WITH_API,) if _twofold(dataset) else ()
    return CROSS.get(dataset.name, ())


def all_specs(dataset: Dataset) -> tuple[CheckSpec, ...]:
    """Every check of a dataset."""
    return specs_for(dataset) + cross_specs(dataset) + oracle_specs(dataset)


def oracle_specs(dataset: Dataset) -> tuple[CheckSpec, ...]:
    """The checks of a dataset for which the provider is asked what it has."""
    return (AGREES_WITH_ELEXON,) if dataset.provider == "bmrs" and dataset.code in DATA_STATUS else ()


DATA_STATUS = ("BOALF", "BOAV", "BOD", "DISBSAD", "DISEBSP", "DISPTAV", "EBOCF", "FREQ", "ISPSTACK", "NETBSAD", "PN")
"""Datasets whose data points Elexon counts per settlement period (``/data-status/<code>``). It counts those of REMIT by
source, which rows do not tell."""


CROSS: Mapping[str, tuple[CheckSpec, ...]] = {
    "bmrs/fuelhh": (AGREES_WITH_FUELINST,),
    "bmrs/itsdo": (AGREES_WITH_INDO,),
    "bmrs/indo": (AGREES_WITH_NESO,),
}
"""Checks of single datasets against others."""


def _twofold(dataset: Dataset) -> bool:
    """Whether a stream brings, row by row, the facts of a dataset that can be asked for and never rests."""
    unites = dataset.table.unites
    if unites is None or unites.stead is not None or unites.precedence != "row":
        return False
    asked = any(f.origin == "request" for f in unites.other.fields)
    return rhythm(dataset) is not None and unites.other.storage.kind != "snapshot" and not asked
