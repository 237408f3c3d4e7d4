"""Alerts over real protocols: a webhook and a mail server are told once of everything, whatever fails meanwhile."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from energy_assets import logs
from energy_assets.tracking.alerts import DEAF_AFTER, Alerts, open_alerts
from energy_assets.tracking.delivery import addresses, send
from energy_assets.tracking.incidents import MOST_IN_SCOPE, SETTLED_AFTER
from energy_assets.tracking.ledger_file import LedgerFile
from energy_assets.tracking.messages import LISTED_MOST, TEXT_MOST, Message
from energy_assets_tests.unit.alerting import SECRET, Mailbox, Webhook, condition, settings_of

NOW = datetime(2026, 7, 15, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTLED = NOW + 5 * MINUTE + SETTLED_AFTER


def bodies(box: Mailbox) -> list[str]:
    return [str(m.get_body(("plain", "html")).get_content()) for m in box.mails]  # type: ignore[union-attr]


def test_one_incident_is_told_once_to_everybody_and_its_end_once(tmp_path: Path, hook: Webhook, box: Mailbox):
    alerts = open_alerts(settings_of(tmp_path, hook.url(), box.url))
    assert alerts.report("s", [condition()], NOW).opened == ("a",)
    for minute in range(1, 5):
        assert alerts.report("s", [condition(text="Still.")], NOW + minute * MINUTE).messages == 0
    assert hook.titles == ["energy_assets: warning: a is stale"]
    assert hook.messages[0]["message"] == "It is so.\nWhat to do: Mend it.\nsince 2026-07-15 10:00Z"
    assert hook.messages[0]["type"] == "warning"
    assert [m["Subject"] for m in box.mails] == hook.titles
    assert "Mend it." in bodies(box)[0]

    assert alerts.report("s", [], NOW + 5 * MINUTE).resolved == ("a",)
    assert len(hook.messages) == 1, "it may come again"
    alerts.report("s", [], SETTLED)
    alerts.report("s", [], SETTLED + MINUTE)
    assert hook.titles[1:] == ["energy_assets: resolved: a is stale"]
    assert "from 2026-07-15 10:00Z to 2026-07-15 10:05Z, 5 min" in hook.messages[1]["message"]
    assert hook.messages[1]["type"] == "success"
    assert len(box.mails) == 2


def test_what_opens_together_is_one_message_with_a_bounded_list(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    many = [condition(f"d{n:03}", "error" if n == 399 else "warning", "x" * 5000) for n in range(400)]
    assert len(alerts.report("s", many, NOW).opened) == MOST_IN_SCOPE + 1
    (message,) = hook.messages
    lines = message["message"].splitlines()
    assert message["title"] == f"energy_assets: {MOST_IN_SCOPE + 1} new problems"
    assert lines[0].startswith("- error: d399 is stale"), "the most severe first"
    assert len(lines) == LISTED_MOST + 1
    assert lines[-1].startswith(f"and {MOST_IN_SCOPE + 1 - LISTED_MOST} more")
    assert len(message["message"]) < 4000
    assert all(len(i.text) <= TEXT_MOST for i in alerts.incidents())
    assert [i.subject for i in alerts.incidents()][-1] == "200 more in s"
    # Those that are incidents already stay the ones that are told apart.
    assert alerts.report("s", list(reversed(many)), NOW + MINUTE).opened == ()


def test_scopes_do_not_resolve_each_other(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    alerts.report("checks bmrs", [condition()], NOW)
    assert alerts.report("checks neso", [condition()], NOW).opened == ("a",)
    assert alerts.report("checks neso", [], NOW + MINUTE).resolved == ("a",)
    assert [(i.scope, i.holds) for i in alerts.incidents()] == [("checks bmrs", True), ("checks neso", False)]


def test_what_comes_and_goes_is_one_incident(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    for tick in range(12):
        alerts.report("s", [condition()] if tick % 2 == 0 else [], NOW + tick * 15 * MINUTE)
    assert len(hook.messages) == 1
    end = NOW + 11 * 15 * MINUTE
    alerts.report("s", [], end + SETTLED_AFTER)
    assert "resolved" in hook.titles[1]
    assert "from 2026-07-15 10:00Z to 2026-07-15 12:45Z" in hook.messages[1]["message"]
    assert alerts.report("s", [condition()], end + SETTLED_AFTER + MINUTE).opened == ("a",)
    assert len(hook.messages) == 3, "after its end it is another one"


def test_what_lasts_is_escalated_once_and_they_are_told_of_its_end(tmp_path: Path, hook: Webhook, box: Mailbox):
    settings = settings_of(tmp_path, hook.url(), ESCALATION_URLS=box.url, ESCALATE_MINUTES="30")
    alerts = open_alerts(settings)
    alerts.report("s", [condition(), condition("b")], NOW)
    alerts.report("s", [condition()], NOW + 5 * MINUTE)
    alerts.report("s", [condition()], NOW + 29 * MINUTE)
    assert box.mails == []
    for minute in (30, 31, 90):
        alerts.report("s", [condition()], NOW + minute * MINUTE)
    assert [m["Subject"] for m in box.mails] == ["energy_assets: warning, not resolved for 30 min: a is stale"]
    alerts.report("s", [], NOW + 100 * MINUTE)
    alerts.report("other", [], NOW + 140 * MINUTE)
    assert [m["Subject"] for m in box.mails][1:] == ["energy_assets: resolved: a is stale"]
    assert len(hook.messages) == 3, "opened together, resolved at their times"


def test_quiet_hours_keep_back_what_is_told_at_their_end_if_it_still_holds(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url(), QUIET_HOURS="22:00-07:00"))
    night = datetime(2026, 7, 15, 21, 0, tzinfo=UTC)  # 22:00 in London
    alerts.report("day", [condition("day")], night - MINUTE)
    alerts.report("day", [], night)
    alerts.report("s", [condition("stays", "error"), condition("goes")], night)
    alerts.report("s", [condition("stays", "error")], night + timedelta(hours=1))
    morning = night + timedelta(hours=9)
    alerts.report("s", [condition("stays", "error")], morning - MINUTE)
    assert hook.titles == ["energy_assets: warning: day is stale"]
    alerts.report("s", [condition("stays", "error")], morning)
    assert hook.titles[1:] == ["energy_assets: resolved: day is stale", "energy_assets: error: stays is stale"]
    alerts.report("s", [], morning + MINUTE)
    alerts.report("s", [], morning + timedelta(hours=1))
    assert [t for t in hook.titles if "goes" in t] == []
    assert len(hook.messages) == 4


def test_errors_pass_quiet_hours_where_that_is_set(tmp_path: Path, hook: Webhook):
    night = datetime(2026, 1, 15, 23, 0, tzinfo=UTC)
    alerts = open_alerts(settings_of(tmp_path, hook.url(), QUIET_HOURS="22:00-07:00", ERRORS_IN_QUIET_HOURS="true"))
    alerts.report("s", [condition("w"), condition("e", "error")], night)
    assert hook.titles == ["energy_assets: error: e is stale"]


def test_a_delivery_that_fails_is_repeated_to_that_address_alone_with_growing_waits(
    tmp_path: Path, hook: Webhook, box: Mailbox
):
    hook.status = 503
    alerts = open_alerts(settings_of(tmp_path, hook.url(), box.url))
    done = alerts.report("s", [condition()], NOW)
    assert done.messages == 1
    assert done.failed == (
        "json (number 1 of ENERGY_ASSETS_ALERT_URLS) could not be told of an incident (opened): it answered with "
        "status 503",
    )
    assert alerts.trouble() == {"json (number 1 of ENERGY_ASSETS_ALERT_URLS)": "it answered with status 503"}
    tries = [m for m in range(1, 70) if alerts.report("s", [condition()], NOW + m * MINUTE).failed]
    assert tries == [1, 3, 7, 15, 31, 63]
    hook.status = 200
    alerts.report("s", [condition("a"), condition("b")], NOW + 70 * MINUTE)
    assert hook.messages == [], "it waits"
    alerts.report("s", [condition("a"), condition("b")], NOW + 123 * MINUTE)
    assert hook.titles == ["energy_assets: 2 new problems"]
    assert alerts.trouble() == {}
    assert len(box.mails) == 2


def test_whoever_could_not_be_told_of_an_incident_is_told_of_its_end(tmp_path: Path, hook: Webhook):
    hook.status = 500
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    alerts.report("s", [condition()], NOW)
    alerts.report("s", [], NOW + 5 * MINUTE)
    hook.status = 200
    alerts.report("s", [], SETTLED)
    assert hook.titles == ["energy_assets: resolved: a is stale"]
    assert hook.messages[0]["message"].startswith("It was: It is so.")


@pytest.mark.parametrize("status", [301, 404, 429])
def test_only_a_success_counts_as_delivered(tmp_path: Path, hook: Webhook, status: int):
    hook.status = status
    done = open_alerts(settings_of(tmp_path, hook.url())).report("s", [condition()], NOW)
    assert (done.messages, len(done.failed)) == (0, 1)
    assert f"status {status}" in done.failed[0]


def test_a_mail_server_that_refuses_is_a_failure(tmp_path: Path, box: Mailbox):
    box.refuses = True
    done = open_alerts(settings_of(tmp_path, box.url)).report("s", [condition()], NOW)
    assert done.messages == 0
    assert done.failed[0].endswith("the mail server answered with status 554")


def test_a_new_address_is_told_of_what_is_open_and_an_old_one_that_is_gone_of_nothing(tmp_path: Path, hook: Webhook):
    open_alerts(settings_of(tmp_path, "json://127.0.0.1:9/gone")).report("s", [condition()], NOW)
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    alerts.report("s", [condition()], NOW + MINUTE)
    assert len(hook.messages) == 1
    assert alerts.trouble() == {}


def test_without_addresses_incidents_are_remembered(tmp_path: Path):
    alerts = open_alerts(settings_of(tmp_path))
    alerts.report("s", [condition()], NOW)
    (incident,) = alerts.incidents()
    assert (incident.key, incident.told_utc()) == ("a", None)


def test_a_report_needs_an_aware_instant(tmp_path: Path):
    with pytest.raises(ValueError, match="aware"):
        open_alerts(settings_of(tmp_path)).report("s", [], datetime(2026, 7, 15))


def test_what_gets_worse_is_told_once_more_and_flaps_of_severity_are_not(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    for number, severity in enumerate(("warning", "warning", "error", "warning", "error")):
        alerts.report("disk", [condition(severity=severity)], NOW + number * MINUTE)
    assert hook.titles == ["energy_assets: warning: a is stale", "energy_assets: error: a is stale"]


def test_what_gets_worse_while_it_is_sent_is_still_to_be_told(tmp_path: Path, hook: Webhook):
    hook.gate.clear()
    settings = settings_of(tmp_path, hook.url())
    first = threading.Thread(target=lambda: open_alerts(settings).report("disk", [condition()], NOW))
    first.start()
    assert hook.entered.wait(30)
    open_alerts(settings).report("disk", [condition(severity="error")], NOW + MINUTE)
    hook.gate.set()
    first.join(30)
    assert hook.titles == ["energy_assets: warning: a is stale", "energy_assets: error: a is stale"]


AHEAD = NOW + timedelta(days=365)


def test_a_clock_that_was_ahead_does_not_keep_an_address_waiting(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    hook.status = 500
    alerts.report("s", [condition()], AHEAD)
    hook.status = 200
    for minutes in range(0, 65, 5):
        alerts.report("s", [condition()], NOW + minutes * MINUTE)
    assert hook.titles == ["energy_assets: warning: a is stale"]


def test_what_ended_by_a_clock_that_was_ahead_is_over_all_the_same(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    alerts.report("s", [condition()], AHEAD)
    for now in (AHEAD + MINUTE, NOW, NOW + SETTLED_AFTER):
        alerts.report("s", [], now)
    alerts.report("s", [condition()], NOW + timedelta(hours=2))
    assert [t.split(": ")[1] for t in hook.titles] == ["warning", "resolved", "warning"]


def test_what_opened_by_a_clock_that_was_ahead_is_escalated_in_time(tmp_path: Path, hook: Webhook, box: Mailbox):
    alerts = open_alerts(settings_of(tmp_path, hook.url(), ESCALATION_URLS=box.url))
    for now in (AHEAD, NOW, NOW + timedelta(hours=1)):
        alerts.report("s", [condition()], now)
    assert len(box.mails) == 1


# The home.


def test_nothing_is_sent_that_a_full_disk_would_have_sent_again(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
):
    alerts = open_alerts(settings_of(tmp_path, hook.url(), HEARTBEAT_URL=hook.heartbeat))
    hook.status = 500
    alerts.report("s", [condition()], NOW)
    hook.status = 200

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        for minutes in range(5, 30, 5):
            done = alerts.report("another", [], NOW + minutes * MINUTE)
            assert done.error is not None and "No space left on device" in done.error
        assert "No space left on device" in str(alerts.heartbeat(NOW))
    assert (hook.messages, hook.beats) == ([], [])
    alerts.report("another", [], NOW + timedelta(hours=1))
    assert len(hook.messages) == 1


def test_a_home_that_cannot_be_used_raises_nothing_and_stops_the_heartbeat(
    tmp_path: Path, hook: Webhook, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "alerts").write_text("a file in the folder's place")
    alerts = open_alerts(settings_of(tmp_path, hook.url(), HEARTBEAT_URL=hook.heartbeat))
    done = alerts.report("s", [condition()], NOW)
    assert done.error is not None and "ENERGY_ASSETS_HOME" in done.error
    assert done.error in caplog.text
    assert alerts.heartbeat(NOW) is not None
    assert (hook.messages, hook.beats) == ([], [])


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 99}', b"\0" * 100])
def test_a_file_that_is_not_understood_is_put_aside_and_everything_told_anew(
    tmp_path: Path, hook: Webhook, caplog: pytest.LogCaptureFixture, content: bytes
):
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    alerts.report("s", [condition()], NOW)
    file = tmp_path / "alerts" / "incidents.json"
    file.write_bytes(content)
    alerts.report("s", [condition()], NOW + MINUTE)
    assert len(hook.messages) == 2
    assert (tmp_path / "alerts" / "incidents.unreadable.json").read_bytes() == content
    assert "told anew" in caplog.text
    assert file.stat().st_mode & 0o077 == 0, "for its owner only"


def test_two_processes_that_report_at_once_tell_once(tmp_path: Path, hook: Webhook):
    settings = settings_of(tmp_path, hook.url())
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_report_often, args=(tmp_path, hook.url(), n)) for n in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join(120)
    assert [o.exitcode for o in others] == [0, 0]
    told = re.findall(r"(\w+) is stale", "\n".join(f"{m['title']}\n{m['message']}" for m in hook.messages))
    assert sorted(told) == ["common", *(f"p{n}r{r}" for n in range(2) for r in range(5))]
    assert len(open_alerts(settings).incidents()) == 11


def _report_often(home: Path, url: str, process: int) -> None:
    alerts = open_alerts(settings_of(home, url))
    for turn in range(5):
        alerts.report("common", [condition("common")], NOW + turn * MINUTE)
        alerts.report(f"s{process}", [condition(f"p{process}r{r}") for r in range(turn + 1)], NOW + turn * MINUTE)


def test_changes_of_the_ledger_at_once_are_all_made(tmp_path: Path):
    from concurrent.futures import ThreadPoolExecutor

    import msgspec

    def count(_: int) -> None:
        LedgerFile(tmp_path).change(lambda ledger: msgspec.structs.replace(ledger, last_number=ledger.last_number + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))
    assert LedgerFile(tmp_path).read().last_number == 80


def test_who_reports_while_another_sends_does_not_wait_and_is_told_by_them(tmp_path: Path, hook: Webhook):
    hook.gate.clear()
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    first = threading.Thread(target=alerts.report, args=("one", [condition("one")], NOW))
    first.start()
    assert hook.entered.wait(30)
    assert open_alerts(settings_of(tmp_path, hook.url())).report("two", [condition("two")], NOW).messages == 0
    hook.gate.set()
    first.join(30)
    assert sorted(hook.titles) == ["energy_assets: warning: one is stale", "energy_assets: warning: two is stale"]


def test_a_process_killed_while_it_sends_loses_nothing(tmp_path: Path, hook: Webhook):
    hook.gate.clear()
    code = (
        "import sys; from pathlib import Path\n"
        "from energy_assets.tracking.alerts import open_alerts\n"
        "from energy_assets_tests.unit.alerting import condition, settings_of\n"
        "from energy_assets_tests.unit.test_alerts import NOW\n"
        "open_alerts(settings_of(Path(sys.argv[1]), sys.argv[2])).report('s', [condition()], NOW)\n"
    )
    root = str(Path(__file__).parents[2])
    victim = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), hook.url()], env=os.environ | {"PYTHONPATH": root}
    )
    assert hook.entered.wait(60)
    victim.send_signal(signal.SIGKILL)
    victim.wait(30)
    hook.gate.set()
    alerts = open_alerts(settings_of(tmp_path, hook.url()))
    (incident,) = alerts.incidents()
    assert incident.told_utc() is None
    alerts.report("s", [condition()], NOW + MINUTE)
    assert set(hook.titles) == {"energy_assets: warning: a is stale"}
    (incident,) = alerts.incidents()
    assert incident.told_utc() == NOW + MINUTE, "the first may have arrived or not; the second has"


# The heartbeat.


def test_the_heartbeat_stops_while_messages_cannot_be_delivered(tmp_path: Path, hook: Webhook):
    alerts = open_alerts(settings_of(tmp_path, "json://127.0.0.1:9/nobody", HEARTBEAT_URL=hook.heartbeat))
    assert alerts.heartbeat(NOW) is None
    for failures in range(1, DEAF_AFTER + 1):
        alerts.report("s", [condition()], NOW + timedelta(hours=failures))
        assert (alerts.heartbeat(NOW) is None) == (failures < DEAF_AFTER)
    assert len(hook.beats) == DEAF_AFTER
    assert hook.beats[0] == f"/ping/{SECRET}"


def test_a_watcher_that_does_not_answer_is_told_and_raises_nothing(tmp_path: Path, hook: Webhook):
    hook.status = 404
    alerts = open_alerts(settings_of(tmp_path, HEARTBEAT_URL=hook.heartbeat))
    assert alerts.heartbeat(NOW) == (
        "the address of ENERGY_ASSETS_ALERT_HEARTBEAT_URL did not take the heartbeat: it answered with status 404"
    )
    nobody = open_alerts(settings_of(tmp_path, HEARTBEAT_URL=f"http://127.0.0.1:9/{SECRET}"))
    assert str(nobody.heartbeat(NOW)).endswith("the connection was refused")
    assert open_alerts(settings_of(tmp_path)).heartbeat(NOW) is None


# Secrets.


def test_nothing_secret_is_sent_kept_logged_or_shown(
    tmp_path: Path, hook: Webhook, box: Mailbox, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    dead = f"json://user:{SECRET}-pass@127.0.0.1:9/{SECRET}?token={SECRET}"
    odd = [f"slack://{SECRET}", f"nosuch://{SECRET}", f"mailto://{SECRET}@127.0.0.1:9?to=a@example.org"]
    settings = settings_of(tmp_path, hook.url(), dead, *odd, HEARTBEAT_URL=f"http://127.0.0.1:9/{SECRET}")
    logs.configure(settings)
    try:
        alerts = open_alerts(settings)
        text = f"GET https://example.org/?apikey={SECRET} failed, {hook.url()} too"
        done = alerts.report("s", [condition(text=text)], NOW)
        tried = alerts.test(NOW)
        beaten = alerts.heartbeat(NOW)
        hook.status = 500
        again = alerts.report("s", [condition("b")], NOW + timedelta(hours=2))
    finally:
        logs.release()
    assert len(done.failed) == 4 and len(again.failed) == 5
    assert "failed" in hook.messages[0]["message"] and "***" in hook.messages[0]["message"]
    for message in hook.messages:
        del message["path"]
    files = [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]
    shown = [
        repr(x) for x in (done, tried, beaten, again, alerts.incidents(), settings, addresses(settings.alert_urls, "X"))
    ]
    captured = capfd.readouterr()
    everything = [*files, *shown, caplog.text, captured.out, captured.err, str(hook.messages)]
    assert [text for text in everything if SECRET in text] == []


def test_a_plug_in_that_raises_is_a_failure_without_its_text(monkeypatch: pytest.MonkeyPatch):
    import apprise

    def explode(*args: object, **kwargs: object) -> bool:
        raise TypeError(SECRET)

    monkeypatch.setattr(apprise.Apprise, "notify", explode)
    (address,) = addresses([SecretStr(f"json://127.0.0.1:9/{SECRET}")], "X")
    assert send(address, Message("t", "b", "info")) == "the service's plug-in failed (TypeError)"


def test_texts_are_told_as_they_are_and_on_one_line(tmp_path: Path, hook: Webhook, box: Mailbox):
    alerts = open_alerts(settings_of(tmp_path, hook.url(), box.url))
    evil = "<!channel> & <b>x</b>\r\nBcc: everyone@example.org\x00 *bold*"
    alerts.report("s", [condition(evil, text=evil)], NOW)
    line = "<!channel> & <b>x</b> Bcc: everyone@example.org *bold*"
    assert hook.titles == [f"energy_assets: warning: {line} is stale"]
    (mail,) = box.mails
    assert mail["Bcc"] is None and mail["To"] == "a@example.org"
    assert "<b>x</b>" not in str(mail.get_body(("html",)).get_content()) if mail.get_body(("html",)) else True


def test_half_a_character_of_a_provider_is_no_end(tmp_path: Path, hook: Webhook):
    done = open_alerts(settings_of(tmp_path, hook.url())).report("s", [condition(text="a \ud83d b")], NOW)
    assert done.error is None
    assert "a b" in hook.messages[0]["message"]


def test_a_service_is_sent_no_more_at_once_than_it_takes(monkeypatch: pytest.MonkeyPatch):
    from apprise.plugins.discord import NotifyDiscord

    sent: list[str] = []

    def post(self: object, payload: dict[str, str], *args: object, **options: object) -> bool:
        sent.append(payload["content"])
        return True

    monkeypatch.setattr(NotifyDiscord, "_send", post)
    (address,) = addresses([SecretStr(f"discord://{'1' * 10}/{'x' * 20}")], "X")
    assert send(address, Message("t", "- a line\n" * 400 + "the end", "info")) is None
    assert max(map(len, sent)) <= 2000
    assert sent[-1].endswith("the end")


def test_a_test_message_goes_to_everyone_and_changes_nothing(tmp_path: Path, hook: Webhook, box: Mailbox):
    settings = settings_of(tmp_path, hook.url(), ESCALATION_URLS=box.url, HEARTBEAT_URL=hook.heartbeat)
    tried = open_alerts(settings).test(NOW)
    assert [s.reason for s in tried] == [None, None, None]
    assert hook.titles == [m["Subject"] for m in box.mails] == ["energy_assets: test of alerts"]
    assert not (tmp_path / "alerts" / "incidents.json").exists()


def test_an_address_of_both_settings_is_told_of_the_end_once(tmp_path: Path, hook: Webhook):
    settings = settings_of(tmp_path, hook.url(), ESCALATION_URLS=hook.url(), ESCALATE_MINUTES="1")
    alerts: Alerts = open_alerts(settings)
    for minute in range(3):
        alerts.report("s", [condition()], NOW + minute * MINUTE)
    alerts.report("s", [], NOW + 5 * MINUTE)
    alerts.report("s", [], SETTLED)
    assert [t.split(": ")[1].split(",")[0] for t in hook.titles] == ["warning", "warning", "resolved"]
