"""Logs: a file per UTC day, no secrets, no doubling, no records lost between processes."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from pydantic import SecretStr

from energy_assets import logs
from energy_assets.errors import SettingsError
from energy_assets.settings import Settings

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    yield Settings(home=tmp_path, bmrs_api_keys=(SecretStr("k3y-one"),), iris_client_secret=SecretStr("iris/secret"))
    logs.release()


@pytest.fixture
def logger():
    return logging.getLogger("energy_assets.somewhere")


def written(settings: Settings) -> str:
    return "".join(path.read_text() for path in sorted(settings.logs_dir.iterdir()))


def test_a_record_goes_to_the_days_file_and_to_stderr(settings, logger, capsys):
    with time_machine.travel(NOON, tick=False):
        logs.configure(settings)
        logger.info("%d rows of %s", 3, "MID")
    line = (settings.logs_dir / "energy_assets-2026-07-15.log").read_text()
    assert line.startswith("2026-07-15T12:00:00Z INFO [")
    assert line.endswith("] energy_assets.somewhere: 3 rows of MID\n")
    assert capsys.readouterr().err == line


def test_configuring_twice_does_not_double_records(settings, logger, capsys):
    logs.configure(settings)
    logs.configure(settings)
    logger.warning("once")
    assert written(settings).count("once") == 1
    assert capsys.readouterr().err.count("once") == 1


def test_level_comes_from_the_settings_or_the_caller(settings, logger, capsys):
    logs.configure(settings)
    logger.debug("hidden")
    logs.configure(settings, level="DEBUG")
    logger.debug("shown")
    logs.configure(settings, level="ERROR")
    logger.warning("hidden too")
    assert [line.split(": ")[1] for line in written(settings).splitlines()] == ["shown"]


def test_other_libraries_are_left_alone(settings, capsys):
    logs.configure(settings, level="DEBUG")
    logging.getLogger("httpx").warning("theirs")
    assert written(settings) == ""


def test_secrets_reach_neither_file_nor_stderr_nor_other_handlers(settings, logger, capsys, caplog):
    logs.configure(settings)
    logger.error("asked %s", "https://host/x?apiKey=abcdef&from=1")
    logger.error("sent k3y-one and iris%%2Fsecret")
    try:
        raise RuntimeError("refused iris/secret")
    except RuntimeError:
        logger.exception("failed")
    shown = written(settings) + capsys.readouterr().err + caplog.text
    for secret in ("abcdef", "k3y-one", "iris/secret", "iris%2Fsecret"):
        assert secret not in shown
    assert "RuntimeError: refused ***" in written(settings)
    assert "&from=1" in written(settings)


def test_a_new_utc_day_begins_a_new_file_and_old_ones_go(settings, logger):
    old, kept, foreign = ("energy_assets-2026-06-14.log", "energy_assets-2026-06-16.log", "notes.log")
    settings.prepare_home()
    for name in (old, kept, foreign):
        (settings.logs_dir / name).touch()
    with time_machine.travel(NOON.replace(hour=23, minute=59, second=59), tick=False) as clock:
        logs.configure(settings)
        logger.info("before")
        clock.shift(timedelta(seconds=1))
        logger.info("after")
    names = {path.name for path in settings.logs_dir.iterdir()}
    assert names == {kept, foreign, "energy_assets-2026-07-15.log", "energy_assets-2026-07-16.log"}
    assert "after" in (settings.logs_dir / "energy_assets-2026-07-16.log").read_text()
    assert "after" not in (settings.logs_dir / "energy_assets-2026-07-15.log").read_text()


def test_processes_share_the_days_file(settings, tmp_path):
    code = (
        "import logging, sys; from pathlib import Path; from energy_assets import logs; "
        "from energy_assets.settings import Settings; logs.configure(Settings(home=Path(sys.argv[1]))); "
        "[logging.getLogger('energy_assets.p').info('%s %d', sys.argv[2], n) for n in range(200)]"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stderr=subprocess.DEVNULL)
        for name in ("one", "two")
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    messages = [line.split(": ")[1] for line in written(settings).splitlines()]
    assert sorted(messages) == sorted(f"{name} {n}" for name in ("one", "two") for n in range(200))


def test_a_log_folder_that_vanished_does_not_stop_the_work(settings, logger, capsys):
    logs.configure(settings)
    settings.logs_dir.rmdir()
    logger.info("still here")
    assert "still here" in capsys.readouterr().err


def test_an_unwritable_home_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be written"):
        logs.configure(Settings(home=Path(tmp_path / "file" / "home")))
    assert not [h for h in logging.getLogger(logs.LOGGER).handlers if isinstance(h, logs.DailyFileHandler)]
