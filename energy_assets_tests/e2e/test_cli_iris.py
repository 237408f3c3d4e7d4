"""IRIS on the command line: the sandbox pushes, the listener takes, the load brings it in, the archive fills up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_assets.sandbox.iris.feeder import Feed
from energy_assets.sandbox.iris.running import Iris, running_iris
from energy_assets_tests.e2e.command_line import NOWHERE, CommandLine

COUNT = 120


@pytest.fixture
def queue() -> Iterator[Iris]:
    with running_iris() as iris:
        yield iris


@pytest.fixture
def cli(queue: Iris, tmp_path: Path) -> CommandLine:
    there = queue.addresses
    variables = {
        "ENERGY_ASSETS_IRIS_AUTHORITY": there.authority,
        "ENERGY_ASSETS_IRIS_ENDPOINT": there.endpoint,
        "ENERGY_ASSETS_IRIS_CA": there.ca,
        "IRIS_NAMESPACE": there.namespace,
        "IRIS_QUEUE_NAME": there.queue,
        "IRIS_TENANT_ID": there.tenant_id,
        "IRIS_CLIENT_ID": there.client_id,
        "IRIS_CLIENT_SECRET": there.client_secret,
    }
    return CommandLine(tmp_path, NOWHERE, variables=variables)


def test_what_the_queue_holds_is_taken_loaded_and_shown(queue: Iris, cli: CommandLine) -> None:
    queue.feed(Feed(count=COUNT, streams=("FUELINST", "FREQ", "REMIT")))
    process = cli.start("iris", "listen", "--drain")
    said = cli.finish(process)
    assert said.code == 0, said
    assert f"The queue is empty: {COUNT} received, {COUNT} durable, {COUNT} completed" in said.out

    loaded = cli.ok("iris", "load")
    assert re.search(rf"{COUNT} messages of \d+ files?\.", loaded.out)
    assert "FUELINST_IRIS" in loaded.out and "written" in loaded.out
    assert "Nothing waits" in cli.ok("iris", "load").out

    shown = cli.run("iris", "status", "--json").json
    assert (shown["received"], shown["waiting_files"], shown["open_manifests"]) == (COUNT, 0, 0)
    assert shown["newest_message_utc"] is not None
    assert shown["problems"] == ["the listener is not running: start it with `energy-assets iris listen`"]
    assert "! the listener is not running" in cli.run("iris", "status").out
    assert cli.run("iris", "status").code == 1


def test_before_anything_was_there_status_says_so(cli: CommandLine) -> None:
    said = cli.run("iris", "status")
    assert said.code == 0
    assert "never started here" in said.out and "no message is held yet" in said.out


def test_what_is_wrong_in_the_drop_folder_is_named_with_exit_code_1_and_the_rest_is_loaded(cli: CommandLine) -> None:
    folder = cli.home / "iris"
    texts = {
        "FREQ/a.json": '[{"measurementTime": "2026-07-15T11:00:00Z", "frequency": 50.0}]',
        "clients/python/settings.json": '{"Secret": "of somebody"}',
        "manifests/open/torn.json": "",
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    os.utime(folder / "FREQ" / "a.json", (0, 0))
    assert "1 message of 1 file." in cli.ok("iris", "load").out
    said = cli.run("iris", "status")
    assert said.code == 1
    assert "! manifests/open/torn.json.bad is no manifest" in said.out
    assert "left alone, as no messages: clients/python/" in said.out
    (folder / "manifests" / "open" / "torn.json.bad").unlink()
    assert cli.run("iris", "status").code == 0


def test_a_day_comes_from_the_archive_of_the_sandbox(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from energy_assets.cli import main; main()",
        *["sandbox", "--port", "0", "--iris", "20"],
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            assert process.stdout is not None
            exports = {}
            while "IRIS_CLIENT_SECRET" not in exports:
                assert process.poll() is None
                name, _, value = process.stdout.readline().strip().removeprefix("export ").partition("=")
                exports[name] = value
            del exports["ENERGY_ASSETS_HOME"]
            cli = CommandLine(tmp_path, exports.pop("ENERGY_ASSETS_ELEXON_URL"), variables=exports)
            exports["ENERGY_ASSETS_IRIS_ARCHIVE_REQUESTS_PER_SECOND"] = "200"
            said = cli.ok("iris", "archive", "--stream", "INDO", "--from", "2026-07-15")
            assert re.search(r"INDO_IRIS +written", said.out)
            again = cli.ok("iris", "archive", "--stream", "INDO", "--from", "2026-07-15", "--json").json
            assert again[0]["status"] == "unchanged" and again[0]["requests"] == 0
            listener = cli.start("iris", "listen")
            deadline = time.monotonic() + 60
            while not list((tmp_path / "home").rglob("segments/*/*.ndjson")):
                assert time.monotonic() < deadline and listener.poll() is None
                time.sleep(0.05)
            listener.send_signal(signal.SIGTERM)
            told = cli.finish(listener)
            assert told.code == 0 and told.out.startswith("Stopped: ")
        finally:
            process.send_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--stream", "FUELINTS", "--from", "2026-07-15"],
            "unknown dataset 'iris/FUELINTS'; did you mean iris/fuelinst?",
        ),
        (["--stream", "FREQ", "--from", "2020-01-01"], "begins on 2023-11-01"),
    ],
)
def test_what_the_archive_cannot_have_is_one_sentence(cli: CommandLine, arguments: list[str], sentence: str) -> None:
    said = cli.run("iris", "archive", *arguments)
    assert said.code != 0
    assert sentence in said.sentence
