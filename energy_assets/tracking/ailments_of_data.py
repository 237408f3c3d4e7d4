"""What the doctor looks at in the warehouse: whether it can be used, its tables, doubled rows, repeated samples.

Sums only, no rows. Everything is read; what is mended is mended by a fix. What belongs to the machine is in
``ailments``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

from energy_assets import calendar
from energy_assets.catalogue.derived import TABLES
from energy_assets.catalogue.iris import MESSAGES
from energy_assets.catalogue.model import Dataset, Table
from energy_assets.checks.facts import Question, TableFacts
from energy_assets.checks.held import ask_again
from energy_assets.errors import EnergyAssetsError
from energy_assets.settings import Settings
from energy_assets.tracking.doctor import Diagnosis, Fix, Look
from energy_assets.warehouse.facts import read_facts
from energy_assets.warehouse.interface import Transferable, Warehouse
from energy_assets.warehouse.suspects import Repeated, answers_from_elsewhere, equal_answers, stored

if TYPE_CHECKING:
    from energy_assets.warehouse.bigquery.store import BigQueryWarehouse
    from energy_assets.warehouse.duckdb import DuckDBWarehouse

DAYS = 28
"""Settlement days, today included, on which rows are compared: four of every weekday. Receipts are looked at whole."""

WAREHOUSE_SECONDS = 90.0
"""Longest look at the store: a process that holds the file is waited for and then named, which takes a minute."""

ROWS_SECONDS = 180.0
"""Longest look at rows: sums over four weeks of everything take less on two cores."""


@dataclass(frozen=True)
class Data:
    """What the looks at the warehouse need.

    Attributes:
        settings: Where things are.
        open: Opens the warehouse.
        datasets: Catalogue entries.
        now: The present, aware UTC.
        days: Settlement days, today included, on which rows are compared.
    """

    settings: Settings
    open: Callable[[], Warehouse]
    datasets: Sequence[Dataset]
    now: datetime
    days: int = DAYS

    @property
    def span(self) -> tuple[date, date]:
        """First and last of these days."""
        today = calendar.settlement_day(self.now)
        return today - timedelta(days=self.days - 1), today

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table that the catalogue describes, derived ones and the register of messages included."""
        own = [d.table for d in self.datasets]
        united = [t for table in own if table.unites is not None for t in table.unites.tables]
        return tuple({t.name: t for t in (*own, *united, *TABLES.values(), MESSAGES)}.values())

    @cached_property
    def unusable(self) -> str:
        """Why the store cannot be used, found out once; empty where it can."""
        try:
            if self.settings.warehouse == "bigquery":
                _preflight(self.settings)
            else:
                self.open().answers("Opening the warehouse", lambda place: [])
        except EnergyAssetsError as error:
            return str(error)
        return ""

    @cached_property
    def facts(self) -> Mapping[Dataset, TableFacts]:
        """What rows of these days come to, read once, of every dataset of which anything is held."""
        warehouse = self.open()
        held = cast("Transferable", warehouse).parts().names()
        asked = [d for d in self.datasets if d.table.name in held]
        facts = read_facts(warehouse, [Question.of(d) for d in asked], *self.span)
        return {d: facts[d.table.name] for d in asked}


def looks_into(data: Data, *, offline: bool = False) -> list[Look]:
    """Every look at the warehouse, in the order in which they are told; none of one elsewhere when that is not to be.

    Args:
        data: What the looks need.
        offline: Whether nothing beyond this machine may be asked.
    """
    if offline and data.settings.warehouse == "bigquery" and data.settings.bigquery_emulator_host is None:
        skipped = Diagnosis("skipped", "BigQuery was not asked (--offline).")
        return [Look("warehouse", lambda: [skipped], "")]
    return [
        Look("warehouse", lambda: warehouse_look(data), "It can be used as the settings say.", WAREHOUSE_SECONDS),
        *(
            Look(name, partial(_where_usable, look, data), sound, seconds)
            for name, look, sound, seconds in (
                ("schema", schema_look, "Tables and views are as catalogued.", WAREHOUSE_SECONDS),
                ("duplicates", duplicates_look, "No natural key stands twice.", ROWS_SECONDS),
                ("repeated samples", samples_look, "Every window has an answer of its own.", ROWS_SECONDS),
            )
        ),
    ]


def _where_usable(look: Callable[[Data], Iterator[Diagnosis]], data: Data) -> Iterator[Diagnosis]:
    if data.unusable:
        yield Diagnosis("skipped", "The warehouse cannot be used, as told above.")
        return
    yield from look(data)


def warehouse_look(data: Data) -> Iterator[Diagnosis]:
    """Whether the store can be opened, and on BigQuery project, dataset, location, permissions and billing."""
    if data.unusable:
        yield Diagnosis("error", data.unusable, "Until then nothing can be stored.", "warehouse")
        return
    origin = cast("Transferable", data.open()).parts().origin()
    expected = "sandbox" if data.settings.source_api_label == "SANDBOX" else "provider"
    if origin is not None and origin != expected:
        yield Diagnosis(
            "error",
            f"The warehouse holds rows of a {origin}, and the settings name a {expected}: refreshes will be refused.",
            "Use another ENERGY_ASSETS_HOME, or correct ENERGY_ASSETS_ELEXON_URL.",
            "origin",
        )


def _preflight(settings: Settings) -> None:
    from energy_assets.wiring import open_connection, require_google

    require_google()
    connection = open_connection(settings)
    from energy_assets.warehouse.bigquery.jobs import Jobs
    from energy_assets.warehouse.bigquery.preflight import preflight

    try:
        preflight(Jobs(connection), make=False)
    finally:
        connection.close()


def schema_look(data: Data) -> Iterator[Diagnosis]:
    """Tables that are not ours, lack columns, or are behind the catalogue."""
    warehouse = data.open()
    found = stored(warehouse, data.tables)
    by_name = {t.name: t for t in data.tables}
    for name in found.foreign:
        yield Diagnosis(
            "error",
            f"{name} was not made by energy_assets: its rows have no receipts, and a refresh refuses to write to it.",
            "Rename or drop it, then refresh; `energy-assets adopt` takes over what is sound of older tables.",
            name,
        )
    behind = dict(found.lacking)
    outdated = cast("DuckDBWarehouse | BigQueryWarehouse", warehouse).outdated(data.tables)
    behind |= {t.name: () for t in outdated if t.name not in behind}
    for name, columns in behind.items():
        what = f"lacks {', '.join(columns)}" if columns else "has views or columns of an older catalogue"
        yield Diagnosis(
            "warning",
            f"{name} {what}.",
            "The next refresh that writes to it mends it.",
            name,
            Fix(f"Bring columns and views of {name} up to date.", _preparing(data, by_name[name])),
        )
    for name in found.unknown:
        yield Diagnosis("note", f"{name} is in no catalogue entry any more; its rows stay.", "", name)


def _preparing(data: Data, table: Table) -> Callable[[], str]:
    def prepare() -> str:
        cast("Transferable", data.open()).parts().prepare(table, {})
        return f"{table.name} is as the catalogue describes it."

    return prepare


def duplicates_look(data: Data) -> Iterator[Diagnosis]:
    """Natural keys that stand more than once on a day."""
    for dataset, facts in data.facts.items():
        days = {day: f.repeated for day, f in facts.days.items() if f.repeated}
        if days:
            since, until = min(days), max(days)
            yield Diagnosis(
                "error",
                f"{dataset.table.name}: {sum(days.values()):,} rows repeat the natural key of another, "
                f"{since} to {until}.",
                f"Somebody else wrote to it: delete its rows of these days, then {ask_again(dataset, since, until)}.",
                dataset.table.name,
            )


def samples_look(data: Data) -> Iterator[Diagnosis]:
    """Answers that came for windows far apart, and windows that brought rows of other days: the latest sample repeated.

    A provider that does not know a parameter ignores it and answers with its latest data. Such an answer is refused
    when it is fetched; what was loaded by force, or by an older version, is found here.
    """
    warehouse = data.open()
    by_name = {d.table.name: d for d in data.datasets}
    equal = {r.table: r for r in equal_answers(warehouse, data.datasets)}
    elsewhere = {r.table: r for r in answers_from_elsewhere(warehouse, data.datasets)}
    inside = _rows_outside(data)
    for name in sorted({*equal, *elsewhere, *inside}):
        text = _said(name, equal.get(name), elsewhere.get(name), inside.get(name, 0))
        since, until = _between(equal.get(name), elsewhere.get(name), data.span)
        yield Diagnosis(
            "error",
            text,
            "The provider ignored what it was asked: compare with `energy-assets verify --dataset "
            f"{by_name[name].name}`, drop {name}, then fetch all its days: these by "
            f"{ask_again(by_name[name], since, until)}.",
            name,
        )


def _said(name: str, equal: Repeated | None, elsewhere: Repeated | None, outside: int) -> str:
    parts = []
    if equal is not None:
        answers = "one answer" if equal.answers == 1 else f"{equal.answers:,} answers"
        parts.append(f"{equal.windows:,} windows from {equal.first_utc:%Y-%m-%d} on had {answers}, byte for byte")
    if elsewhere is not None:
        parts.append(f"{elsewhere.windows:,} windows brought rows of days that they cannot hold")
    if outside:
        parts.append(f"{outside:,} rows lie outside the window that brought them, or came again for another one")
    return f"{name}: {'; '.join(parts)}."


def _between(equal: Repeated | None, elsewhere: Repeated | None, span: tuple[date, date]) -> tuple[date, date]:
    known = [r for r in (equal, elsewhere) if r is not None]
    if not known:
        return span
    first, last = min(r.first_utc for r in known), max(r.last_utc for r in known)
    return calendar.settlement_day(first), calendar.settlement_day(last)


def _rows_outside(data: Data) -> dict[str, int]:
    """Rows outside their window, and equal ones of several windows, by table; only tables that have some."""
    sums = {
        d.table.name: sum(f.outside + (0 if d.may_repeat else f.copies) for f in facts.days.values())
        for d, facts in data.facts.items()
        if d.files is None and d.provider != "iris" and not d.is_register
    }
    return {name: n for name, n in sums.items() if n}
