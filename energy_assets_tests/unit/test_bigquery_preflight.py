"""Preflight: everything that can stand in the way of BigQuery is one sentence with its remedy."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.cloud import bigquery

from energy_assets.errors import SettingsError, WarehouseError
from energy_assets.warehouse.bigquery.connection import Connection, emulated
from energy_assets.warehouse.bigquery.jobs import Jobs
from energy_assets.warehouse.bigquery.preflight import TABLE_PERMISSIONS, preflight
from energy_assets_tests.unit.google import (
    DATASET,
    LOCATION,
    PROJECT,
    Answer,
    Call,
    Google,
    dataset,
    job,
    permissions,
    refusal,
    running,
)

JOBS = r"POST jobs"
GET_DATASET = rf"GET datasets/{DATASET}"
TEST = r"POST .*:testIamPermissions"
CREATE_TABLE = rf"POST datasets/{DATASET}/tables"

DENIED = refusal(403, "accessDenied", f"Access Denied: Project {PROJECT}: User does not have permission.")
NO_RECEIPTS = refusal(404, "notFound", f"Not found: Table {PROJECT}:{DATASET}._receipts")
NO_BILLING = refusal(
    403,
    "billingNotEnabled",
    "Billing has not been enabled for this project. Enable billing at https://console.cloud.google.com/billing. DML "
    "queries are not allowed in the free tier. Set up a billing account to remove this restriction.",
)
NOT_ENABLED = refusal(
    403,
    "accessNotConfigured",
    "BigQuery API has not been used in project 1234 before or it is disabled. Enable it by visiting https://… now.",
)


@pytest.fixture
def google() -> Iterator[Google]:
    with running(Google()) as service:
        yield service


def check(google: Google) -> None:
    connection = google.connection()
    try:
        preflight(Jobs(connection, patience=0.0))
    finally:
        connection.close()


def told(google: Google) -> str:
    with pytest.raises(WarehouseError) as caught:
        check(google)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    # What Google says itself may be several.
    own = re.sub(r" \(Google: .*\)\.$", ".", message)
    assert own.count(". ") == 0, "more than one sentence"
    return message


def test_a_warehouse_that_is_there_costs_four_free_calls(google):
    check(google)
    assert google.asked() == [
        "POST jobs",
        f"GET datasets/{DATASET}",
        f"POST datasets/{DATASET}/tables/_receipts:testIamPermissions",
        "RPC CreateReadSession",
    ]
    assert google.calls[0].body["configuration"]["dryRun"] is True
    assert google.calls[-1].body == f"projects/{PROJECT}/datasets/{DATASET}/tables/_receipts"


def test_a_new_warehouse_is_tried_out_with_a_table_that_is_dropped_and_expires(google):
    google.rules[TEST] = NO_RECEIPTS
    check(google)
    made = next(c for c in google.calls if f"{c.method} {c.path}" == f"POST datasets/{DATASET}/tables")
    name = made.body["tableReference"]["tableId"]
    assert name.startswith("_preflight_")
    assert int(made.body["expirationTime"]) > 0
    (changed,) = [c for c in google.calls if c.path == "jobs" and not c.body["configuration"].get("dryRun")]
    script = changed.body["configuration"]["query"]["query"]
    assert script.startswith(f"DELETE FROM `{PROJECT}.{DATASET}.{name}`")
    assert "CREATE OR REPLACE TABLE FUNCTION" in script
    assert "DROP TABLE FUNCTION" in script
    assert google.asked()[-1] == f"DELETE datasets/{DATASET}/tables/{name}"


def test_a_missing_dataset_is_made_where_the_settings_say(google):
    def find(call: Call) -> Answer:
        made = "POST datasets" in google.asked()
        return Answer(200, dataset(LOCATION)) if made else refusal(404, "notFound", "Not found: Dataset")

    google.rules[GET_DATASET] = find
    check(google)
    made = next(c for c in google.calls if c.method == "POST" and c.path == "datasets")
    assert made.body["location"] == LOCATION
    assert made.body["labels"] == {"owner": "energy_assets"}


def test_a_dataset_that_another_process_makes_meanwhile_is_taken(google):
    answers = [refusal(404, "notFound", "Not found: Dataset"), Answer(200, dataset(LOCATION))]
    google.rules[GET_DATASET] = lambda call: answers.pop(0)
    google.rules["POST datasets"] = refusal(409, "duplicate", "Already Exists: Dataset")
    check(google)


def test_a_dataset_elsewhere_is_one_sentence_with_both_remedies(google):
    google.rules[GET_DATASET] = Answer(200, dataset("US"))
    assert told(google) == (
        f"The dataset {PROJECT}.{DATASET} is in US, but ENERGY_ASSETS_BIGQUERY_LOCATION is {LOCATION}: set that to US, "
        "or name another dataset by ENERGY_ASSETS_SCHEMA, because a dataset cannot be moved."
    )


def test_the_case_of_a_location_does_not_matter(google):
    google.rules[GET_DATASET] = Answer(200, dataset(LOCATION.upper()))
    check(google)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            {JOBS: DENIED},
            ["may not run jobs", "roles/bigquery.jobUser", "GOOGLE_CLOUD_PROJECT", "(Google: Access Denied: Project"],
        ),
        ({JOBS: refusal(404, "notFound", "Not found: Project mine")}, ["There is no project mine"]),
        ({JOBS: NOT_ENABLED}, ["not enabled in project mine", "gcloud services enable"]),
        (
            {JOBS: refusal(400, "invalid", "The project mine has not enabled BigQuery.")},
            ["not enabled in project mine", "gcloud services enable"],
        ),
        (
            {JOBS: refusal(400, "invalid", "Invalid storage region: moon")},
            [LOCATION, "ENERGY_ASSETS_BIGQUERY_LOCATION"],
        ),
        (
            {JOBS: refusal(404, "notFound", "Not found: Dataset mine:energy was not found in location US")},
            ["does not know the location", "(Google: Not found: Dataset mine:energy was not found in location US)"],
        ),
        ({JOBS: refusal(400, "invalid", "Something else")}, ["Something else"]),
        (
            {JOBS: refusal(403, "quotaExceeded", "Quota exceeded: your project exceeded quota for queries per day")},
            ["quota of project mine is used up", "(Google: Quota exceeded: your project"],
        ),
        (
            {JOBS: refusal(403, "policyViolation", "VPC Service Controls: Request is prohibited by policy, id: abc")},
            ["VPC Service Controls keep", "perimeter", "id: abc"],
        ),
        (
            {JOBS: refusal(400, "bytesBilledLimitExceeded", "Query exceeded limit for bytes billed: 1. 10485760 or")},
            ["ENERGY_ASSETS_BIGQUERY_MAX_BYTES_BILLED", "10485760"],
        ),
        ({JOBS: refusal(403, "responseTooLarge", "Too much of it")}, ["Asking project mine failed: Too much of it."]),
        ({JOBS: refusal(503, "backendError", "Try later")}, ["Try later"]),
        ({GET_DATASET: DENIED}, ["may not see the dataset mine.energy", "roles/bigquery.dataEditor"]),
        (
            {GET_DATASET: refusal(404, "notFound", "Not found: Dataset"), "POST datasets": DENIED},
            ["no dataset mine.energy", "roles/bigquery.user", "bq --location=europe-west2 mk", "mine:energy"],
        ),
        ({TEST: DENIED}, ["roles/bigquery.dataEditor"]),
        ({TEST: permissions(TABLE_PERMISSIONS[:4])}, ["roles/bigquery.dataEditor", "bigquery.tables.updateData"]),
        ({TEST: permissions(())}, ["bigquery.tables.getData"]),
        ({TEST: NO_RECEIPTS, CREATE_TABLE: DENIED}, ["roles/bigquery.dataEditor", "bigquery.tables.create"]),
    ],
)
def test_what_stands_in_the_way_is_told_with_its_remedy(google, rules, words):
    google.rules.update(rules)
    message = told(google)
    assert [word for word in words if word not in message] == []


def statements_are_refused(answer: Answer) -> dict[str, object]:
    def jobs(call: Call) -> Answer:
        return Answer(200, _dry(call)) if call.body["configuration"].get("dryRun") else answer

    return {JOBS: jobs, TEST: NO_RECEIPTS}


def _dry(call: Call) -> dict[str, object]:
    return job("dry", call.body)


def test_a_project_without_billing_is_told_and_the_trial_table_is_dropped(google):
    google.rules.update(statements_are_refused(NO_BILLING))
    message = told(google)
    assert message.startswith("Project mine has no billing")
    assert "console.cloud.google.com/billing" in message
    assert google.asked()[-1].startswith(f"DELETE datasets/{DATASET}/tables/_preflight_")


def test_a_job_that_ends_without_billing_says_the_same(google):
    def jobs(call: Call) -> Answer:
        done = _dry(call)
        if not call.body["configuration"].get("dryRun"):
            error = NO_BILLING.body["error"]["errors"][0]
            done["status"] = {"state": "DONE", "errorResult": error, "errors": [error]}
        return Answer(200, done)

    google.rules.update({JOBS: jobs, r"GET jobs/.*": lambda call: Answer(200, _failed()), TEST: NO_RECEIPTS})
    google.rules[r"GET queries/.*"] = NO_BILLING
    assert told(google).startswith("Project mine has no billing")


def _failed() -> dict[str, object]:
    error = NO_BILLING.body["error"]["errors"][0]
    return job("x", {}) | {"status": {"state": "DONE", "errorResult": error, "errors": [error]}}


def test_a_trial_table_that_cannot_be_dropped_does_not_hide_the_reason(google):
    google.rules.update(statements_are_refused(NO_BILLING))
    google.rules[r"DELETE .*"] = DENIED
    assert told(google).startswith("Project mine has no billing")


def test_a_role_without_dropping_is_told(google):
    google.rules.update({TEST: NO_RECEIPTS, r"DELETE .*": DENIED})
    assert "bigquery.tables.delete" in told(google)


def test_reading_through_the_storage_api_must_be_allowed(google):
    google.session = (
        grpc.StatusCode.PERMISSION_DENIED,
        "request failed: the user does not have 'bigquery.readsessions.create' permission for 'projects/mine'",
    )
    message = told(google)
    assert "roles/bigquery.readSessionUser" in message
    assert "storage API" in message


def test_a_table_too_new_for_the_storage_api_does_not_matter(google):
    google.session = (grpc.StatusCode.NOT_FOUND, "Not found: Table")
    check(google)


def test_a_stand_in_without_its_storage_api_is_a_setting_to_mend(google):
    connection = emulated(PROJECT, DATASET, LOCATION, google.rest, None)
    with pytest.raises(SettingsError, match="ENERGY_ASSETS_BIGQUERY_STORAGE_ENDPOINT"):
        preflight(Jobs(connection, patience=0.0))
    connection.close()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def connected(credentials: Credentials | Exception, address: str) -> Connection:
    """A connection as to the real service, with a console."""

    @contextmanager
    def open_client() -> Iterator[bigquery.Client]:
        if isinstance(credentials, Exception):
            raise credentials
        options = {"api_endpoint": address}
        with bigquery.Client(PROJECT, credentials=credentials, client_options=options) as client:
            yield client

    def open_reader() -> object:
        raise AssertionError("not reached")

    return Connection(PROJECT, DATASET, LOCATION, open_client, open_reader, console="https://console")


def refused(connection: Connection) -> str:
    try:
        with pytest.raises(WarehouseError) as caught:
            preflight(Jobs(connection, patience=0.0))
    finally:
        connection.close()
    return str(caught.value)


def test_a_stand_in_that_does_not_run_is_told_with_its_setting():
    address = f"http://127.0.0.1:{closed_port()}"
    connection = emulated(PROJECT, DATASET, LOCATION, address, "127.0.0.1:1")
    assert refused(connection) == (
        f"Nothing answers at {address}: check BIGQUERY_EMULATOR_HOST (Google: BigQuery cannot be reached)."
    )


class Expired(Credentials):
    def refresh(self, request: object) -> None:
        raise auth.RefreshError("invalid_grant: Token has been expired or revoked.", {"error": "invalid_grant"})


class Valid(Credentials):
    def refresh(self, request: object) -> None:
        self.token = "t"


def test_google_out_of_reach_is_told():
    message = refused(connected(Valid(), f"http://127.0.0.1:{closed_port()}"))
    assert message == (
        "Google cannot be reached: check the network and HTTPS_PROXY (Google: BigQuery cannot be reached)."
    )


def test_missing_credentials_are_told(google):
    missing = auth.DefaultCredentialsError("File /keys/gone.json was not found.")
    message = refused(connected(missing, google.rest))
    assert message == (
        "No Google credentials were found: run `gcloud auth application-default login`, or set "
        "GOOGLE_APPLICATION_CREDENTIALS to a key file (Google: File /keys/gone.json was not found)."
    )


def test_expired_credentials_are_told(google):
    message = refused(connected(Expired(), google.rest))
    assert "which may have expired" in message
    assert "Token has been expired or revoked" in message
    assert google.calls == []


def test_credentials_that_google_refuses_are_told(google):
    google.rules[JOBS] = refusal(401, "authError", "Invalid Credentials")
    message = refused(connected(Valid(), google.rest))
    assert "which may have expired" in message
    assert message.endswith("(Google: Invalid Credentials).")
    assert "gcloud auth" in message


def test_a_dataset_that_goes_as_soon_as_it_is_made_is_told(google):
    google.rules[GET_DATASET] = refusal(404, "notFound", "Not found: Dataset")
    assert "gone again" in told(google)


def test_a_stand_in_with_data_kept_passes(bigquery_server):
    project, name = "local", f"preflight_{uuid.uuid4().hex}"
    connection = emulated(project, name, LOCATION, bigquery_server.rest, bigquery_server.storage)
    try:
        preflight(Jobs(connection, patience=10.0))
        assert connection.client.get_dataset(f"{project}.{name}").location == LOCATION
        assert list(connection.client.list_tables(f"{project}.{name}")) == []
        day = bigquery.SchemaField("day", "DATE")
        connection.client.create_table(bigquery.Table(f"{project}.{name}._receipts", [day]))
        preflight(Jobs(connection, patience=10.0))
        assert [t.table_id for t in connection.client.list_tables(f"{project}.{name}")] == ["_receipts"]
        elsewhere = emulated(project, name, "US", bigquery_server.rest, bigquery_server.storage)
        assert f"is in {LOCATION}, but" in refused(elsewhere)
    finally:
        connection.close()
