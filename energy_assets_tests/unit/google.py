"""Google on loopback: BigQuery's REST API and its storage API, answering as it is told to.

Real HTTP and gRPC in Google's shapes, so that the real client libraries read the answers; no data are kept.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import types

from energy_assets.warehouse.bigquery.connection import Connection, emulated

PROJECT = "mine"
DATASET = "energy"
LOCATION = "europe-west2"

CREATE_SESSION = "/google.cloud.bigquery.storage.v1.BigQueryRead/CreateReadSession"


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        method: HTTP method.
        path: Path below the project, without parameters.
        parameters: The query part.
        body: What was sent.
    """

    method: str
    path: str
    parameters: str
    body: Any


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int
    body: Any = None


def refusal(status: int, reason: str, message: str) -> Answer:
    """An error as Google words it."""
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason, "domain": "global"}]}
    return Answer(status, {"error": error})


@dataclass
class Google:
    """The scripted service.

    Attributes:
        rules: Answers by ``METHOD path`` pattern, before the usual ones; the first that fits.
        session: How the storage API refuses a session, ``None`` when it does not.
        calls: What was asked.
    """

    rules: dict[str, Answer | Callable[[Call], Answer]] = field(default_factory=dict)
    session: tuple[grpc.StatusCode, str] | None = None
    calls: list[Call] = field(default_factory=list)
    rest: str = ""
    storage: str = ""

    def asked(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.calls]

    def connection(self) -> Connection:
        return emulated(PROJECT, DATASET, LOCATION, self.rest, self.storage)

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        for pattern, given in self.rules.items():
            if re.fullmatch(pattern, f"{call.method} {call.path}"):
                return given(call) if callable(given) else given
        return self._usual(call)

    def _usual(self, call: Call) -> Answer:
        match call.method, call.path.split("/"):
            case "POST", ["jobs"]:
                return Answer(200, job(call.body.get("jobReference", {}).get("jobId", "dry"), call.body))
            case "GET", ["jobs", name]:
                return Answer(200, job(name, {}))
            case "GET", ["queries", name]:
                reference = {"projectId": PROJECT, "jobId": name, "location": LOCATION}
                return Answer(200, {"jobComplete": True, "jobReference": reference, "totalRows": "0", "schema": {}})
            case "GET", ["datasets", _]:
                return Answer(200, dataset(LOCATION))
            case "POST", ["datasets"] | ["datasets", _, "tables"]:
                return Answer(200, call.body)
            case "POST", ["datasets", _, "tables", name] if name.endswith(":testIamPermissions"):
                return Answer(200, {"permissions": call.body["permissions"]})
            case "DELETE", _:
                return Answer(204)
        return refusal(404, "notFound", f"Not found: {call.path}")


def job(name: str, body: Mapping[str, Any], **statistics: Any) -> dict[str, Any]:
    """A job that is done."""
    configuration = body.get("configuration") or {"jobType": "QUERY", "query": {"query": "SELECT 1"}}
    return {
        "id": f"{PROJECT}:{LOCATION}.{name}",
        "jobReference": {"projectId": PROJECT, "jobId": name, "location": LOCATION},
        "configuration": configuration,
        "status": {"state": "DONE"},
        "statistics": {"query": {"statementType": "SELECT"}, **statistics},
    }


def dataset(location: str) -> dict[str, Any]:
    """A dataset as it is described."""
    return {"datasetReference": {"projectId": PROJECT, "datasetId": DATASET}, "location": location}


@contextmanager
def running(google: Google) -> Iterator[Google]:
    """Serve for as long as the context lasts."""
    with _rest(google), _storage(google):
        yield google


@contextmanager
def _rest(google: Google) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, parameters = self.path.partition("?")
            below = path.removeprefix(f"/bigquery/v2/projects/{PROJECT}/")
            answer = google.answer(Call(self.command, below, parameters, json.loads(sent) if sent else None))
            body = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    google.rest = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _storage(google: Google) -> Iterator[None]:
    def create(request: types.CreateReadSessionRequest, context: grpc.ServicerContext) -> types.ReadSession:
        google.calls.append(Call("RPC", "CreateReadSession", "", request.read_session.table))
        if google.session is not None:
            context.abort(*google.session)
        return types.ReadSession(name=f"projects/{PROJECT}/locations/{LOCATION}/sessions/1")

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            if details.method != CREATE_SESSION:
                return None
            return grpc.unary_unary_rpc_method_handler(
                create, types.CreateReadSessionRequest.deserialize, types.ReadSession.serialize
            )

    server = grpc.server(ThreadPoolExecutor(2), [Handlers()])
    google.storage = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


def permissions(given: Sequence[str]) -> Answer:
    """What the credentials may do with a table."""
    return Answer(200, {"permissions": list(given)})
