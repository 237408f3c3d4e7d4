"""``energy-assets alerts``: what is wrong, who was told, and whether addresses work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from energy_assets.tracking.alerts import open_alerts
from energy_assets.wiring import utc_now
from energy_assets_tests.e2e.command_line import NOWHERE, CommandLine
from energy_assets_tests.unit.alerting import SECRET, Webhook, condition, settings_of


@pytest.fixture
def cli(tmp_path: Path, hook: Webhook) -> CommandLine:
    dead = f"json://127.0.0.1:9/{SECRET}"
    variables = {
        "ENERGY_ASSETS_ALERT_URLS": f"{hook.url()}, {dead}",
        "ENERGY_ASSETS_ALERT_HEARTBEAT_URL": hook.heartbeat,
    }
    return CommandLine(tmp_path, NOWHERE, variables=variables)


def test_what_is_open_is_listed_with_when_it_was_told(cli: CommandLine, hook: Webhook):
    assert "Nothing is wrong" in cli.run("alerts", "list").out
    alerts = open_alerts(settings_of(cli.home, hook.url()))
    now = utc_now()
    alerts.report("s", [condition(), condition("b", "error")], now - timedelta(hours=3))
    alerts.report("s", [condition()], now - timedelta(hours=2))
    said = cli.run("alerts", "list")
    assert said.code == 0
    assert "a is stale: It is so." in said.out and "3 h ago" in said.out and "1 incident open." in said.out
    assert "b is stale" not in said.out
    assert "resolved" in cli.run("alerts", "list", "--all").out
    (listed,) = cli.run("alerts", "list", "--json").json["incidents"]
    assert (listed["key"], listed["opened"]["told"], listed["resolved_utc"]) == ("a", 1, None)


def test_every_address_is_tried_and_none_is_shown(cli: CommandLine, hook: Webhook):
    said = cli.run("alerts", "test")
    assert said.code == 1, "one of them is dead"
    assert "json (number 1 of ENERGY_ASSETS_ALERT_URLS)" in said.out and "taken" in said.out
    assert "the connection was refused" in said.out
    assert SECRET not in said.out + said.err
    assert hook.titles == ["energy_assets: test of alerts"]
    assert [t["worked"] for t in cli.run("alerts", "test", "--json").json] == [True, False, True]


def test_a_test_without_addresses_says_what_to_set(tmp_path: Path):
    said = CommandLine(tmp_path, NOWHERE).run("alerts", "test")
    assert said.code == 1
    assert "ENERGY_ASSETS_ALERT_URLS" in said.sentence


def test_a_look_without_dagster_tells_what_it_finds(cli: CommandLine, hook: Webhook):
    cli.variables["ENERGY_ASSETS_ALERT_URLS"] = hook.url()
    cli.variables["IRIS_SECRET_EXPIRES"] = "2020-01-01"
    said = cli.run("alerts", "check")
    assert said.code == 0, said.err
    assert "the IRIS client's secret has ended" in said.out
    assert [t for t in hook.titles if "secret" in t]
    told = len(hook.titles)
    assert {i["kind"] for i in cli.run("alerts", "check", "--json").json["incidents"]} >= {"credentials"}
    assert len(hook.titles) == told
