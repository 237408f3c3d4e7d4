"""What all tests share: how property tests search, the BigQuery server of this machine, and where alerts arrive."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from energy_assets_tests.bigquery.server import Addresses, absence, running
from energy_assets_tests.unit.alerting import Mailbox, Webhook, mailbox, webhook

# A deadline would be an assertion about time. In CI the same examples are tried each time, so that a red run is a
# finding about the change and not about luck; elsewhere the search goes on.
settings.register_profile("suite", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("suite")


@pytest.fixture(scope="session")
def bigquery_serving() -> Iterator[Callable[[], Addresses]]:
    """Starts the BigQuery server when it is first asked for; one for each test process."""
    with ExitStack() as stack:
        started: list[Addresses] = []

        def serving() -> Addresses:
            reason, excused = absence()
            if reason and excused:
                pytest.skip(reason)
            if reason:
                pytest.fail(reason)
            if not started:
                started.append(stack.enter_context(running()))
            return started[0]

        yield serving


@pytest.fixture
def bigquery_server(bigquery_serving: Callable[[], Addresses]) -> Addresses:
    """Where the BigQuery server listens."""
    return bigquery_serving()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Where alerts arrive by HTTP."""
    with webhook() as made:
        yield made


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """Where alerts arrive by mail."""
    with mailbox() as made:
        yield made
