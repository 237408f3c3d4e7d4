"""Settings: environment variables and ``.env``, read here and nowhere else, and only when ``load_settings`` is called.

Names, defaults and limits belong here. What a setting is used for belongs to the part that uses it; choosing objects by
settings belongs to ``wiring``.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import date, time
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from energy_assets.catalogue.model import Profile
from energy_assets.errors import SettingsError

PREFIX = "ENERGY_ASSETS_"
KEY_PREFIX = "BMRS_API_KEY_"
MOST_KEYS = 20

ELEXON_REQUESTS_PER_SECOND = 80.0
"""Elexon publishes no general limit; 120 requests a second were once answered without complaint. A tick of every
dataset is one or two hundred requests each quarter of an hour, so this bounds a short burst and long backfills; 403
quota and 429 answers slow it down further."""

ELEXON_CONCURRENCY = 16
"""Requests in flight: enough to hide 100 ms of latency at the rate above, few enough that sixteen of the largest bodies
(a BOD hour of 6 MB) fit a small machine's disk cache."""

NESO_REQUEST_SECONDS = 1.0
"""NESO asks for at most one request a second to the portal, and may block addresses that ask faster."""

NESO_DATASTORE_SECONDS = 30.0
"""NESO asks for at most two requests a minute to the portal's tables."""

MOST_NESO_SECONDS = 3600.0
"""With an hour between two requests not even the list of packages would be current."""

IRIS_ARCHIVE_REQUESTS_PER_SECOND = 40.0
"""Every message is a request of its own, and no limit is published. Half of what Elexon's API is asked for: an hour of
the busiest stream takes a minute, and a store behind a content network is built for more."""

IRIS_ARCHIVE_CONCURRENCY = 16
"""Requests in flight: enough for the rate above at 400 ms each, as for a blob that the network has not kept."""

MOST_CONCURRENCY = 64
MOST_REQUESTS_PER_SECOND = 200.0

KEEP_BODIES_DAYS = 3
"""A week-end: a fault seen on Monday can be replayed from Friday's bodies."""

MAXIMUM_BYTES_BILLED = 100_000_000_000
"""One query may be charged for 100 GB, about fifty pence. All refreshes of a day together are charged for a few GB, so
a query above this has lost its bounds on the day and would read a whole table."""

PRICE_PER_TIB_GBP = 5.00
"""On-demand list price of 6.25 US dollars a TiB at 0.80 pounds a dollar. Regions have prices of their own and the rate
moves: who wants the bill to the penny sets what their invoice says."""

IRIS_BATCH_SECONDS = {"duckdb": 30, "bigquery": 300}
"""Time that pushed messages gather before they are loaded. BigQuery counts load jobs, 1,500 a table and 100,000 a
project in a day: every 5 minutes is 288 a day, and a fresh staging table for each batch keeps even that off the
tables."""

IRIS_MIN_FREE_GB = 2.0
"""Below this the listener stops receiving: the queue keeps messages for three days, a full disk keeps nothing."""

IRIS_SILENCE_SECONDS = 300
"""A message a second or so is usual over all streams together; five minutes without any look like a dead link."""

IRIS_GIVE_UP_SECONDS = 600
"""Ten minutes without the queue: longer than a failover of the service; a new process then tries with fresh state."""

ALERT_ESCALATE_MINUTES = 60
"""An hour: who was told first has had time to look, and little is lost that a refill does not bring back."""

MOST_ESCALATE_MINUTES = 7 * 24 * 60
"""Longer than a week nobody would call an escalation."""

_SECRET = frozenset(
    {
        "IRIS_CLIENT_SECRET",
        "IRIS_CONNECTION_STRING",
        "ENERGY_ASSETS_ALERT_URLS",
        "ENERGY_ASSETS_ALERT_ESCALATION_URLS",
        "ENERGY_ASSETS_ALERT_HEARTBEAT_URL",
    }
)
_KEYS_INSIDE = frozenset({"sharedaccesskey", "sharedaccesssignature"})
_QUIET = re.compile(r"(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})")
_BETWEEN_URLS = re.compile(r"\s+|,+(?=\s|$|[A-Za-z][A-Za-z0-9+.-]*://)")
_SHEET_ADDRESS = re.compile(r"https://docs\.google\.com/spreadsheets/(?:u/\d+/)?d/([A-Za-z0-9_-]+)(?:[/?#].*)?$")
_SYSTEM_SCHEMAS = ("information_schema", "pg_catalog")


def _address(value: str) -> str:
    """An http(s) address without credentials and without a slash at its end."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("it must hold no user name or password")
    return value.strip().rstrip("/")


def _stand_in(value: str) -> str:
    """An address of a stand-in for BigQuery: credentials are anonymous there, and Google would refuse them."""
    address = _address(value)
    host = urlsplit(address).hostname or ""
    if host == "googleapis.com" or host.endswith(".googleapis.com"):
        raise ValueError("it names Google itself, which is used when this is not set")
    return address


def _loopback(value: str) -> str:
    """An address of a stand-in on this machine, which is written to without credentials."""
    address = _address(value)
    if not _is_loopback(urlsplit(address).hostname or ""):
        raise ValueError("it must be an address of this machine; Google itself is used when this is not set")
    return address


def _spreadsheet(value: object) -> object:
    """A spreadsheet's identifier, which is part of its address as a browser shows it."""
    match = _SHEET_ADDRESS.match(value.strip()) if isinstance(value, str) else None
    return match.group(1) if match else value


def _worksheet(value: str) -> str:
    if value == "Summary":
        raise ValueError("that worksheet is the summary")
    return value


def _host_and_port(value: str, schemes: tuple[str, ...], refusal: str, example: str) -> str:
    """``host:port`` of an address, whose scheme may be left out."""
    scheme, found, rest = value.strip().partition("://")
    parts = urlsplit(f"//{rest if found else value.strip()}")
    if found and scheme not in schemes:
        raise ValueError(refusal)
    if not parts.hostname or parts.port is None or parts.path.rstrip("/") or parts.query or parts.fragment:
        raise ValueError(f"it must name a host and a port, as {example}")
    if parts.username or parts.password:
        raise ValueError("it must hold no user name or password")
    return parts.netloc


def _endpoint(value: str) -> str:
    """``host:port`` of a gRPC server that speaks without encryption, its scheme left out."""
    refusal = "it must be host:port, or begin with http://, because a stand-in speaks without encryption"
    return _host_and_port(value, ("http", "grpc"), refusal, "127.0.0.1:9060")


def _authority(value: str) -> str:
    """An https address without credentials: Azure's library sends the secret there."""
    if urlsplit(value.strip()).scheme != "https":
        raise ValueError("it must begin with https://, because the secret is sent there")
    return _address(value)


def _queue_endpoint(value: str) -> str:
    """``sb://host:port`` of a stand-in for the queue's namespace."""
    refusal = "it must be host:port, or begin with sb://"
    return f"sb://{_host_and_port(value, ('sb', 'amqps'), refusal, 'sb://127.0.0.1:5671')}"


def _absolute(value: Path) -> Path:
    try:
        return value.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("no home folder is known for the user after its ~") from error


def _schema(value: str) -> str:
    if value in _SYSTEM_SCHEMAS:
        raise ValueError("that name belongs to the warehouse itself")
    return value


def _alert_urls(value: object) -> object:
    """Addresses separated by spaces or commas; a comma within one (a list of recipients) is part of it."""
    if not isinstance(value, str):
        return value
    urls = tuple(url for url in _BETWEEN_URLS.split(value) if url)
    for number, url in enumerate(urls, start=1):
        if "://" not in url:
            raise ValueError(f"address number {number} does not begin with a scheme, as slack:// or mailto://")
    return urls


def _heartbeat(value: SecretStr | None) -> SecretStr | None:
    """An http(s) address; who knows it could keep a dead machine looking alive."""
    if value is None:
        return None
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and name a host")
    return value


def _quiet_hours(value: object) -> object:
    """Two wall-clock times, as ``22:00-07:00``."""
    if not isinstance(value, str):
        return value
    match = _QUIET.fullmatch(value.strip())
    try:
        times = tuple(time.fromisoformat(part.zfill(5)) for part in match.groups()) if match else ()
    except ValueError:
        times = ()
    if len(set(times)) != 2:
        raise ValueError("it must be two different times of day, as 22:00-07:00")
    return times


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _day(value: object) -> object:
    """Only ISO 8601: a number would be taken for seconds since 1970."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]
StandIn = Annotated[str, AfterValidator(_stand_in)]
Loopback = Annotated[str, AfterValidator(_loopback)]
SheetId = Annotated[str, BeforeValidator(_spreadsheet), Field(pattern=r"^[A-Za-z0-9_-]{8,100}$")]
Worksheet = Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,100}$"), AfterValidator(_worksheet)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Authority = Annotated[str, AfterValidator(_authority)]
QueueEndpoint = Annotated[str, AfterValidator(_queue_endpoint)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Schema = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"), AfterValidator(_schema)]
AlertUrls = Annotated[tuple[SecretStr, ...], BeforeValidator(_alert_urls)]
QuietHours = Annotated[tuple[time, time] | None, BeforeValidator(_quiet_hours)]
IrisTransport = Annotated[Literal["amqp", "websocket"], BeforeValidator(_lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]


def _setting(name: str, default: Any = None) -> Any:  # noqa: ANN401 - a default of any field's type
    return Field(default, validation_alias=name)


class Settings(BaseSettings):
    """Every setting, checked and frozen.

    Built by ``load_settings`` from variables, or directly by attribute name in code that decides for itself; it never
    looks at the environment of its own accord.

    Attributes:
        home: Folder of everything that is kept; the others lie below it unless they are set.
        warehouse: Which store is used.
        duckdb_path: The warehouse file.
        schema_name: Schema in DuckDB, dataset in BigQuery.
        profile: Which datasets the schedules keep current.
        keep_bodies_days: Days that response bodies stay in the spool.
        log_level: Least severe record that is logged.
        google_cloud_project: Project that BigQuery jobs run in.
        bigquery_location: Location of the BigQuery dataset.
        bigquery_emulator_host: Address of a local stand-in; credentials are anonymous only when it is set.
        bigquery_storage_endpoint: Host and port of the stand-in's storage API.
        bigquery_max_bytes_billed: Bytes above which a query is refused instead of charged for; 0 for no guard.
        bigquery_require_partition_filter: Whether BigQuery refuses queries that do not say which days they want.
        bigquery_price_per_tib_gbp: Price of a TiB billed, for ``energy-assets cost``.
        elexon_url: Base address of the Insights API.
        elexon_requests_per_second: Sustained request rate.
        elexon_concurrency: Requests in flight.
        bmrs_api_keys: Keys to rotate; the API needs none.
        neso_url: Base address of the NESO data portal's actions.
        neso_request_seconds: Least time between two requests for actions and files, over all processes of the home.
        neso_datastore_seconds: The same for requests that read the portal's tables.
        neso_personal_data: Whether columns with data about persons (contacts in the capacity market) are kept.
        iris_archive_url: Base address of the public IRIS archive.
        iris_archive_requests_per_second: Sustained request rate.
        iris_archive_concurrency: Requests in flight.
        iris_drop_dir: Folder into which IRIS messages are written.
        iris_batch_seconds: Time that messages gather before they are loaded; by default as suits the warehouse.
        iris_client_id: Client that may read the queue.
        iris_client_secret: Its secret.
        iris_queue_name: The queue.
        iris_namespace: Service Bus namespace.
        iris_tenant_id: Entra tenant that issues tokens.
        iris_connection_string: In place of the five above.
        iris_secret_expires: Day on which the client's secret ends, to be warned before it.
        iris_transport: AMQP on its own port, or inside web sockets on port 443.
        iris_authority: Address of a stand-in for Entra.
        iris_endpoint: Address of a stand-in for the namespace.
        iris_ca: File of the certificates that the stand-ins are checked against.
        iris_min_free_gb: Free space, in GB of 10⁹ bytes, below which nothing more is received.
        iris_silence_seconds: Time without a message after which the link is taken for dead.
        iris_give_up_seconds: Time without the queue after which the listener ends, for its supervisor to start it anew.
        sheet_id: Spreadsheet that mirrors the status.
        sheet_credentials: Key file of the service account that writes it; without one, application default credentials.
        sheet_worksheet: Worksheet of the rows.
        sheets_url: Address of a stand-in for Google Sheets on this machine; credentials are anonymous only when it is
            set.
        alert_urls: Apprise addresses that are told of every incident; they carry secrets.
        alert_escalation_urls: Further ones that are told of what lasts.
        alert_escalate_minutes: How long it has to last, from when it was first told.
        alert_quiet_hours: Wall-clock times in Europe/London, half-open, between which nobody is told; ``None`` for
            never. The first may be later than the second: the night.
        alert_errors_in_quiet_hours: Whether incidents of severity ``error`` are told all the same.
        alert_heartbeat_url: Address that is asked for while alerts work, so that a watcher elsewhere notices silence.
        metrics_port: Port on loopback at which ``energy-assets metrics`` serves; ``None`` where none is wanted.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, validate_default=True, hide_input_in_errors=True
    )

    home: Folder = _setting("ENERGY_ASSETS_HOME", Path(".energy_assets"))
    warehouse: Literal["duckdb", "bigquery"] = _setting("ENERGY_ASSETS_WAREHOUSE", "duckdb")
    duckdb_path: Folder = Field(
        default_factory=lambda data: data["home"] / "energy.duckdb", validation_alias="ENERGY_ASSETS_DUCKDB_PATH"
    )
    schema_name: Schema = _setting("ENERGY_ASSETS_SCHEMA", "uk_energy_insights")
    profile: Profile = _setting("ENERGY_ASSETS_PROFILE", "all")
    keep_bodies_days: int = Field(KEEP_BODIES_DAYS, ge=0, le=3650, validation_alias="ENERGY_ASSETS_KEEP_BODIES_DAYS")
    log_level: LogLevel = _setting("ENERGY_ASSETS_LOG_LEVEL", "INFO")

    google_cloud_project: str | None = _setting("GOOGLE_CLOUD_PROJECT")
    bigquery_location: str = _setting("ENERGY_ASSETS_BIGQUERY_LOCATION", "europe-west2")
    bigquery_emulator_host: StandIn | None = _setting("BIGQUERY_EMULATOR_HOST")
    bigquery_storage_endpoint: Endpoint | None = _setting("ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT")
    bigquery_max_bytes_billed: int = Field(
        MAXIMUM_BYTES_BILLED, ge=0, le=2**63 - 1, validation_alias="ENERGY_ASSETS_BIGQUERY_MAX_BYTES_BILLED"
    )
    bigquery_require_partition_filter: bool = _setting("ENERGY_ASSETS_BIGQUERY_REQUIRE_PARTITION_FILTER", False)
    bigquery_price_per_tib_gbp: float = Field(
        PRICE_PER_TIB_GBP, ge=0, allow_inf_nan=False, validation_alias="ENERGY_ASSETS_BIGQUERY_PRICE_PER_TIB_GBP"
    )

    elexon_url: Address = _setting("ENERGY_ASSETS_ELEXON_URL", "https://data.elexon.co.uk/bmrs/api/v1")
    elexon_requests_per_second: float = Field(
        ELEXON_REQUESTS_PER_SECOND,
        gt=0,
        le=MOST_REQUESTS_PER_SECOND,
        allow_inf_nan=False,
        validation_alias="ENERGY_ASSETS_ELEXON_REQUESTS_PER_SECOND",
    )
    elexon_concurrency: int = Field(
        ELEXON_CONCURRENCY, ge=1, le=MOST_CONCURRENCY, validation_alias="ENERGY_ASSETS_ELEXON_CONCURRENCY"
    )
    bmrs_api_keys: tuple[SecretStr, ...] = ()

    neso_url: Address = _setting("ENERGY_ASSETS_NESO_URL", "https://api.neso.energy/api/3/action")
    neso_request_seconds: float = Field(
        NESO_REQUEST_SECONDS,
        ge=0,
        le=MOST_NESO_SECONDS,
        allow_inf_nan=False,
        validation_alias="ENERGY_ASSETS_NESO_REQUEST_SECONDS",
    )
    neso_datastore_seconds: float = Field(
        NESO_DATASTORE_SECONDS,
        ge=0,
        le=MOST_NESO_SECONDS,
        allow_inf_nan=False,
        validation_alias="ENERGY_ASSETS_NESO_DATASTORE_SECONDS",
    )

    neso_personal_data: bool = _setting("ENERGY_ASSETS_NESO_PERSONAL_DATA", False)

    iris_archive_url: Address = _setting(
        "ENERGY_ASSETS_IRIS_ARCHIVE_URL", "https://archive.data.elexon.co.uk/iris-archive"
    )
    iris_archive_requests_per_second: float = Field(
        IRIS_ARCHIVE_REQUESTS_PER_SECOND,
        gt=0,
        le=MOST_REQUESTS_PER_SECOND,
        allow_inf_nan=False,
        validation_alias="ENERGY_ASSETS_IRIS_ARCHIVE_REQUESTS_PER_SECOND",
    )
    iris_archive_concurrency: int = Field(
        IRIS_ARCHIVE_CONCURRENCY, ge=1, le=MOST_CONCURRENCY, validation_alias="ENERGY_ASSETS_IRIS_ARCHIVE_CONCURRENCY"
    )
    iris_drop_dir: Folder = Field(
        default_factory=lambda data: data["home"] / "iris", validation_alias="ENERGY_ASSETS_IRIS_DROP_DIR"
    )
    iris_batch_seconds: int = Field(
        default_factory=lambda data: IRIS_BATCH_SECONDS[data["warehouse"]],
        ge=1,
        le=3600,
        validation_alias="ENERGY_ASSETS_IRIS_BATCH_SECONDS",
    )
    iris_client_id: str | None = _setting("IRIS_CLIENT_ID")
    iris_client_secret: SecretStr | None = _setting("IRIS_CLIENT_SECRET")
    iris_queue_name: str | None = _setting("IRIS_QUEUE_NAME")
    iris_namespace: str = _setting("IRIS_NAMESPACE", "elexon-insights-iris")
    iris_tenant_id: str = _setting("IRIS_TENANT_ID", "4203b7a0-7773-4de5-b830-8b263a20426e")
    iris_connection_string: SecretStr | None = _setting("IRIS_CONNECTION_STRING")
    iris_secret_expires: Annotated[date | None, BeforeValidator(_day)] = _setting("IRIS_SECRET_EXPIRES")
    iris_transport: IrisTransport = _setting("ENERGY_ASSETS_IRIS_TRANSPORT", "amqp")
    iris_authority: Authority | None = _setting("ENERGY_ASSETS_IRIS_AUTHORITY")
    iris_endpoint: QueueEndpoint | None = _setting("ENERGY_ASSETS_IRIS_ENDPOINT")
    iris_ca: Folder | None = _setting("ENERGY_ASSETS_IRIS_CA")
    iris_min_free_gb: float = Field(
        IRIS_MIN_FREE_GB, ge=0, allow_inf_nan=False, validation_alias="ENERGY_ASSETS_IRIS_MIN_FREE_GB"
    )
    iris_silence_seconds: int = Field(
        IRIS_SILENCE_SECONDS, ge=1, le=86_400, validation_alias="ENERGY_ASSETS_IRIS_SILENCE_SECONDS"
    )
    iris_give_up_seconds: int = Field(
        IRIS_GIVE_UP_SECONDS, ge=1, le=86_400, validation_alias="ENERGY_ASSETS_IRIS_GIVE_UP_SECONDS"
    )

    sheet_id: SheetId | None = _setting("ENERGY_ASSETS_SHEET_ID")
    sheet_credentials: Folder | None = _setting("ENERGY_ASSETS_SHEET_CREDENTIALS")
    sheet_worksheet: Worksheet = _setting("ENERGY_ASSETS_SHEET_WORKSHEET", "Status")
    sheets_url: Loopback | None = _setting("ENERGY_ASSETS_SHEETS_URL")
    alert_urls: AlertUrls = _setting("ENERGY_ASSETS_ALERT_URLS", ())
    alert_escalation_urls: AlertUrls = _setting("ENERGY_ASSETS_ALERT_ESCALATION_URLS", ())
    alert_escalate_minutes: int = Field(
        ALERT_ESCALATE_MINUTES,
        ge=1,
        le=MOST_ESCALATE_MINUTES,
        validation_alias="ENERGY_ASSETS_ALERT_ESCALATE_MINUTES",
    )
    alert_quiet_hours: QuietHours = _setting("ENERGY_ASSETS_ALERT_QUIET_HOURS")
    alert_errors_in_quiet_hours: bool = _setting("ENERGY_ASSETS_ALERT_ERRORS_IN_QUIET_HOURS", False)
    alert_heartbeat_url: Annotated[SecretStr | None, AfterValidator(_heartbeat)] = _setting(
        "ENERGY_ASSETS_ALERT_HEARTBEAT_URL"
    )
    metrics_port: int | None = Field(None, ge=1, le=65_535, validation_alias="ENERGY_ASSETS_METRICS_PORT")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values come from the caller only, so that an object means the same wherever it is built."""
        return (init_settings,)

    @field_validator("neso_request_seconds", "neso_datastore_seconds")
    @classmethod
    def _polite(cls, value: float, info: ValidationInfo) -> float:
        """A shorter time than the portal asks for is for stand-ins only."""
        least = NESO_REQUEST_SECONDS if info.field_name == "neso_request_seconds" else NESO_DATASTORE_SECONDS
        host = urlsplit(info.data.get("neso_url", "")).hostname or ""
        if value < least and not _is_loopback(host):
            raise ValueError(f"NESO asks for {least:g} seconds or more, and only a stand-in on loopback for less")
        return value

    @property
    def logs_dir(self) -> Path:
        """Folder of the daily log files."""
        return self.home / "logs"

    @property
    def source_api_label(self) -> Literal["BMRS", "SANDBOX"]:
        """Value of ``_source_api`` for rows fetched from ``elexon_url``.

        A loopback address is the sandbox: made-up rows must never be taken for Elexon's.
        """
        return "SANDBOX" if _is_loopback(urlsplit(self.elexon_url).hostname or "") else "BMRS"

    @property
    def neso_label(self) -> Literal["NESO", "SANDBOX"]:
        """Value of ``_source_api`` for rows fetched from ``neso_url``, by the same rule."""
        return "SANDBOX" if _is_loopback(urlsplit(self.neso_url).hostname or "") else "NESO"

    @property
    def iris_archive_label(self) -> Literal["IRIS-ARCHIVE", "SANDBOX"]:
        """Value of ``_source_api`` for rows fetched from ``iris_archive_url``, by the same rule."""
        return "SANDBOX" if _is_loopback(urlsplit(self.iris_archive_url).hostname or "") else "IRIS-ARCHIVE"

    def secrets(self) -> tuple[SecretStr, ...]:
        """Every secret that is set, for redaction."""
        single = (self.iris_client_secret, self.iris_connection_string, self.alert_heartbeat_url)
        shared = _shared_keys(self.iris_connection_string)
        alerts = (*self.alert_urls, *self.alert_escalation_urls)
        return (*self.bmrs_api_keys, *(s for s in single if s is not None), *shared, *alerts)

    def prepare_home(self) -> None:
        """Make the home with its log folder, and the warehouse file's folder.

        Raises:
            SettingsError: One of them cannot be made or written to.
        """
        for variable, folder in (
            ("ENERGY_ASSETS_HOME", self.home),
            ("ENERGY_ASSETS_HOME", self.logs_dir),
            ("ENERGY_ASSETS_DUCKDB_PATH", self.duckdb_path.parent),
        ):
            _make_writable(variable, folder)


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Settings from variables: first those of ``environ``, then those of ``env_file``; an empty one counts as not set.

    Args:
        environ: Variables; the process's environment by default.
        env_file: File of ``NAME=value`` lines that is read if it exists; ``None`` for none.

    Raises:
        SettingsError: A value is wrong, a variable with our prefix is unknown, or the file cannot be read.
    """
    given = given_variables(environ, env_file)
    for sentence in unknown_variables(given).values():
        raise SettingsError(sentence)
    values: dict[str, Any] = {name: given[name] for name in variable_names() & given.keys()}
    keys = (given.get(f"{KEY_PREFIX}{n}") for n in range(1, MOST_KEYS + 1))
    values["bmrs_api_keys"] = tuple(SecretStr(key) for key in dict.fromkeys(keys) if key)
    try:
        return Settings(**values)
    except ValidationError as error:
        # Not chained: the original's text may hold a secret value.
        raise SettingsError(_sentence(error, given)) from None


def given_variables(environ: Mapping[str, str] | None, env_file: Path | None) -> dict[str, str]:
    """Every variable that is set to something, by the rules of ``load_settings``, ours or not.

    Raises:
        SettingsError: The file cannot be read.
    """
    variables = _read_env_file(env_file) | dict(os.environ if environ is None else environ)
    return {name: value.strip() for name, value in variables.items() if value.strip()}


def variable_names() -> frozenset[str]:
    """The variables that are read, besides the numbered keys."""
    return frozenset(str(f.validation_alias) for f in Settings.model_fields.values() if f.validation_alias)


def _read_env_file(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"The settings file {path} cannot be read ({reason}); mend or remove it.") from error
    values: dict[str, str] = {}
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"Line {binding.original.line} of {path} is not NAME=value; mend or remove it.")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def unknown_variables(given: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like ours and are none, each with a sentence that names the nearest one.

    A misspelt variable would leave its default in force without a word.
    """
    known, found = variable_names(), {}
    for name in sorted(given):
        if name.startswith(KEY_PREFIX) and name not in {f"{KEY_PREFIX}{n}" for n in range(1, MOST_KEYS + 1)}:
            found[name] = f"{name} is not a setting; keys are {KEY_PREFIX}1 to {KEY_PREFIX}{MOST_KEYS}."
        if name.upper().startswith(PREFIX) and name not in known:
            ours = sorted(n for n in known if n.startswith(PREFIX))
            nearest = difflib.get_close_matches(name.upper(), ours, n=1, cutoff=0.0)[0]
            found[name] = f"{name} is not a setting; the nearest is {nearest}."
    return found


def _sentence(error: ValidationError, given: Mapping[str, str]) -> str:
    """What is wrong, one clause per setting; values of secrets are left out."""
    # A default that is made from a wrong value is not another mistake.
    details = (d for d in error.errors(include_url=False) if d["type"] != "default_factory_not_called")
    return "; ".join(_clause(detail, given) for detail in details) + "."


def _clause(detail: ErrorDetails, given: Mapping[str, str]) -> str:
    name = str(detail["loc"][0])
    if detail["type"] == "value_error":
        return f"{name} is not usable: {detail['ctx']['error']}"
    if detail["type"] == "string_pattern_mismatch":
        wanted = "it should be lower-case letters, digits and underscores, beginning with a letter, 63 at most"
    else:
        wanted = detail["msg"].replace("Input", "it", 1)
    shown = name in given and name not in _SECRET
    return f"{name} is {given[name]!r}, but {wanted}" if shown else f"{name} is not usable: {wanted}"


def _shared_keys(connection_string: SecretStr | None) -> tuple[SecretStr, ...]:
    """The keys inside a Service Bus connection string, which may be shown without what is around them."""
    if connection_string is None:
        return ()
    parts = (part.partition("=") for part in connection_string.get_secret_value().split(";"))
    return tuple(SecretStr(value) for name, _, value in parts if name.strip().lower() in _KEYS_INSIDE and value)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _make_writable(variable: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits do not tell: the disk may be read-only or full.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SettingsError(
                f"The disk that holds {folder} is full: free space, or set {variable} to a larger disk."
            ) from error
        raise SettingsError(
            f"The folder {folder} cannot be written ({error.strerror}): set {variable} to a place that this user may "
            "write to."
        ) from error
