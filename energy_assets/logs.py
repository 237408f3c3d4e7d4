"""Where log records go: a file per UTC day under the home, and standard error; secrets are taken out on the way.

Modules log through ``logging.getLogger(__name__)`` and know nothing of this. Only the package's own records are
handled: Dagster keeps its own logs, and other libraries' loggers are left as they are.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from energy_assets.settings import Settings
from energy_assets.sources.redaction import Redactor

LOGGER = "energy_assets"

KEEP_LOG_DAYS = 30
"""Days that log files stay: long enough to look into the month's last settlement run that was late."""

_FILE_NAME = "energy_assets-{day:%Y-%m-%d}.log"
_FILE_PATTERN = re.compile(r"energy_assets-(\d{4}-\d{2}-\d{2})\.log")


def configure(settings: Settings, level: str | None = None) -> None:
    """Log the package's records to the home's daily file and to standard error; a second call replaces the first.

    Args:
        settings: Names the home, the level and the secrets.
        level: Level in place of the settings' one.

    Raises:
        SettingsError: The home cannot be written.
    """
    settings.prepare_home()
    release()
    logger = logging.getLogger(LOGGER)
    logger.setLevel(level or settings.log_level)
    redaction = RedactionFilter(Redactor(settings.secrets()))
    formatter = logging.Formatter(
        "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ"
    )
    formatter.converter = time.gmtime
    for handler in (DailyFileHandler(settings.logs_dir), ConsoleHandler()):
        handler.addFilter(redaction)
        handler.setFormatter(formatter)
        logger.addHandler(handler)


def release() -> None:
    """Take away and close what ``configure`` added."""
    logger = logging.getLogger(LOGGER)
    for handler in list(logger.handlers):
        if isinstance(handler, DailyFileHandler | ConsoleHandler):
            logger.removeHandler(handler)
            handler.close()


class RedactionFilter(logging.Filter):
    """Takes secrets out of a record's text and traceback.

    The record itself is changed, so that handlers of the root logger, which come later, see no secret either.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact, and let every record pass."""
        record.msg = self._redactor(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redactor(record.exc_text)
        return True


class ConsoleHandler(logging.Handler):
    """Writes to whatever standard error is at the moment: a progress display puts its own in place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # A log line that cannot be written must not end the work; ``logging`` says so on stderr.
            self.handleError(record)


class DailyFileHandler(logging.FileHandler):
    """Appends to a file named by the record's UTC day, and removes files older than ``KEEP_LOG_DAYS``.

    The standard library's rotating handler renames one shared file, and runs are processes of their own: two that turn
    the day at once would rename over each other's records. Here nothing is ever renamed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._day = date.min
        super().__init__(folder / "unopened", encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, turning to its day's file first."""
        try:
            self._turn_to(datetime.fromtimestamp(record.created, tz=UTC).date())
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _turn_to(self, day: date) -> None:
        if day <= self._day:
            return
        # ``close`` of the base class would also take the handler out of service.
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        self._day = day
        self.baseFilename = str((self._folder / _FILE_NAME.format(day=day)).absolute())
        self._remove_before(day - timedelta(days=KEEP_LOG_DAYS))

    def _remove_before(self, day: date) -> None:
        for path in self._folder.iterdir():
            match = _FILE_PATTERN.fullmatch(path.name)
            if match and match[1] < day.isoformat():
                path.unlink(missing_ok=True)
