"""What the doctor looks at on the machine: settings, credentials, network, clock, disk, folders, runs, leftovers.

Each look is a function that yields what it found; nothing is changed but by a fix. What is held is looked at in
``ailments_of_data``.
"""

from __future__ import annotations

import json
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import urlsplit

from energy_assets.errors import SettingsError
from energy_assets.ingest.spool import Spool
from energy_assets.settings import Settings
from energy_assets.sources.iris.dropfolder import GIGABYTE
from energy_assets.sources.iris.heartbeat import LONGEST_SILENCE, read_state
from energy_assets.tracking.doctor import Diagnosis, Fix, Look, Verdict
from energy_assets.tracking.incidents import Condition
from energy_assets.tracking.orchestrator import Orchestrated
from energy_assets.tracking.overview import warehouse_bytes
from energy_assets.tracking.watch import calendar_conditions, credential_conditions, disk_conditions, existing

REACH_SECONDS = 5.0
"""Longest wait for a host: one that takes longer is of no use to a refresh that asks a hundred times."""

NETWORK_SECONDS = 20.0
"""Longest look at all hosts together, names that do not resolve included."""

CLOCK_WARNING = timedelta(seconds=30)
"""A clock that is kept by the network is off by milliseconds; at half a minute it is kept by nobody."""

CLOCK_ERROR = timedelta(minutes=5)
"""From here on windows are asked for too early or too late, and Google and Azure refuse what is signed."""

WAL_WARNING_BYTES = 1_000_000_000
"""DuckDB folds the log into the file at 64 MB and at every close; so much of it was left by crashes."""

LEFT_BEHIND = timedelta(hours=1)
"""Age from which a half-made file is nobody's any more: copying a file of hundreds of GB takes less."""

TOO_LATE_STATUS = 500
"""HTTP statuses from here on are the host's own trouble; any below shows that it is there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host said.

    Attributes:
        name: What it is, for people.
        host: Its name.
        status: HTTP status, or ``None`` where only a connection was tried.
        error: Why it was not reached; empty where it was.
        ahead: How far this machine's clock is ahead of the host's, where the host told its own.
    """

    name: str
    host: str
    status: int | None = None
    error: str = ""
    ahead: timedelta | None = None


@dataclass(frozen=True)
class Machine:
    """What the looks at the machine need.

    Attributes:
        given: Variables that are set to something, ours or not.
        unknown: Those that look like ours and are none, each with a sentence.
        settings: Settings without the unknown ones.
        env_file: File that variables were read from; need not exist.
        dagster_home: Folder of Dagster's instance; ``None`` where none is ready.
        orchestrated: Reads what the instance knows.
        now: The present, aware UTC.
        offline: Whether nothing beyond this machine may be asked.
    """

    given: Mapping[str, str]
    unknown: Mapping[str, str]
    settings: Settings
    env_file: Path
    dagster_home: Path | None
    orchestrated: Callable[[Path], Orchestrated]
    now: datetime
    offline: bool = False

    @cached_property
    def known(self) -> Orchestrated | None:
        """What Dagster's instance knows, read once; ``None`` where there is no instance."""
        return self.orchestrated(self.dagster_home) if self.dagster_home is not None else None

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What every host said, asked once and all at a time."""
        asked = list(_hosts(self.settings))
        with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
            return tuple(pool.map(lambda call: call(), asked))


def looks_at(machine: Machine) -> list[Look]:
    """Every look at the machine, in the order in which they are told."""
    return [
        Look("settings", lambda: settings_look(machine), "Every variable is known, and none contradicts another."),
        Look("credentials", lambda: credentials_look(machine), "What is set is complete and does not end soon."),
        Look("network", lambda: network_look(machine), "Every host answers.", NETWORK_SECONDS),
        Look("clock", lambda: clock_look(machine), "The clock agrees with the providers'.", NETWORK_SECONDS),
        Look("disk", lambda: disk_look(machine.settings), "There is enough space."),
        Look("folders", lambda: folders_look(machine), "Folders can be written, and all parts use the same ones."),
        Look("runs", lambda: runs_look(machine), "No run is stuck."),
        Look("daemon", lambda: daemon_look(machine), "Dagster's daemon is alive."),
        Look("leftovers", lambda: leftovers_look(machine.settings, machine.now), "Nothing was left behind."),
    ]


# Settings and credentials.


def settings_look(machine: Machine) -> Iterator[Diagnosis]:
    """Unknown variables, and settings that cannot be meant together."""
    for name, sentence in machine.unknown.items():
        yield Diagnosis("error", sentence, f"Correct or remove {name}: every command refuses to start.", name)
    for names, text, remedy in _contradictions(machine):
        yield Diagnosis("warning", text, remedy, names)
    secrets = [s.get_secret_value() for s in machine.settings.secrets()]
    if secrets and _holds_openly(machine.env_file, secrets):
        yield Diagnosis(
            "warning",
            f"{machine.env_file} holds secrets and can be read by other users.",
            f"`chmod 600 {machine.env_file}`.",
            str(machine.env_file),
            Fix(f"Take {machine.env_file} away from other users' eyes.", lambda: _closed(machine.env_file)),
        )


def _contradictions(machine: Machine) -> Iterator[tuple[str, str, str]]:
    given, settings = machine.given.keys(), machine.settings
    if settings.warehouse == "duckdb" and (named := _named(given, "BIGQUERY_EMULATOR_HOST", "ENERGY_ASSETS_BIGQUERY_")):
        yield (
            named,
            f"{named} is set and the warehouse is DuckDB.",
            "Set ENERGY_ASSETS_WAREHOUSE=bigquery, or unset it.",
        )
    if settings.warehouse == "bigquery" and "ENERGY_ASSETS_DUCKDB_PATH" in given:
        name = "ENERGY_ASSETS_DUCKDB_PATH"
        yield name, f"{name} is set and the warehouse is BigQuery.", "Unset it, unless copies between the two are made."
    labels = {settings.source_api_label, settings.neso_label, settings.iris_archive_label}
    if "SANDBOX" in labels and len(labels) > 1:
        yield (
            "ENERGY_ASSETS_ELEXON_URL",
            "Some providers are stand-ins on this machine and some are real: the warehouse refuses to mix their rows.",
            "Set ENERGY_ASSETS_ELEXON_URL, ENERGY_ASSETS_NESO_URL and ENERGY_ASSETS_IRIS_ARCHIVE_URL all to stand-ins, "
            "with a home of its own, or unset them all.",
        )
    if settings.iris_connection_string is not None and "IRIS_CLIENT_ID" in given:
        yield (
            "IRIS_CONNECTION_STRING",
            "IRIS_CONNECTION_STRING and IRIS_CLIENT_ID are both set; the string is used.",
            "Unset the one that is not meant.",
        )
    if settings.sheet_credentials is not None and settings.sheet_id is None:
        name = "ENERGY_ASSETS_SHEET_CREDENTIALS"
        yield name, f"{name} is set and no sheet is named.", "Set ENERGY_ASSETS_SHEET_ID to the sheet's address."
    if "DAGSTER_HOME" in given and machine.dagster_home is None:
        yield (
            "DAGSTER_HOME",
            f"DAGSTER_HOME is {machine.given['DAGSTER_HOME']}, where no dagster.yaml is: runs and daemon go unseen.",
            "Name the folder of the instance (`make run` makes one in the home), or unset it.",
        )
    named = _named(given, "ENERGY_ASSETS_ALERT_ESCALAT", "ENERGY_ASSETS_ALERT_QUIET_HOURS")
    if named and not settings.alert_urls:
        yield named, f"{named} is set and nobody is told of alerts.", "Set ENERGY_ASSETS_ALERT_URLS."


def _named(given: Iterable[str], *beginnings: str) -> str:
    """The first variable with one of these beginnings; empty where there is none."""
    return next((name for name in sorted(given) if name.startswith(beginnings)), "")


def credentials_look(machine: Machine) -> Iterator[Diagnosis]:
    """What is set in part, cannot be read, or ends soon; secrets are never shown."""
    settings = machine.settings
    if any(name.startswith("IRIS_") and name != "IRIS_SECRET_EXPIRES" for name in machine.given):
        from energy_assets.sources.iris.connection import connection_of

        try:
            connection_of(settings)
        except SettingsError as error:
            yield Diagnosis("error", str(error), "Without it `energy-assets iris listen` does not start.", "iris")
    for condition in credential_conditions(settings.iris_secret_expires, machine.now.date()):
        yield _of_condition(condition, "iris secret")
    if settings.bmrs_api_keys:
        yield Diagnosis("note", "BMRS_API_KEY_… is set; the Insights API needs no key.", "", "bmrs keys")
    if settings.sheet_credentials is not None:
        yield from _key_file(settings.sheet_credentials)


def _of_condition(condition: Condition, subject: str) -> Diagnosis:
    """The doctor's word for what the alerts would tell."""
    verdict: Verdict = "error" if condition.severity == "error" else "warning"
    return Diagnosis(verdict, condition.text, condition.remedy, subject)


def _key_file(path: Path) -> Iterator[Diagnosis]:
    name = "ENERGY_ASSETS_SHEET_CREDENTIALS"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        text = f"{name} names {path}, which cannot be used ({reason})."
        yield Diagnosis("error", text, "Name the key file of a service account.", "sheet")
        return
    if not isinstance(content, dict) or not {"client_email", "private_key"} <= content.keys():
        text = f"{path} is no key file of a service account."
        yield Diagnosis("error", text, "Make one in Google's console, under IAM, service accounts.", "sheet")
    if _open_to_others(path):
        yield Diagnosis(
            "warning",
            f"{path} is a key and can be read by other users.",
            f"`chmod 600 {path}`.",
            "sheet",
            Fix(f"Take {path} away from other users' eyes.", lambda: _closed(path)),
        )


def _holds_openly(path: Path, secrets: Iterable[str]) -> bool:
    """Whether others may read a file that has one of the secrets in it."""
    if not path.is_file() or not _open_to_others(path):
        return False
    text = path.read_text(errors="replace")
    return any(secret in text for secret in secrets)


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _closed(path: Path) -> str:
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return f"{path} can be read by its owner only."


# Network and clock.


def network_look(machine: Machine) -> Iterator[Diagnosis]:
    """Whether every host that the settings need can be reached."""
    if machine.offline:
        yield Diagnosis("skipped", "Nothing beyond this machine was asked (--offline).")
        return
    for answer in machine.answers:
        if answer.error:
            remedy = "Check the network, the proxy (HTTPS_PROXY) and the address in the settings."
            yield Diagnosis("error", f"{answer.name} at {answer.host}: {answer.error}.", remedy, answer.host)
        elif answer.status is not None and answer.status >= TOO_LATE_STATUS:
            text = f"{answer.name} at {answer.host} answers {answer.status}."
            yield Diagnosis(
                "warning", text, "The provider has trouble; refreshes try again by themselves.", answer.host
            )


def clock_look(machine: Machine) -> Iterator[Diagnosis]:
    """This machine's clock against those of the hosts that answered, and how far the calendar reaches."""
    for condition in calendar_conditions(machine.now.date()):
        yield _of_condition(condition, "calendar")
    if machine.offline:
        yield Diagnosis("skipped", "No provider was asked for the time (--offline).")
        return
    told = sorted(a.ahead for a in machine.answers if a.ahead is not None)
    if not told:
        yield Diagnosis("unknown", "No host told the time.", "See the findings of the network.")
        return
    # The middle one: a host's own clock, or a cache before it, may be wrong.
    ahead = told[len(told) // 2]
    if abs(ahead) >= CLOCK_WARNING:
        word = "ahead of" if ahead > timedelta(0) else "behind"
        text = f"This machine's clock is {abs(ahead).total_seconds():.0f} s {word} the providers'."
        remedy = "Let the system keep its clock by the network (`timedatectl set-ntp true`)."
        yield Diagnosis("error" if abs(ahead) >= CLOCK_ERROR else "warning", text, remedy)


def _hosts(settings: Settings) -> Iterator[Callable[[], Answer]]:
    """A call for each host that the settings need."""
    by_url = {
        "Elexon's API": settings.elexon_url,
        "NESO's portal": settings.neso_url,
        "the IRIS archive": settings.iris_archive_url,
    }
    if settings.warehouse == "bigquery":
        by_url["BigQuery"] = settings.bigquery_emulator_host or "https://bigquery.googleapis.com"
    if settings.sheet_id is not None:
        by_url["Google Sheets"] = settings.sheets_url or "https://sheets.googleapis.com"
    yield from (partial(_ask, name, url) for name, url in by_url.items())
    from energy_assets.sources.iris.connection import connection_of

    try:
        namespace = connection_of(settings).address.namespace
    except SettingsError:
        # Nothing is set, or the look at credentials tells what is wrong with it.
        return
    default = 443 if settings.iris_transport == "websocket" else 5671
    queue = urlsplit(settings.iris_endpoint or f"sb://{namespace}")
    yield lambda: _connect("the IRIS queue", queue.hostname or "", queue.port or default)
    if settings.iris_connection_string is None:
        authority = urlsplit(settings.iris_authority or "https://login.microsoftonline.com")
        yield lambda: _connect("Entra", authority.hostname or "", authority.port or 443)


def _ask(name: str, url: str) -> Answer:
    import httpx

    from energy_assets.sources.http import user_agent

    host = urlsplit(url).netloc
    try:
        began = time.time()
        headers = {"User-Agent": user_agent()}
        with httpx.stream("GET", url, timeout=REACH_SECONDS, headers=headers) as response:
            middle = (began + time.time()) / 2
            return Answer(name, host, response.status_code, "", _ahead(response.headers.get("date"), middle))
    # A proxy of the environment that is no address, or of a kind that is not supported, is no fault of ours.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as error:
        return Answer(name, host, error=f"not reached ({str(error) or type(error).__name__})")


def _ahead(told: str | None, at: float) -> timedelta | None:
    """How far a moment of this machine's clock is ahead of the time that a host told then."""
    try:
        moment = parsedate_to_datetime(told) if told else None
    except ValueError:
        return None
    return None if moment is None else datetime.fromtimestamp(at, tz=UTC) - moment.astimezone(UTC)


def _connect(name: str, host: str, port: int) -> Answer:
    try:
        with socket.create_connection((host, port), timeout=REACH_SECONDS):
            return Answer(name, f"{host}:{port}")
    except OSError as error:
        return Answer(name, f"{host}:{port}", error=f"not reached ({error.strerror or error})")


# Disk and folders.


def disk_look(settings: Settings) -> Iterator[Diagnosis]:
    """Free space where things are kept, and a log that DuckDB should have folded in."""
    seen = set()
    for folder in (settings.home, settings.duckdb_path.parent, settings.iris_drop_dir, Path(tempfile.gettempdir())):
        there = existing(folder)
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        for condition in disk_conditions(folder, shutil.disk_usage(there).free):
            yield _of_condition(condition, str(folder))
    wal = settings.duckdb_path.with_name(f"{settings.duckdb_path.name}.wal")
    if wal.exists() and (size := wal.stat().st_size) > WAL_WARNING_BYTES:
        text = f"DuckDB's log {wal} holds {size / GIGABYTE:.1f} GB that are not in the file yet."
        yield Diagnosis("warning", text, "The next refresh that ends well folds it in; do not delete it.", str(wal))


def folders_look(machine: Machine) -> Iterator[Diagnosis]:
    """Whether folders can be written, and whether all parts of the system use the same ones."""
    settings = machine.settings
    if not settings.home.is_dir():
        yield Diagnosis("note", f"{settings.home} is not there yet: the first command that writes makes it.")
        return
    folders = {"ENERGY_ASSETS_HOME": settings.home, "ENERGY_ASSETS_DUCKDB_PATH": settings.duckdb_path.parent}
    if settings.iris_drop_dir.is_dir():
        folders["ENERGY_ASSETS_IRIS_DROP_DIR"] = settings.iris_drop_dir
    if machine.dagster_home is not None:
        folders["DAGSTER_HOME"] = machine.dagster_home
    for variable, folder in folders.items():
        if reason := _not_writable(folder):
            remedy = f"Give this user the right to write there, or set {variable} to another place."
            yield Diagnosis("error", f"{folder} ({variable}) cannot be written: {reason}.", remedy, variable)
    drop = settings.iris_drop_dir
    if drop.is_dir() and drop.stat().st_dev != settings.home.stat().st_dev:
        yield Diagnosis(
            "warning",
            f"The drop folder {drop} is on another file system than the home: their space runs out apart.",
            "Keep both on one disk, or watch both.",
            "ENERGY_ASSETS_IRIS_DROP_DIR",
        )
    yield from _other_places(machine)


def _other_places(machine: Machine) -> Iterator[Diagnosis]:
    """Signs that another part of the system was started with other settings."""
    settings = machine.settings
    usual = settings.home / "iris"
    if usual != settings.iris_drop_dir and (state := read_state(usual)) is not None:
        alive = state.beat.event != "stopped" and machine.now - state.beat.utc <= LONGEST_SILENCE
        text = f"A listener {'writes' if alive else 'has written'} to {usual}, and ENERGY_ASSETS_IRIS_DROP_DIR is "
        remedy = "Give both the same setting, then load what is there: `energy-assets iris load` with that folder."
        yield Diagnosis("error" if alive else "warning", f"{text}{settings.iris_drop_dir}.", remedy, str(usual))
    if machine.dagster_home is not None:
        other = machine.dagster_home.parent / "energy.duckdb"
        if settings.warehouse == "duckdb" and other.exists() and other.resolve() != settings.duckdb_path.resolve():
            yield Diagnosis(
                "warning",
                f"Dagster's home lies beside the warehouse {other}, and this command uses {settings.duckdb_path}.",
                "Start Dagster and commands with the same ENERGY_ASSETS_HOME, as an absolute path.",
                "DAGSTER_HOME",
            )
    if "ENERGY_ASSETS_HOME" not in machine.given and machine.dagster_home is not None:
        text = f"ENERGY_ASSETS_HOME is not set, so the home is {settings.home} only in this folder."
        remedy = "Set it to an absolute path where several processes have to agree."
        yield Diagnosis("note", text, remedy, "ENERGY_ASSETS_HOME")


def _not_writable(folder: Path) -> str:
    """Why a folder cannot be written; permission bits do not tell, because the disk may be read-only or full."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)) as probe:
            probe.write(b"\0")
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


# Dagster.


def runs_look(machine: Machine) -> Iterator[Diagnosis]:
    """Runs that wait or go on for longer than any should."""
    known = machine.known
    if known is None:
        yield Diagnosis("skipped", "There is no Dagster instance here.")
        return
    for run in known.stuck(machine.now):
        hours = (machine.now - run.changed) / timedelta(hours=1)
        text = f"Run {run.run_id} of {run.job} is {run.state} for {hours:.0f} hours."
        remedy = f"See it at /runs/{run.run_id} in Dagster's UI; terminate it there, what it has written stays."
        yield Diagnosis("error", text, remedy, run.run_id)


def daemon_look(machine: Machine) -> Iterator[Diagnosis]:
    """Whether anything is started by itself."""
    known = machine.known
    if known is None:
        yield Diagnosis("skipped", "There is no Dagster instance here.")
        return
    silent = known.silent(machine.now)
    if not silent:
        return
    beats = [d.beat_utc for d in known.daemons if d.beat_utc is not None]
    remedy = "Start it with `make run`, or `dagster-daemon run` under a supervisor."
    if not beats:
        yield Diagnosis("warning", f"Dagster's daemon was never started in {known.home}.", remedy, "daemon")
        return
    names = ", ".join(d.name for d in silent)
    text = f"Dagster's daemon ({names}) last beat at {max(beats):%Y-%m-%d %H:%MZ}: nothing is refreshed by itself."
    yield Diagnosis("error", text, remedy, "daemon")


# What was left behind.


def leftovers_look(settings: Settings, now: datetime) -> Iterator[Diagnosis]:
    """Downloads of dead processes, half-made copies of the warehouse, and what a restore has replaced."""
    spool = Spool(settings.home / "spool", settings.keep_bodies_days)
    if dead := spool.left_behind():
        yield Diagnosis(
            "warning",
            f"{len(dead)} {'folder' if len(dead) == 1 else 'folders'} of downloads belong to processes that are gone.",
            "The next refresh removes them.",
            "spool",
            Fix(f"Remove the downloads of dead processes in {settings.home / 'spool'}.", lambda: _swept(spool)),
        )
    half = settings.duckdb_path.with_name(f"{settings.duckdb_path.name}.restoring")
    if half.exists() and now.timestamp() - half.stat().st_mtime > LEFT_BEHIND.total_seconds():
        yield Diagnosis(
            "warning",
            f"{half} is what a restore that was interrupted had copied.",
            "Restore again, or remove it.",
            str(half),
            Fix(f"Remove {half}.", lambda: _removed(half)),
        )
    kept = settings.duckdb_path.with_name(f"{settings.duckdb_path.name}.replaced")
    if kept.exists():
        size = warehouse_bytes(kept) / GIGABYTE
        text = f"{kept} is the warehouse that a restore has replaced ({size:.1f} GB)."
        yield Diagnosis("note", text, "Remove it when it is not wanted any more.", str(kept))


def _swept(spool: Spool) -> str:
    # Not what was kept: how long it is kept may be set otherwise where refreshes run.
    return f"{spool.clear_left_behind()} files removed."


def _removed(path: Path) -> str:
    path.unlink(missing_ok=True)
    return f"{path} removed."
