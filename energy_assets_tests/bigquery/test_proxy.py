"""That the line to the server fails as it is told to, and is a plain line otherwise."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from energy_assets_tests.bigquery.proxy import Proxy, proxied
from energy_assets_tests.bigquery.server import Addresses

JOBS = "/bigquery/v2/projects/p/jobs"
TABLES = "/bigquery/v2/projects/p/datasets/d/tables"


class Echo(BaseHTTPRequestHandler):
    """A server that tells what it was asked, and says of every job that it is done."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    heard: list[str]

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.heard.append(f"{self.command} {self.path}")
        job = {"jobId": "job-1"}
        answer = {
            "length": len(body),
            "host": self.headers["Host"],
            "mark": self.headers.get("X-Mark"),
            "jobReference": job,
            "jobComplete": True,
            "status": {"state": "DONE", "errorResult": None},
            "statistics": {"creationTime": "1", "endTime": "2"},
        }
        sent = b"" if self.command == "DELETE" else json.dumps(answer).encode()
        self.send_response_only(204 if self.command == "DELETE" else 200)
        self.send_header("X-Answer", "yes")
        if sent:
            self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - names that the base class looks for


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def line(heard: list[str]) -> Iterator[Proxy]:
    handler = type("Handler", (Echo,), {"heard": heard})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with proxied(f"http://127.0.0.1:{server.server_port}") as proxy:
                yield proxy
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def ask(line: Proxy) -> Iterator[Callable[..., requests.Response]]:
    with requests.Session() as session:

        def asked(method: str, path: str, **options: object) -> requests.Response:
            return session.request(method, f"{line.address}{path}", timeout=20, **options)

        yield asked


def test_everything_passes_unchanged(line: Proxy, ask):
    answer = ask("POST", f"{JOBS}?uploadType=x", data=b"x" * 300_000, headers={"X-Mark": "here"})

    assert answer.status_code == 200
    assert answer.headers["X-Answer"] == "yes"
    told = answer.json()
    assert (told["length"], told["mark"]) == (300_000, "here")
    assert f"http://{told['host']}" == line.address
    assert ask("DELETE", f"{TABLES}/t").status_code == 204
    assert ask("GET", JOBS).json()["length"] == 0


def test_an_upload_is_passed_on_while_it_comes(heard: list[str], ask):
    def blocks() -> Iterator[bytes]:
        for _ in range(5):
            yield b"y" * 100_000

    assert ask("PUT", f"/upload{JOBS}", data=blocks()).json()["length"] == 500_000
    assert heard == [f"PUT /upload{JOBS}"]


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", JOBS, "insert job"),
        ("GET", JOBS, "list jobs"),
        ("GET", f"{JOBS}/job-1", "get job"),
        ("POST", f"{JOBS}/job-1/cancel", "cancel job"),
        ("GET", "/bigquery/v2/projects/p/queries/job-1", "results"),
        ("POST", f"/upload{JOBS}", "upload"),
        ("GET", TABLES, "list tables"),
        ("POST", TABLES, "create table"),
        ("GET", f"{TABLES}/t", "get table"),
        ("PATCH", f"{TABLES}/t", "update table"),
        ("DELETE", f"{TABLES}/t", "delete table"),
        ("GET", "/bigquery/v2/projects/p/datasets/d", "get dataset"),
        ("GET", "/elsewhere", "other"),
    ],
)
def test_calls_are_known_by_their_kind(line: Proxy, ask, method: str, path: str, kind: str):
    ask(method, path)

    (call,) = line.calls()
    assert (call.method, call.path, call.kind, call.fault) == (method, path, kind, "")
    assert call.status in (200, 204)


def test_the_record_names_jobs_and_can_be_cleared(line: Proxy, ask):
    ask("POST", JOBS, data=json.dumps({"jobReference": {"jobId": "mine"}}))
    ask("GET", f"{JOBS}/mine")

    assert [(call.number, call.job_id) for call in line.calls()] == [(1, "mine"), (2, "mine")]
    assert line.calls("get job") == line.calls(lambda call: call.number == 2)
    line.reset()
    assert line.calls() == []


@pytest.mark.parametrize(("when", "reached"), [("before", 2), ("after", 3)])
def test_a_cut_happens_once_before_or_after_the_server_has_heard(line: Proxy, heard: list[str], ask, when, reached):
    line.cut(2, when=when, match="insert job")

    assert ask("GET", JOBS).ok
    assert ask("POST", JOBS).ok
    with pytest.raises(requests.ConnectionError):
        ask("POST", JOBS, data=b"z" * 200_000)
    assert len(heard) == reached
    assert line.pending == 0
    assert [(call.fault, call.status) for call in line.calls()][2] == (f"cut {when}", 0)
    assert ask("POST", JOBS).ok


def test_a_refusal_has_the_words_of_the_api_and_does_not_reach_the_server(line: Proxy, heard: list[str], ask):
    line.answer(503, "backendError", times=2, match=lambda call: call.path.endswith("/t"))

    assert ask("GET", f"{TABLES}/other").ok
    for _ in range(2):
        refused = ask("GET", f"{TABLES}/t")
        assert refused.status_code == 503
        assert refused.json()["error"]["errors"][0]["reason"] == "backendError"
    assert ask("GET", f"{TABLES}/t").ok
    assert len(heard) == 2


def test_a_slow_call_takes_its_time(line: Proxy, ask):
    line.delay((0.2, 0.3), per="call")

    begin = time.monotonic()
    ask("GET", JOBS)

    assert time.monotonic() - begin >= 0.2


def test_a_slow_job_runs_until_its_time_has_passed(line: Proxy, ask):
    line.delay(1.0)
    begin = time.monotonic()
    started = ask("POST", JOBS, data=json.dumps({"jobReference": {"jobId": "job-1"}})).json()
    results = "/bigquery/v2/projects/p/queries/job-1"

    assert started["status"] == {"state": "RUNNING"}
    assert started["statistics"] == {"creationTime": "1"}
    assert ask("GET", f"{JOBS}/job-1").json()["status"] == {"state": "RUNNING"}
    assert ask("GET", f"{results}?timeoutMs=100").json()["jobComplete"] is False
    assert time.monotonic() - begin < 0.9
    assert ask("GET", results).json()["jobComplete"] is True
    assert time.monotonic() - begin >= 1.0
    assert ask("GET", f"{JOBS}/job-1").json()["status"]["state"] == "DONE"


def test_several_clients_are_served_at_once(line: Proxy, ask):
    line.delay(0.5, per="call")
    begin = time.monotonic()

    threads = [threading.Thread(target=requests.get, args=(f"{line.address}{JOBS}",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(line.calls()) == 8
    assert time.monotonic() - begin < 3


def test_connections_can_be_dropped_in_the_midst_of_a_call(line: Proxy, ask):
    line.delay(2.0, per="call")
    threading.Timer(0.3, line.drop_connections).start()

    with pytest.raises(requests.ConnectionError):
        ask("GET", JOBS)


# With the client and the server that it is made for.


def test_bigquerys_client_works_over_the_line(bigquery_server: Addresses):
    bigquery = pytest.importorskip("google.cloud.bigquery", reason="the extra bigquery is not installed")
    from energy_assets.warehouse.bigquery.connection import emulated

    name = f"line_{uuid.uuid4().hex[:8]}"
    with proxied(bigquery_server.rest) as line:
        connection = emulated("local", name, "europe-west2", line.address, bigquery_server.storage)
        client = connection.client
        client.create_dataset(name)
        try:
            line.delay(1.5)
            begin = time.monotonic()
            assert [tuple(row) for row in client.query("SELECT 1", job_retry=None).result()] == [(1,)]
            assert time.monotonic() - begin >= 1.5
            line.delay((1.0, 1.5))
            config = bigquery.LoadJobConfig(autodetect=True, labels={"a": "b"})
            begin = time.monotonic()
            job = client.load_table_from_json([{"a": 1}, {"a": 2}], f"{name}.t", job_config=config)
            assert job.result().output_rows == 2
            assert time.monotonic() - begin >= 1.0
            assert {"insert job", "results", "upload", "get job"} <= {call.kind for call in line.calls()}
            line.reset()
            line.cut(match="insert job")
            with pytest.raises(requests.ConnectionError):
                client.query("SELECT 1", retry=None, job_retry=None)
            line.cut(when="after", match="insert job")
            with pytest.raises(requests.ConnectionError):
                client.query(f"CREATE TABLE {name}.made (k INT64)", job_id=f"{name}-lost", retry=None, job_retry=None)
            assert client.get_job(f"{name}-lost").result() is not None
            assert client.get_table(f"{name}.made").num_rows == 0
        finally:
            client.delete_dataset(name, delete_contents=True)
            connection.close()
