"""Asking a portal of files whether the catalogue is right: what it lists, and one resource of each family.

Uses the same client, lanes and reader as a refresh. Writes nothing but temporary files, prints nothing. Providers that
answer windows are ``verify``'s business.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from energy_assets import calendar
from energy_assets.catalogue.model import Dataset
from energy_assets.catalogue.neso import LEFT_OUT
from energy_assets.errors import EnergyAssetsError, StatusError, TransportError
from energy_assets.ingest.columns import Stamp
from energy_assets.ingest.holdings import family_resources
from energy_assets.ingest.model import Body, Window
from energy_assets.ingest.tables import Part, TableReader, TableReading
from energy_assets.ingest.typed import RefusedBodyError
from energy_assets.sources.neso.client import NesoPortal
from energy_assets.sources.neso.portal import Portal, Resource
from energy_assets.tracking.verify import REPEATED_KEY, Finding, Kind, Verification

FILES_AT_ONCE = 4
"""Resources under way: as many transfers as the client has at once."""

REQUESTS_PER_FILE = 2
"""The portal sends who asks for a file on to its storage."""

TABULAR = frozenset({"CSV", "TSV"})
"""Formats of files that a family could be made of; the portal holds many documents beside them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a verification is going to ask for.

    Attributes:
        files: Files.
        tables: Tables without a file.
        least: Time that the lanes take at least.
    """

    files: int
    tables: int
    least: timedelta


@dataclass(frozen=True, slots=True)
class PortalVerification:
    """What came of a verification.

    Attributes:
        families: One result per family, in the order given.
        new: Tables that the portal lists and no family takes, nor the list of what is left out.
    """

    families: tuple[Verification, ...]
    new: tuple[Resource, ...]

    @property
    def differs(self) -> bool:
        """Whether anything contradicts the catalogue."""
        return bool(self.new) or any(one.verdict == "differs" for one in self.families)


def verify_portal(
    datasets: Sequence[Dataset],
    catalogue: Sequence[Dataset],
    open_portal: Callable[[], NesoPortal],
    now: datetime,
    seconds: tuple[float, float],
    on_expected: Callable[[Expected], None] | None = None,
    on_done: Callable[[Verification], None] | None = None,
) -> PortalVerification:
    """Compare families with what their portal lists and holds.

    Args:
        datasets: Families to be compared.
        catalogue: Every family of the portal: what none of them takes is new.
        open_portal: Opens the portal; called inside an event loop.
        now: The present, aware.
        seconds: Least time between two requests of the lanes: actions and files, tables.
        on_expected: Told once what is going to be asked for.
        on_done: Called with each family's result as soon as it is there.

    Returns:
        Results, and what is new in the packages of the families, or anywhere if all families are compared.

    Raises:
        TransportError: The portal cannot be reached, so nothing could be compared.
        StatusError: It refused to tell what it has.
        ContractError: What it tells is no list of packages.
    """
    return asyncio.run(_Run(datasets, catalogue, now, seconds, on_done).run(open_portal, on_expected))


def newest(resources: Iterable[Resource]) -> Resource | None:
    """The resource to be read of a family: the file that changed last, or the table that was made last.

    Files first, because tables are asked for much more slowly; the newest, because an entry must hold for what comes.
    """
    never = datetime.min.replace(tzinfo=UTC)
    return max(
        resources, key=lambda r: (r.is_file, r.last_modified_utc or never, r.created_utc or never, r.name), default=None
    )


def unclaimed(listed: Portal, catalogue: Sequence[Dataset]) -> tuple[Resource, ...]:
    """Tables that no family takes, and that are not left out knowingly."""
    taken = {r.id for dataset in catalogue for r in family_resources(dataset, listed)}
    return tuple(r for r in listed.resources() if r.id not in taken and _is_tabular(r) and not _is_left_out(r))


def _is_tabular(resource: Resource) -> bool:
    return resource.is_table or (resource.is_file and resource.format.upper() in TABULAR)


def _is_left_out(resource: Resource) -> bool:
    return any(left.holds(resource.package, resource.name) for left in LEFT_OUT)


class _Run:
    """One verification."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        catalogue: Sequence[Dataset],
        now: datetime,
        seconds: tuple[float, float],
        on_done: Callable[[Verification], None] | None,
    ) -> None:
        self._datasets = datasets
        self._catalogue = catalogue
        self._now = now
        self._seconds = seconds
        self._on_done = on_done
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verify")
        self._reader = TableReader()

    async def run(
        self, open_portal: Callable[[], NesoPortal], on_expected: Callable[[Expected], None] | None
    ) -> PortalVerification:
        try:
            async with open_portal() as portal:
                listed = await portal.sweep()
                chosen = [newest(family_resources(d, listed)) for d in self._datasets]
                if on_expected is not None:
                    on_expected(self._expected(chosen))
                with tempfile.TemporaryDirectory(prefix="energy-assets-") as folder:
                    results = await self._compare_all(portal, listed, chosen, Path(folder))
        finally:
            self._thread.shutdown()
            self._reader.close()
        whole = len(self._datasets) == len(self._catalogue)
        packages = {d.files.package for d in self._datasets if d.files is not None}
        new = tuple(r for r in unclaimed(listed, self._catalogue) if whole or r.package in packages)
        return PortalVerification(tuple(results), new)

    def _expected(self, chosen: Sequence[Resource | None]) -> Expected:
        files = sum(r is not None and r.is_file for r in chosen)
        tables = sum(r is not None and not r.is_file for r in chosen)
        portal, datastore = self._seconds
        least = max(files * REQUESTS_PER_FILE * portal, tables * datastore)
        return Expected(files, tables, timedelta(seconds=least))

    async def _compare_all(
        self, portal: NesoPortal, listed: Portal, chosen: Sequence[Resource | None], folder: Path
    ) -> list[Verification]:
        # Tables wait long for their turns and must not hold up the files.
        lanes = {True: asyncio.Semaphore(FILES_AT_ONCE), False: asyncio.Semaphore(1)}

        async def one(number: int, dataset: Dataset, resource: Resource | None) -> Verification:
            comparison = _Comparison(dataset, listed, self._now)
            if resource is None:
                done = comparison.without_resource()
            else:
                async with lanes[resource.is_file]:
                    done = await comparison.of(portal, resource, folder / str(number), self._read)
            if self._on_done is not None:
                self._on_done(done)
            return done

        pairs = zip(self._datasets, chosen, strict=True)
        return list(await asyncio.gather(*(one(n, d, r) for n, (d, r) in enumerate(pairs))))

    async def _read(self, work: Callable[[TableReader], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work, self._reader)


_Read = Callable[[Callable[[TableReader], None]], Awaitable[None]]


class _Comparison:
    """One family, the resource that is read of it, and what was seen."""

    def __init__(self, dataset: Dataset, listed: Portal, now: datetime) -> None:
        self._dataset = dataset
        self._listed = listed
        self._now = now
        self._findings: list[Finding] = []
        self._rows = 0

    def without_resource(self) -> Verification:
        """The result where the portal has nothing of the family."""
        files = self._dataset.files
        assert files is not None  # noqa: S101 - families only
        if files.package not in self._listed.by_slug:
            self._see("package", f"the portal has no package {files.package}")
        else:
            self._see("resource", f"no resource of package {files.package} matches {files.resources!r}")
        return self._result(None, None, None, 0.0)

    async def of(self, portal: NesoPortal, resource: Resource, path: Path, read: _Read) -> Verification:
        """The result after a resource was fetched and read."""
        self._listing(resource)
        begun = asyncio.get_running_loop().time()
        body: Body | None = None
        status: int | None = None
        part = Part.of(resource)
        try:
            if resource.is_file:
                body = (await portal.file(resource, path)).body
            else:
                table = await portal.table(resource, path)
                body = table.body
                part = Part.of(resource, "csv" if table.form == "csv" else "search", table.schema.total)
        except StatusError as error:
            status = error.status
            self._see("status", str(error))
        except TransportError as error:
            self._see("no answer", str(error))
        except EnergyAssetsError as error:
            self._see("type", str(error))
        seconds = asyncio.get_running_loop().time() - begun
        if body is not None:
            whole = body
            await read(lambda reader: self._compare(reader, whole, part))
            status = body.status
        path.unlink(missing_ok=True)
        return self._result(resource, body, status, seconds)

    def _listing(self, resource: Resource) -> None:
        files = self._dataset.files
        known = {k.name: k.id for k in files.known} if files is not None else {}
        if known.get(resource.name, resource.id) != resource.id:
            self._see("resource", f"{resource.name} has another id than when it was last seen", differs=False)

    def _compare(self, reader: TableReader, body: Body, part: Part) -> None:
        window = Window(*calendar.day_bounds_utc(calendar.settlement_day(self._now)))
        stamp = Stamp(window, "verify", self._now, "VERIFY")
        try:
            with reader.read(self._dataset, body.path, part, stamp) as reading:
                self._sound(reading)
        except RefusedBodyError as error:
            self._rows = error.fetched
            self._see(_kind_of(str(error)), str(error))

    def _sound(self, reading: TableReading) -> None:
        self._rows = reading.fetched
        if not reading.fetched:
            self._see("empty", "the file has a header and no rows", differs=False)
        if reading.extra:
            names = ", ".join(f.aliases[0] for f in reading.extra)
            self._see("unknown field", f"columns that come and go: {names}", differs=False)
        if reading.missing:
            self._see("missing field", f"optional columns that the file has not: {', '.join(reading.missing)}", False)
        if reading.duplicate:
            self._see("repeated key", f"{reading.duplicate} rows say nothing else than another", differs=False)
        reasons = Counter(r.partition(": ")[0] for r in reading.quarantine.column("reason").to_pylist())
        for reason, count in reasons.items():
            self._see(_kind_of(reason), f"{count} of {reading.fetched} rows: {reason}")

    def _see(self, kind: Kind, text: str, differs: bool = True) -> None:
        self._findings.append(Finding(kind, text, differs))

    def _result(self, resource: Resource | None, body: Body | None, status: int | None, seconds: float) -> Verification:
        return Verification(
            self._dataset,
            (),
            body.url if body is not None else resource.url if resource is not None else "",
            status,
            self._rows,
            body.size if body is not None else 0,
            seconds,
            tuple(self._findings),
            str(resource) if resource is not None else "",
        )


def _kind_of(reason: str) -> Kind:
    """What a reason that was given for a file or a row is about."""
    if REPEATED_KEY in reason:
        return "repeated key"
    if "header" in reason:
        return "unknown field" if "unknown" in reason else "missing field"
    return "type"
