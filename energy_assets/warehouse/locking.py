"""Who may hold the DuckDB file, and for how long.

DuckDB lets one process write, or several read, and refuses everyone else at once. This module turns that into waiting:
writers queue at a lock file that the operating system frees when a process dies, readers pass through it on their way
in, nobody keeps the file while idle, and a wait that lasts too long names the process that holds it. No SQL belongs
here besides the connection's settings.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from energy_assets.errors import WarehouseBusyError, WarehouseError

log = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
"""Longest wait for the file. A refresh gives it up every few seconds, so a longer hold is a forgotten session."""

IMPATIENT_SECONDS = 1.0
"""Longest wait after a wait that was in vain, until the file was had again: a hundred datasets must not each wait a
minute."""

POLL_SECONDS = 0.02
"""Between two tries to get in; opening takes about as long."""

MAX_HOLD_SECONDS = 5.0
"""After this long a busy process lets others in between two operations; closing and opening cost about 0.1 s."""

PAUSE_SECONDS = 0.1
"""How long it then stays out: several times the poll of those who wait, so that they get their turn."""

IDLE_SECONDS = 1.0
"""An open session that does nothing for this long (it waits for a provider) gives the file up until its next
operation."""

SHOWN_ARGUMENTS = 3
"""Words of a holder's command line that are shown: enough for ``python -m dagster``, too few to reach a secret."""

SHOWN_CHARACTERS = 60
"""Of each such word: a program's path, not a program passed as an argument."""

_LOCKED = "Could not set lock on file"
_OTHER_CONFIG = "different configuration than existing connections"
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


class Holder:
    """This process's hold on one database file, shared by all its threads and warehouse objects.

    ``turn`` is what a writing thread holds for its whole operation. ``facts`` is where warehouse objects keep what they
    read of the file; it is emptied whenever the file is opened, because others may have changed it meanwhile.

    Args:
        path: The database file.
        settings: DuckDB settings of every connection; fixed for the process, because DuckDB shares one instance.
        wait_seconds: Longest wait for another process.
    """

    def __init__(self, path: Path, settings: Mapping[str, str | int], wait_seconds: float = WAIT_SECONDS) -> None:
        self.path = path
        self.turn = threading.RLock()
        self._settings = dict(settings)
        self._wait_seconds = wait_seconds
        self._patience = wait_seconds
        self._condition = threading.Condition()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._writable = False
        self._gate: FileLock | None = None
        self._users = 0
        self._sessions = 0
        self._writers = 0
        self._changing = False
        self._broken = False
        self._write_wanted = 0
        self._opened = 0.0
        self._idle_since = 0.0
        self._keeper: threading.Thread | None = None
        self.facts: dict[str, object] = {}

    @contextmanager
    def session(self, *, write: bool) -> Iterator[None]:
        """Keep the file open between operations, within the limits above; re-entrant.

        Args:
            write: Whether to open the file for writing from the start, so that no reading before the first writing
                has it opened twice.
        """
        with self._condition:
            self._sessions += 1
            self._writers += write
        try:
            yield
        finally:
            with self._condition:
                self._sessions -= 1
                self._writers -= write
            self._close_if_unused()

    @contextmanager
    def use(self, *, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one operation.

        Args:
            write: Whether the operation changes anything; otherwise the file is opened read-only where it is not open
                yet.

        Raises:
            WarehouseBusyError: Another process kept the file for too long.
            WarehouseError: The file cannot be opened.
        """
        cursor = self._enter(write)
        try:
            yield cursor
        except (duckdb.FatalException, duckdb.InternalException):
            self._broken = True
            raise
        finally:
            cursor.close()
            self._leave()

    def close(self) -> None:
        """Give the file up, unless another thread or session still uses it; then it goes with the last of them."""
        self._close_if_unused()

    def replace_with(self, other: Path) -> Path:
        """Put another file in this one's place, while nobody has this one open; the old one is kept beside it.

        Returns:
            Where the old file is now; it need not have been readable.
        """
        with self._condition:
            self._condition.wait_for(lambda: not self._users and not self._changing)
            self._changing = True
        kept = self.path.with_name(f"{self.path.name}.replaced")
        self._change(lambda: self._swap(other, kept))
        return kept

    def _swap(self, other: Path, kept: Path) -> None:
        self._make_folder()
        deadline = time.monotonic() + self._patience
        gate = self._pass_gate(deadline, write=True)
        try:
            self._wait_until_alone(deadline)
            for suffix in ("", ".wal"):
                Path(f"{kept}{suffix}").unlink(missing_ok=True)
                if Path(f"{self.path}{suffix}").exists():
                    Path(f"{self.path}{suffix}").rename(f"{kept}{suffix}")
            other.rename(self.path)
        finally:
            if gate is not None:
                gate.release()

    def _wait_until_alone(self, deadline: float) -> None:
        if not self.path.exists():
            return
        try:
            self._connect(deadline, write=True).close()
        except WarehouseBusyError:
            raise
        except WarehouseError as error:
            # A file that cannot be read is what a restore is for.
            log.warning("%s; it is replaced", error)

    def _enter(self, write: bool) -> duckdb.DuckDBPyConnection:
        with self._condition:
            self._write_wanted += write
            try:
                fresh = False
                while not self._ready(write, fresh):
                    if self._changing or self._users:
                        self._condition.wait()
                        continue
                    self._changing = True
                    self._condition.release()
                    try:
                        self._change(lambda: self._open(write or bool(self._writers)))
                    finally:
                        self._condition.acquire()
                    fresh = True
            finally:
                self._write_wanted -= write
                self._condition.notify_all()
            self._users += 1
            assert self._connection is not None  # noqa: S101 - what _ready has just shown
            return self._connection.cursor()

    def _ready(self, write: bool, fresh: bool) -> bool:
        """Whether the connection serves; one that this thread has just opened serves it even when its time is up."""
        if self._changing or self._connection is None or self._broken or (write and not self._writable):
            return False
        if fresh:
            return True
        return (self._writable or not self._write_wanted) and time.monotonic() - self._opened < MAX_HOLD_SECONDS

    def _leave(self) -> None:
        with self._condition:
            self._users -= 1
            self._idle_since = time.monotonic()
            self._condition.notify_all()
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        with self._condition:
            if self._users or self._changing or self._connection is None:
                return
            if self._sessions and not self._broken:
                self._start_keeper()
                return
            self._changing = True
        self._change(lambda: None)

    def _change(self, then: Callable[[], None]) -> None:
        """Close, do ``then``, and let the waiting threads look again; the caller has set ``_changing``."""
        try:
            self._shut()
            then()
        finally:
            with self._condition:
                self._changing = False
                self._condition.notify_all()

    def _start_keeper(self) -> None:
        if self._keeper is None or not self._keeper.is_alive():
            self._keeper = threading.Thread(target=self._keep, name="energy-assets-duckdb-idle", daemon=True)
            self._keeper.start()

    def _keep(self) -> None:
        """Close the file when a session has been idle for long enough, then end."""
        with self._condition:
            while self._connection is not None and self._sessions:
                left = self._idle_since + IDLE_SECONDS - time.monotonic()
                if self._users or self._changing:
                    self._condition.wait()
                elif left > 0:
                    self._condition.wait(left)
                else:
                    break
            self._keeper = None
            if self._connection is None or not self._sessions or self._users or self._changing:
                return
            self._changing = True
        self._change(lambda: None)

    def _shut(self) -> None:
        if self._connection is None:
            return
        overdue = time.monotonic() - self._opened >= MAX_HOLD_SECONDS and self._sessions > 0
        try:
            self._connection.close()
        except duckdb.Error as error:
            if not self._broken:
                raise WarehouseError(f"{self.path} could not be closed cleanly: {first_line(error)}") from error
        finally:
            self._connection = None
            self._broken = False
            if self._gate is not None:
                self._gate.release()
                self._gate = None
        if overdue:
            time.sleep(PAUSE_SECONDS)

    def _open(self, write: bool) -> None:
        if write:
            self._make_folder()
        deadline = time.monotonic() + self._patience
        gate = self._pass_gate(deadline, write)
        try:
            self._connection = self._connect(deadline, write)
        except BaseException:
            if gate is not None:
                gate.release()
            raise
        self._patience = self._wait_seconds
        if gate is not None and not write:
            gate.release()
            gate = None
        self._gate, self._writable, self._opened = gate, write, time.monotonic()
        self.facts = {}

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(
                f"The folder {self.path.parent} for the warehouse cannot be made: {error.strerror}."
            ) from error

    def _pass_gate(self, deadline: float, write: bool) -> FileLock | None:
        gate = FileLock(f"{self.path}.lock", thread_local=False)
        try:
            gate.acquire(timeout=max(deadline - time.monotonic(), 0), poll_interval=POLL_SECONDS)
        except Timeout:
            raise self._busy(self._who(write)) from None
        except OSError as error:
            if not write:
                return None
            raise WarehouseError(f"{gate.lock_file} cannot be locked for writing: {error.strerror}.") from error
        return gate

    def _connect(self, deadline: float, write: bool) -> duckdb.DuckDBPyConnection:
        while True:
            try:
                return self._try_connect(write)
            except (duckdb.IOException, duckdb.ConnectionException) as error:
                text = str(error)
                if _LOCKED not in text and _OTHER_CONFIG not in text:
                    raise WarehouseError(f"{self.path} cannot be opened: {first_line(error)}") from error
                if time.monotonic() >= deadline:
                    raise self._busy(describe_holder(text)) from error
            time.sleep(POLL_SECONDS)

    def _try_connect(self, write: bool) -> duckdb.DuckDBPyConnection:
        try:
            connection = duckdb.connect(str(self.path), read_only=not write, config=dict(self._settings))
        except duckdb.Error as error:
            if isinstance(error, duckdb.IOException | duckdb.ConnectionException):
                raise
            raise WarehouseError(f"{self.path} cannot be opened: {first_line(error)}") from error
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        return connection

    def _who(self, write: bool) -> str:
        try:
            self._try_connect(write).close()
        except duckdb.Error as error:
            return describe_holder(str(error))
        return "another process"

    def _busy(self, holder: str) -> WarehouseBusyError:
        self._patience = min(self._wait_seconds, IMPATIENT_SECONDS)
        return WarehouseBusyError(
            f"The warehouse file {self.path} was held by {holder} for longer than {self._wait_seconds:g} s: "
            f"close it there, or try again later."
        )


def describe_holder(text: str) -> str:
    """The process that DuckDB's refusal names, with its command line where the system tells it."""
    if _OTHER_CONFIG in text:
        return "another connection of this process (use energy_assets.read or a warehouse session instead)"
    found = _HOLDER.search(text)
    if found is None:
        return "another process"
    pid = found["pid"]
    return f"process {pid} ({_command(pid) or found['program']})"


def _command(pid: str) -> str:
    try:
        raw = Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return ""
    words = raw.decode(errors="replace").rstrip("\0").split("\0")[:SHOWN_ARGUMENTS]
    return " ".join(" ".join(word.split())[:SHOWN_CHARACTERS] for word in words)


def first_line(error: BaseException) -> str:
    """The first line of a store's message, without its prefix of the error's kind."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^[A-Za-z ]+ Error: ", "", line).strip()


_HOLDERS: dict[Path, Holder] = {}
_HOLDERS_LOCK = threading.Lock()


def holder_of(path: Path, settings: Mapping[str, str | int], wait_seconds: float) -> Holder:
    """The process's one holder of a file; the settings of the first caller stand.

    DuckDB shares one instance per file and process and refuses a second one with other settings, so objects that name
    the same file have to share it too.
    """
    key = path.resolve()
    with _HOLDERS_LOCK:
        return _HOLDERS.setdefault(key, Holder(key, settings, wait_seconds))
