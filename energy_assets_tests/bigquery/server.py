"""A BigQuery server on this machine: ``python -m energy_assets_tests.bigquery.server``.

Prints its addresses as one line of JSON and serves until its standard input is closed, so that it ends with whoever
started it. The server is the package ``local-bigquery``; what is changed of it here, so that it starts without a
network and answers as BigQuery does where the package does not, is one function of ``PATCHES`` each. The package keeps
most of what is changed to itself, so its version is pinned and ``missing_names`` tells when a name has moved.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy_assets_tests.bigquery import catalogue

NEEDS_PYTHON = (3, 13)
"""Oldest Python that the package runs on."""

STARTS_WITHIN = 60.0
"""Seconds in which the server has to be up: it takes one or two, and up to ten on a machine that is busy."""

ENDS_WITHIN = 10.0
"""Seconds that running requests are given at the end."""

USED_NAMES: Mapping[str, Sequence[str]] = {
    "local_bigquery": ("app",),
    "local_bigquery.catalog.metadata": ("save",),
    "local_bigquery.catalog.names": ("fields", "reference"),
    "local_bigquery.catalog.tables": ("create", "RESULTS", "fields", "layout", "load", "name", "update", "write"),
    "local_bigquery.engine.database": (
        "EMULATOR_SCHEMA",
        "_attach",
        "_attached",
        "_connect",
        "execute",
        "fetch",
        "projects",
        "quote",
    ),
    "local_bigquery.errors": ("DUCKDB_ERRORS", "BigQueryError"),
    "local_bigquery.grpc.read": ("_query",),
    "local_bigquery.grpc.server": ("start",),
    "local_bigquery.jobs.merge": ("run",),
    "local_bigquery.jobs.query": ("_declared_schema", "_run"),
    "local_bigquery.jobs.runner": ("submit",),
    "local_bigquery.models": ("JobStatistics2", "Table", "TableFieldSchema"),
    "local_bigquery.settings": ("settings",),
    "local_bigquery.sql.dialect": ("FUNCTIONS", "MACRO"),
    "local_bigquery.sql.native": ("register",),
    "local_bigquery.sql.translate": ("translate",),
    "local_bigquery.sql.rules.information_schema": ("_partitions",),
}
"""Names of the package that are used or replaced here, by module."""

SNAPSHOTS_MOST = RESULTS_MOST = 100
"""Read sessions and results of queries that are kept: more than are ever read at once."""

OWN_DATABASES = ("emulator", "bq", "memory")
"""Databases of the server that are no projects."""

NEEDS_EXTENSION = frozenset({"geography.sql"})
"""Macros that rest on an extension of DuckDB which would have to be downloaded."""

RESERVED = (
    "_partition",
    "_table_",
    "_file_",
    "_row_timestamp",
    "__root__",
    "_colidentifier",
    "_change_type",
    "_change_sequence_number",
    "_change_timestamp",
)
"""Beginnings that BigQuery refuses in a column's name, in any case."""

KEEPS_ALIVE = 600
"""Seconds that an idle connection is kept: longer than any test, whose client would meet the closing half-way."""

CONFLICT = r"TransactionContext Error: (?P<name>.*(?:[Cc]onflict|altered|Failed to commit).*)"
CONFLICT_TEXT = "Transaction is aborted due to concurrent update against a table that it uses"
"""What DuckDB says of two transactions that meet, and what BigQuery does."""

LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Addresses:
    """Where the server listens.

    Attributes:
        rest: Address of the REST API, with scheme.
        storage: ``host:port`` of the Storage API.
    """

    rest: str
    storage: str


def missing_names() -> list[str]:
    """Names that are used here and that the installed package does not have."""
    missing = []
    for module, names in (*USED_NAMES.items(), *catalogue.USED_NAMES.items()):
        try:
            found = importlib.import_module(module)
        except ImportError:
            missing.append(module)
            continue
        missing += [f"{module}.{name}" for name in names if not hasattr(found, name)]
    return missing


def keep_in_memory() -> None:
    """Keep all data in memory, with nothing but what DuckDB has built in.

    The package attaches its projects through extensions of DuckDB that it downloads at the first start.
    """
    import duckdb
    from local_bigquery.engine import database
    from local_bigquery.settings import settings
    from local_bigquery.sql import native
    from local_bigquery.sql.dialect import FUNCTIONS, MACRO

    def attach(connection: duckdb.DuckDBPyConnection, project: str) -> None:
        connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {database.quote(project)}")
        database._attached.add(project)

    @functools.cache
    def connect() -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for setting in (
            "TimeZone = 'UTC'",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
        ):
            connection.execute(f"SET {setting}")
        connection.execute("ATTACH ':memory:' AS emulator")
        connection.execute(database.EMULATOR_SCHEMA)
        connection.execute("ATTACH ':memory:' AS bq")
        native.register(connection)
        for file in FUNCTIONS:
            if file.name not in NEEDS_EXTENSION:
                connection.execute(MACRO.sub(r"CREATE MACRO bq.main.\1", file.read_text()))
        attach(connection, settings.default_project_id)
        default = database.quote(settings.default_project_id, settings.default_dataset_id)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {default}")
        return connection

    def projects() -> list[str]:
        rows = database.fetch("SELECT database_name FROM duckdb_databases() WHERE NOT internal ORDER BY 1")
        return [name for (name,) in rows if name not in OWN_DATABASES]

    database._connect = connect
    database._attach = attach
    database.projects = projects


def give_each_job_id_once() -> None:
    """Let one of several calls with the same job id succeed.

    The package looks whether an id is taken and stores it in two steps, between which another call fits.
    """
    from local_bigquery.jobs import runner

    runner.submit = _one_at_a_time(runner.submit)


def change_tables_one_at_a_time() -> None:
    """Let one of several changes that carry the same etag succeed; the package compares and stores in two steps."""
    from local_bigquery.catalog import metadata, tables

    tables.create = _one_at_a_time(tables.create)
    tables.update = _one_at_a_time(tables.update)
    metadata.save = _one_at_a_time(metadata.save)


def _one_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    lock = threading.RLock()

    @functools.wraps(function)
    def locked(*arguments: Any, **named: Any) -> Any:
        with lock:
            return function(*arguments, **named)

    return locked


def _transaction_is_open(cursor: Any) -> bool:
    """Whether statements of a cursor share a transaction: without one, each has an id of its own."""
    first, second = (cursor.execute("SELECT txid_current()").fetchone() for _ in range(2))
    return bool(first == second)


def merge_in_one_statement() -> None:
    """Let DuckDB do a MERGE, as part of the script's transaction where there is one.

    The package takes it apart into ten statements inside a transaction of their own, which aborts the script's.
    """
    import duckdb
    from local_bigquery.errors import BigQueryError
    from local_bigquery.jobs import merge
    from local_bigquery.models import JobStatistics2
    from local_bigquery.sql.translate import translate

    counted = {"INSERT": "insertedRowCount", "UPDATE": "updatedRowCount", "DELETE": "deletedRowCount"}

    def run(cursor: Any, tree: Any, context: Any) -> Any:
        text, bound = translate(tree, context)
        try:
            actions = Counter(
                action for (action,) in cursor.execute(f"{text} RETURNING merge_action", bound).fetchall()
            )
        except duckdb.InvalidInputException as error:
            if "same target row more than once" not in str(error):
                raise
            raise BigQueryError(
                "invalidQuery", "UPDATE/MERGE must match at most one source row for each target row"
            ) from error
        counts = {name: str(actions[action]) for action, name in counted.items()}
        return JobStatistics2(numDmlAffectedRows=str(actions.total()), dmlStats=counts)

    merge.run = run


def refuse_what_bigquery_refuses() -> None:
    """Refuse reserved column names, labels that are none, and permanent tables made inside a transaction.

    The package takes them all; code that rests on one of them would work here and fail in the cloud.
    """
    from local_bigquery.catalog import names, tables
    from local_bigquery.errors import BigQueryError
    from local_bigquery.jobs import query, runner
    from sqlglot import exp

    def check_names(found: Sequence[str]) -> None:
        for name in found:
            if name.casefold().startswith(RESERVED):
                raise BigQueryError(
                    "invalid",
                    f'Invalid field name "{name}". Field names are not allowed to start with the (case-insensitive) '
                    "prefixes _PARTITION, _TABLE_, _FILE_, _ROW_TIMESTAMP, __ROOT__, _COLIDENTIFIER, _CHANGE_TYPE, "
                    "_CHANGE_SEQUENCE_NUMBER and _CHANGE_TIMESTAMP",
                )

    def check_labels(labels: Mapping[str, str] | None) -> None:
        for key, value in (labels or {}).items():
            # A null removes the label.
            if not LABEL.fullmatch(key) or not LABEL_VALUE.fullmatch(value or ""):
                raise BigQueryError("invalid", f'Invalid label "{key}": "{value}".')

    fields, layout, run, submit = names.fields, tables.layout, query._run, runner.submit
    create, update = tables.create, tables.update

    def checked_fields(schema: Sequence[Any]) -> None:
        fields(schema)
        check_names([field.name or "" for field in schema])

    def checked_layout(columns: Sequence[str], *arguments: Any) -> Any:
        check_names(columns)
        return layout(columns, *arguments)

    def checked_create(project: str, dataset: str, body: Any, *arguments: Any) -> Any:
        check_labels(body.labels)
        return create(project, dataset, body, *arguments)

    def checked_update(project: str, dataset: str, table: str, body: Any, *arguments: Any) -> Any:
        check_labels(body.labels)
        return update(project, dataset, table, body, *arguments)

    def checked_submit(project: str, job: str, configuration: Any, *arguments: Any) -> Any:
        check_labels(configuration.labels)
        return submit(project, job, configuration, *arguments)

    def checked_run(cursor: Any, tree: Any, context: Any, *arguments: Any) -> Any:
        ddl = isinstance(tree, exp.Create | exp.Alter | exp.Drop)
        made = isinstance(tree, exp.Create) and tree.args.get("kind") in ("TABLE", "VIEW")
        # Finding out what a query's columns are called takes long, and no stored column has such a name.
        if made and any(i.name.casefold().startswith(RESERVED) for i in tree.find_all(exp.Identifier)):
            position = context.position
            declared = query._declared_schema(cursor, tree, context)
            context.position = position
            check_names([field.name for field in declared or ()])
        if isinstance(tree, exp.Alter):
            check_names([column.name for column in tree.find_all(exp.ColumnDef)])
        if ddl and not _is_temporary(tree, context) and _transaction_is_open(cursor):
            raise BigQueryError(
                "invalidQuery",
                "DDL statements are not supported in a transaction, except for those creating or dropping temporary "
                "tables or temporary functions.",
            )
        return run(cursor, tree, context, *arguments)

    def _is_temporary(tree: Any, context: Any) -> bool:
        table = tree.find(exp.Table)
        named = table is not None and not table.db and table.name.casefold() in context.temporary
        return named or tree.find(exp.TemporaryProperty) is not None

    names.fields, tables.layout, query._run = checked_fields, checked_layout, checked_run
    tables.create, tables.update, runner.submit = checked_create, checked_update, checked_submit


def count_rows_as_they_are() -> None:
    """Say how many rows a table has now; the package repeats DuckDB's estimate, which deletions do not lower."""
    from local_bigquery.catalog import tables
    from local_bigquery.engine import database

    load = tables.load

    def counted(project: str, dataset: str, table: str) -> Any:
        found = load(project, dataset, table)
        if found.type != "TABLE" or not tables.fields(found):
            return found
        [(rows,)] = database.fetch(f"SELECT count(*) FROM {tables.name(project, dataset, table)}")
        return found.replace(numRows=str(rows))

    tables.load = counted


def read_what_was_there_at_the_start() -> None:
    """Give each reader of a table the rows that it had when the read session was opened.

    The package looks anew for each part of an answer, so that a writer meanwhile makes rows come twice or not at all.
    """
    from local_bigquery.engine import database
    from local_bigquery.grpc import read

    query = read._query
    keep = _keeping(SNAPSHOTS_MOST)

    def snapshot(path: str, options: Any, data_format: Any) -> tuple[str, Any]:
        text, fields = query(path, options, data_format)
        name = database.quote("emulator", "_results", f"read:{uuid.uuid4().hex}")
        database.execute(f"CREATE TABLE {name} AS {text}")
        keep(name)
        return f"SELECT * FROM {name}", fields

    read._query = snapshot


def forget_old_results() -> None:
    """Drop the results of queries that were run long ago.

    The package keeps all of them, and looks through its list of tables several times for each statement.
    """
    from local_bigquery.catalog import tables

    write = tables.write
    keep = _keeping(RESULTS_MOST)

    def kept(cursor: Any, query: str, params: Any, reference: tuple[str, str, str], *rest: Any, **named: Any) -> bool:
        found = write(cursor, query, params, reference, *rest, **named)
        if reference[1] == tables.RESULTS:
            keep(tables.name(*reference))
        return bool(found)

    tables.write = kept


def _keeping(most: int) -> Callable[[str], None]:
    """A function that is told of tables as they are made, and drops those that came before the last so many."""
    from local_bigquery.engine import database

    kept: dict[str, None] = {}
    lock = threading.Lock()

    def keep(name: str) -> None:
        with lock:
            kept[name] = None
            gone = next(iter(kept)) if len(kept) > most else ""
            kept.pop(gone, None)
        if gone:
            database.execute(f"DROP TABLE IF EXISTS {gone}")

    return keep


def tell_conflicts_as_bigquery_does() -> None:
    """Tell of two transactions that meet in BigQuery's words, by which clients know that they may try again."""
    from local_bigquery import errors

    errors.DUCKDB_ERRORS.insert(0, (re.compile(CONFLICT), "invalidQuery", CONFLICT_TEXT))


def list_tables_partitioned_by_number() -> None:
    """The package takes every partition for one of time, and fails to list those of whole numbers."""
    import duckdb
    from local_bigquery.sql.rules import information_schema

    listed = information_schema._partitions

    def partitions(table: Any) -> list[tuple[str | None, int]]:
        try:
            found: list[tuple[str | None, int]] = listed(table)
        except duckdb.BinderException:
            return [(None, int(table.numRows))]
        return found

    information_schema._partitions = partitions


PATCHES: Sequence[Callable[[], None]] = (
    keep_in_memory,
    *catalogue.PATCHES,
    refuse_what_bigquery_refuses,
    give_each_job_id_once,
    change_tables_one_at_a_time,
    merge_in_one_statement,
    count_rows_as_they_are,
    read_what_was_there_at_the_start,
    forget_old_results,
    tell_conflicts_as_bigquery_does,
    list_tables_partitioned_by_number,
)


def serve() -> None:
    """Serve until standard input is closed."""
    missing = missing_names()
    if missing:
        raise SystemExit(f"local-bigquery is not the version that this was written for; it lacks {', '.join(missing)}")
    for patch in PATCHES:
        patch()
    # Each partitioned table is a warning to the package's translator: DuckDB has no partitions.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    import uvicorn
    from local_bigquery import app
    from local_bigquery.engine import database
    from local_bigquery.grpc import server as grpc_server
    from local_bigquery.settings import settings

    with tempfile.TemporaryDirectory(prefix="local-bigquery-") as folder:
        # Uploads are written here before they are loaded.
        settings.data_dir = Path(folder)
        storage, port = grpc_server.start("127.0.0.1", 0)
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            log_level="warning",
            timeout_keep_alive=KEEPS_ALIVE,
            timeout_graceful_shutdown=int(ENDS_WITHIN),
        )
        rest = uvicorn.Server(config)
        thread = threading.Thread(target=rest.run, daemon=True)
        thread.start()
        while not rest.started and thread.is_alive():
            thread.join(0.01)
        host, rest_port = rest.servers[0].sockets[0].getsockname()[:2]
        database.connection()
        line = json.dumps({"rest": f"http://{host}:{rest_port}", "storage": f"127.0.0.1:{port}"})
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        sys.stdin.read()
        rest.should_exit = True
        storage.stop(None)
        thread.join(ENDS_WITHIN)


def absence() -> tuple[str, bool]:
    """Why there is no server here, empty where there is one; and whether tests may be skipped for it.

    Only a Python that is too old excuses, and never where all tests have to run.
    """
    if importlib.util.find_spec("local_bigquery") is not None:
        return "", True
    if sys.version_info < NEEDS_PYTHON:
        version = ".".join(map(str, NEEDS_PYTHON))
        return f"the BigQuery server for tests needs Python {version}; CI has to use it", not os.environ.get("CI")
    return "the package local-bigquery is not installed: pip install -e .[dev]", False


@contextmanager
def running() -> Iterator[Addresses]:
    """A server of its own process, for as long as the context lasts."""
    with subprocess.Popen(
        [sys.executable, "-m", "energy_assets_tests.bigquery.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(STARTS_WITHIN, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            raise RuntimeError(f"the local BigQuery server did not start within {STARTS_WITHIN:.0f} seconds")
        try:
            yield Addresses(**json.loads(line))
        finally:
            process.stdin.close()
            try:
                process.wait(2 * ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    serve()
