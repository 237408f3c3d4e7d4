"""Turns at a table's next commit, jobs whose end is not known, and a service that does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from energy_assets.errors import WarehouseBusyError, WarehouseError
from energy_assets.warehouse.bigquery import commit, fence, jobs
from energy_assets.warehouse.bigquery.fence import MOVED, Fence
from energy_assets.warehouse.bigquery.gathering import Gathering
from energy_assets.warehouse.bigquery.jobs import JobFailedError, Jobs, UnsettledJobError, is_refused, safe_job_id
from energy_assets.warehouse.bigquery.layout import ID
from energy_assets.warehouse.bigquery.store import BigQueryWarehouse
from energy_assets_tests.bigquery.proxy import Call as ProxyCall
from energy_assets_tests.bigquery.proxy import proxied
from energy_assets_tests.contract.store import DAY, BigQueryStore, batch, content, counts
from energy_assets_tests.contract.tables import PRICES
from energy_assets_tests.unit.google import Answer, Call, Google, job, refusal, running


def price(period: int, value: float = 50.0) -> dict[str, object]:
    return {"settlementDate": DAY, "settlementPeriod": period, "price": value}


# With the server of this machine.


@pytest.fixture(scope="module")
def store(bigquery_serving: Callable[[], object]) -> Iterator[BigQueryStore]:
    made = BigQueryStore(bigquery_serving())  # type: ignore[arg-type]
    yield made
    made.discard()


def table_id(warehouse: BigQueryWarehouse) -> str:
    name = f"{warehouse.schema}.{PRICES.name}"
    return str(warehouse.jobs.connection.client.get_table(name).labels[ID])


def test_failed_jobs_are_stepped_over_and_a_commit_taken_back_stops_nobody(
    store: BigQueryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "TURNS_MOST", 2)
    with proxied(store.addresses.rest) as line:
        warehouse = store.open(rest=line.address)
        warehouse.write(batch(PRICES, [price(1)]))
        client = warehouse.jobs.connection.client
        for attempt in range(4):
            words = ("commit", store.dataset, PRICES.name, table_id(warehouse), "2", str(attempt))
            failed = client.query("SELECT nothing", job_id=safe_job_id(*words), retry=None, job_retry=None)
            assert failed.exception() is not None
        line.reset()
        assert counts(warehouse.write(batch(PRICES, [price(2)])))["inserted"] == 1
        begun = [call.job_id.split("-")[1] for call in line.calls("insert job")]
        assert begun.count("compare") == 1

        # As after restoring the dataset, or that table, to an earlier moment.
        store.query(f"DELETE FROM {store.dataset}._commits WHERE generation = 2")
        assert counts(warehouse.write(batch(PRICES, [price(3)])))["inserted"] == 1
        warehouse.close()
    reading = store.open()
    assert [row["settlementPeriod"] for row in content(reading, PRICES)] == [1, 2, 3]
    reading.close()


def test_what_a_job_may_still_read_stays_until_it_expires(store: BigQueryStore) -> None:
    def commits(call: ProxyCall) -> bool:
        return call.kind in ("insert job", "get job", "results") and "-commit-" in call.job_id

    def staging(warehouse: BigQueryWarehouse) -> set[str]:
        items = warehouse.jobs.connection.client.list_tables(warehouse.schema)
        return {item.table_id for item in items if item.table_id.startswith("_stg_")}

    with proxied(store.addresses.rest) as line:
        warehouse = store.open(rest=line.address, patience=0.0)
        before = staging(warehouse)
        line.cut(when="after", match=commits)
        with pytest.raises(UnsettledJobError, match=r"job energy_assets-commit-.* may still run"):
            warehouse.write(batch(PRICES, [price(4)]))
        (left,) = staging(warehouse) - before
        assert warehouse.jobs.connection.client.get_table(f"{warehouse.schema}.{left}").expires is not None
        warehouse.close()


# With a service that answers as it is told to.


@pytest.fixture
def google() -> Iterator[Google]:
    with running(Google()) as service:
        yield service


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are too short to wait for."""
    for module in (jobs, fence):
        monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
        monkeypatch.setattr(module, "LONGEST_WAIT", 0.001)


class Turn:
    """A writer's turns at the commits of one table."""

    def __init__(self, google: Google, patience: float) -> None:
        self._jobs = Jobs(google.connection(), patience=patience)
        self._fence = Fence(self._jobs, "bmrs_mid", "0a", "Writing to bmrs_mid")

    def at(self, generation: int) -> bool:
        """Try to commit after a generation."""

        def send(job_id: str) -> None:
            self._jobs.once("SELECT 1", what="Writing", job_id=job_id, table="bmrs_mid", purpose="commit")

        return self._fence.run(generation, send)


def ending(google: Google, *ends: str) -> list[str]:
    """Let jobs end in turn with these reasons, empty for success; gives the ids of those that were begun."""
    begun: list[str] = []
    left = list(ends)
    by_name: dict[str, dict[str, object]] = {}

    def begin(call: Call) -> Answer:
        name = call.body["jobReference"]["jobId"]
        begun.append(name)
        made = job(name, call.body)
        if reason := left.pop(0):
            error = {"reason": reason.partition(":")[0], "message": reason.partition(":")[2] or reason}
            made["status"] = {"state": "DONE", "errorResult": error, "errors": [error]}
        by_name[name] = made
        return Answer(200, made)

    google.rules["POST jobs"] = begin
    google.rules["GET jobs/.*"] = lambda call: Answer(200, by_name[call.path.rpartition("/")[2]])
    return begun


@pytest.mark.usefixtures("hasty")
def test_a_transaction_that_fails_for_now_is_sent_again_with_another_id(google: Google) -> None:
    begun = ending(google, "backendError", "rateLimitExceeded", "")
    assert Turn(google, 60.0).at(6)
    assert begun == [f"energy_assets-commit-energy-bmrs_mid-0a-7-{n}" for n in range(3)]


@pytest.mark.usefixtures("hasty")
def test_failing_again_and_again_is_not_taken_for_being_outrun(google: Google) -> None:
    ending(google, "backendError:The backend is tired")
    with pytest.raises(JobFailedError, match=r"failed 1 times, and no other writer was faster; the last time: .*tired"):
        Turn(google, 0.0).at(6)


def test_a_state_that_has_moved_is_compared_again_and_a_fault_of_ours_is_told(google: Google) -> None:
    begun = ending(google, f"invalidQuery:{MOVED}", "", "invalidQuery:No such column")
    own = Turn(google, 60.0)
    assert not own.at(6)
    assert own.at(6)
    with pytest.raises(JobFailedError, match="No such column"):
        own.at(7)
    assert [name.split("-")[-2:] for name in begun] == [["7", "0"], ["7", "1"], ["8", "0"]]


@pytest.mark.usefixtures("hasty")
def test_a_job_of_another_account_is_waited_for_unseen(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    google.rules["POST jobs"] = refusal(409, "duplicate", "Already Exists: Job")
    google.rules["GET jobs/.*"] = refusal(403, "accessDenied", "Access Denied: bigquery.jobs.get")
    own = Turn(google, 60.0)
    assert not own.at(6)
    assert not own.at(6)
    monkeypatch.setattr(fence, "JOB_SECONDS", -1.0)
    with pytest.raises(WarehouseBusyError, match=r"bmrs_mid-0a-7-0 of another account.*bigquery\.jobs\.get"):
        own.at(6)


def test_a_job_that_does_not_end_is_named(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "JOB_SECONDS", 0.2)
    running_on = {"status": {"state": "RUNNING"}}
    begun: list[Call] = []

    def begin(call: Call) -> Answer:
        begun.append(call)
        return Answer(200, job(call.body["jobReference"]["jobId"], call.body) | running_on)

    google.rules["POST jobs"] = begin
    google.rules["GET jobs/.*"] = lambda call: Answer(200, job(call.path[5:], begun[0].body) | running_on)
    google.rules["GET queries/.*"] = lambda call: Answer(
        200, {"jobComplete": False, "jobReference": begun[0].body["jobReference"]}
    )
    with pytest.raises(UnsettledJobError, match=r"its job energy_assets-read-.* has been running for 0 minutes"):
        Jobs(google.connection(), patience=60.0).query("SELECT 1", what="Reading")


@pytest.mark.usefixtures("hasty")
def test_once_nothing_has_answered_for_long_the_rest_is_refused_at_once(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    google.rules["GET jobs/.*"] = refusal(503, "backendError", "Try later")
    own = Jobs(google.connection(), patience=0.05)

    def ask() -> object:
        return own.call("Asking", lambda client: client.get_job("x", retry=None))

    with pytest.raises(WarehouseError, match="Asking failed: Try later"):
        ask()
    asked = len(google.calls)
    assert asked > 1
    with pytest.raises(WarehouseError, match=r"Asking was not tried: Try later, and 0 seconds of asking again"):
        ask()
    assert len(google.calls) == asked

    # Now and then one looks whether it is over.
    monkeypatch.setattr(jobs, "PROBE_SECONDS", 0.0)
    assert own._outage is not None
    own._outage = replace(own._outage, probe_at=0.0)
    with pytest.raises(WarehouseError, match="Asking failed: Try later"):
        ask()
    assert len(google.calls) == asked + 1
    del google.rules["GET jobs/.*"]
    ask()
    assert own._outage is None


def together(fail: Callable[[list[str]], Exception | None]) -> tuple[list[list[str]], list[str]]:
    """Three items that come while a first one is worked on: the groups that were tried, and what became of each."""
    started, go = threading.Event(), threading.Event()
    tried: list[list[str]] = []

    def work(items: object) -> list[str]:
        group = list(items)  # type: ignore[call-overload]
        tried.append(group)
        if group == ["first"]:
            started.set()
            go.wait(30)
        elif (error := fail(group)) is not None:
            raise error
        return group

    gathering: Gathering[str, str] = Gathering(work, lambda _: 1, 10, divides=is_refused)
    ends: dict[str, str] = {}

    def ask(item: str) -> None:
        try:
            ends[item] = gathering.ask(item)
        except WarehouseError as error:
            ends[item] = str(error)

    threads = [threading.Thread(target=ask, args=("first",))]
    threads[0].start()
    started.wait(30)
    for item in ("a", "b", "c"):
        threads.append(threading.Thread(target=ask, args=(item,)))
        threads[-1].start()
        while item not in [ticket.item for ticket in gathering._waiting]:
            threading.Event().wait(0.001)
    go.set()
    for thread in threads:
        thread.join()
    return tried[1:], [ends[item] for item in ("a", "b", "c")]


def test_what_may_have_been_done_is_not_tried_again_for_each_item() -> None:
    tried, ends = together(lambda group: UnsettledJobError("nobody knows"))
    assert tried == [["a", "b", "c"]]
    assert ends == ["nobody knows"] * 3


def test_one_bad_item_harms_no_other() -> None:
    tried, ends = together(lambda group: JobFailedError("bad", transient=False) if "b" in group else None)
    assert tried == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert ends == ["a", "bad", "c"]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("status", "reason", "again"),
    [
        (403, "quotaExceeded", True),
        (403, "rateLimitExceeded", True),
        (403, "accessDenied", False),
        (429, "x", True),
        (500, "internalError", True),
        (400, "invalidQuery", False),
    ],
)
def test_what_may_help_is_tried_again_and_nothing_else(google: Google, status: int, reason: str, again: bool) -> None:
    answers = [refusal(status, reason, "Not now"), Answer(200, job("x", {}))]
    google.rules["GET jobs/x"] = lambda call: answers.pop(0)
    own = Jobs(google.connection(), patience=60.0)
    try:
        own.call("Asking", lambda client: client.get_job("x", retry=None))
    except WarehouseError as error:
        assert "Asking failed: Not now" in str(error)
    assert (not answers) == again
