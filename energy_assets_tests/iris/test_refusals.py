"""The command against a queue that lets nobody in, or a link that is dead and does not say so."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from energy_assets.sandbox.iris.running import Iris, running_iris
from energy_assets.sources.iris.listener import REFUSALS_BELIEVED
from energy_assets_tests.iris.listening import end_of, environment_of, ids, messages, start, stored_ids

REFUSED, UNREACHABLE = 3, 4

Prepare = Callable[[Iris], object]
Begin = Callable[..., subprocess.Popen[str]]

REFUSALS: dict[str, tuple[Prepare, dict[str, str], str]] = {
    "expired secret": (
        lambda iris: iris.configure(secret_expired=True),
        {},
        "The secret of the IRIS client has expired (AADSTS7000222): make another one",
    ),
    "wrong tenant": (
        lambda iris: None,
        {"IRIS_TENANT_ID": str(UUID(int=1))},
        "The tenant of IRIS_TENANT_ID does not exist (AADSTS90002)",
    ),
    "unknown queue": (lambda iris: None, {"IRIS_QUEUE_NAME": "iris.other"}, "There is no queue iris.other in "),
    "refused queue": (
        lambda iris: iris.fault("refuse_attach", condition="unauthorized"),
        {},
        "The queue iris.sandbox in ",
    ),
    "refused token": (lambda iris: iris.fault("refuse_token", status=401), {}, "The queue iris.sandbox in "),
}


@pytest.fixture
def iris() -> Iterator[Iris]:
    with running_iris(lock=timedelta(seconds=1)) as running:
        yield running


@pytest.fixture
def begin(iris: Iris, tmp_path: Path) -> Iterator[Begin]:
    """Starts the command with variables of its own; whatever fails, it does not outlive the test."""
    begun: list[subprocess.Popen[str]] = []

    def go(**changed: str) -> subprocess.Popen[str]:
        begun.append(start(environment_of(iris, tmp_path, **changed)))
        return begun[-1]

    yield go
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def only_error(err: str) -> str:
    """The one sentence; there is no traceback, and nothing else after it."""
    assert "Traceback" not in err
    (sentence,) = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert err.rstrip().endswith(sentence)
    return sentence.removeprefix("Error: ")


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_sentence_a_code_and_no_second_attempt(iris: Iris, begin: Begin, name: str) -> None:
    prepare, changed, beginning = REFUSALS[name]
    prepare(iris)
    code, out, err = end_of(begin(**changed))
    assert (code, out) == (REFUSED, "")
    assert only_error(err).startswith(beginning)
    assert iris.addresses.client_secret not in err
    state = iris.state()
    assert (state.accepted <= 1, state.tokens <= 1) == (True, True), state


def test_a_secret_that_expires_while_listening_ends_it_after_three_refusals(
    iris: Iris, begin: Begin, tmp_path: Path
) -> None:
    # A token is good for the next link as long as it lives.
    iris.configure(token_seconds=4)
    iris.put(messages(30))
    listener = begin()
    iris.wait(lambda s: s.messages.completed == 30)
    iris.configure(secret_expired=True)
    iris.fault("reset")
    code, _, err = end_of(listener)
    assert code == REFUSED
    assert only_error(err).startswith("The secret of the IRIS client has expired")
    assert err.count("The link is made anew (open)") == REFUSALS_BELIEVED - 1
    assert set(stored_ids(tmp_path)) == ids(30)


def test_a_queue_out_of_reach_is_tried_ever_more_rarely(iris: Iris, begin: Begin) -> None:
    iris.stop()
    code, _, err = end_of(begin(ENERGY_ASSETS_IRIS_GIVE_UP_SECONDS="3"))
    assert code == UNREACHABLE
    assert "could not be listened to for" in only_error(err)
    # Pauses of 0.1 s at least that double at least every time, up to what is left of the three seconds.
    assert err.count("The link is made anew") <= 7


def test_a_dead_link_that_looks_like_an_empty_queue_is_made_anew(iris: Iris, begin: Begin, tmp_path: Path) -> None:
    """One connection falls silent and stays open; nobody closes it, and messages wait behind it."""
    iris.put(messages(20))
    listener = begin(ENERGY_ASSETS_IRIS_SILENCE_SECONDS="2")
    iris.wait(lambda s: s.messages.completed == 20)
    # The connection that stands is deaf and dumb from now on; a new one is not.
    iris.clear(iris.fault("black_hole"))
    iris.put(messages(20, start=20))
    # The watchdog is the only one that can notice.
    iris.wait(lambda s: s.messages.completed == 40)
    listener.send_signal(signal.SIGTERM)
    code, _, err = end_of(listener)
    assert code == 0
    assert "The link is made anew: nothing came for 2 s." in err
    assert set(stored_ids(tmp_path)) == ids(40)
