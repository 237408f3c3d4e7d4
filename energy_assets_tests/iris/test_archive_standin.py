"""The stand-in of the archive: what its search accepts, what its pages and blobs look like, and its messages."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_assets.calendar import day_bounds_utc
from energy_assets.sandbox.archive import CONTAINER_PATH, ArchiveSandbox
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.messages import Message, Messages, recorded, tag_time
from energy_assets.sandbox.tags import Condition, TagQueryError, fit, parse
from energy_assets.sources.iris.envelope import encode, seal
from energy_assets_tests.iris.archive_world import HOUR, MESSAGES, NOON, Stage, staged

tag_names = st.text("abzABZ019 +-.:=_/", min_size=1, max_size=12)
tag_values = st.text("abzABZ019 +-.:=_/", max_size=12)
signs = st.sampled_from(["=", ">", ">=", "<", "<="])
conditions = st.lists(
    st.builds(Condition, tag_names, signs, tag_values),
    min_size=1,
    max_size=10,
    unique_by=lambda condition: condition.tag,
)


def written(conditions: list[Condition], blank: str = " ", joint: str = "AND") -> str:
    return f" {joint} ".join(f"\"{c.tag}\"{blank}{c.sign}{blank}'{c.value}'" for c in conditions)


def where(stream: str, from_utc: datetime, to_utc: datetime) -> str:
    return (
        f"\"Dataset\" = '{stream}' AND \"UploadTime\" >= '{tag_time(from_utc)}' AND "
        f"\"UploadTime\" < '{tag_time(to_utc)}'"
    )


class TestWhere:
    @given(conditions, st.sampled_from(["", " ", "  "]), st.sampled_from(["AND", "and", "And"]))
    def test_reads_what_is_written_after_the_rules(self, said: list[Condition], blank: str, joint: str) -> None:
        assert parse(written(said, blank, joint)) == tuple(said)

    @given(conditions, st.dictionaries(tag_names, tag_values, max_size=4))
    def test_compares_as_text(self, said: list[Condition], tags: dict[str, str]) -> None:
        compare = {
            "=": lambda a, b: a == b,
            ">": lambda a, b: a > b,
            ">=": lambda a, b: a >= b,
            "<": lambda a, b: a < b,
            "<=": lambda a, b: a <= b,
        }
        expected = all(c.tag in tags and compare[c.sign](tags[c.tag], c.value) for c in said)
        assert fit(parse(written(said)), tags) is expected

    @given(st.text("\"'ANDOR()<>=!@_aZ09 \t:%", max_size=40))
    def test_refuses_or_understands_any_text(self, text: str) -> None:
        try:
            understood = parse(text)
        except TagQueryError:
            return
        assert understood
        assert parse(written(list(understood))) == understood

    @pytest.mark.parametrize(
        "text",
        [
            "\"UploadTime\" > '2025-04-14' AND \"UploadTime\" < '2025-04-15'",
            "\"UploadTime\" <= '2025-04-14' AND \"Dataset\" = 'BOAV' AND \"UploadTime\" >= '2025-04-13'",
            "Dataset = 'BOAV'",
            "\"Dataset\"='BOAV'",
            "\"Malware Scanning scan result\" = ''",
        ],
    )
    def test_accepts(self, text: str) -> None:
        assert parse(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "Dataset",
            '"Dataset" = "BOAV"',
            "'Dataset' = 'BOAV'",
            '"Dataset" = BOAV',
            "\"Dataset\" == 'BOAV'",
            "\"Dataset\" <> 'BOAV'",
            "\"Dataset\" != 'BOAV'",
            "NOT \"Dataset\" = 'BOAV'",
            "(\"Dataset\" = 'BOAV')",
            "\"Dataset\" = 'BOAV' OR \"Dataset\" = 'BOD'",
            "\"Dataset\" = 'BOAV' AND",
            "\"Dataset\" = 'BOAV' \"Timestamp\" > '2025'",
            "\"Dataset\" = 'BOAV'; DROP",
            "\"Dataset\" = 'BO''AV'",
            "\"Dataset\" = 'BO*'",
            "\"\" = 'BOAV'",
            f"\"{'a' * 129}\" = 'x'",
            f"\"a\" = '{'x' * 257}'",
            "@container = 'iris-archive' AND \"Dataset\" = 'BOAV'",
            "\"Rank\" > '10' AND \"Rank\" >= '15'",
            "\"Rank\" = '10' AND \"Rank\" = '10'",
            "\"Rank\" = '10' AND \"Rank\" < '15'",
            "\"R\" > '1' AND \"R\" < '2' AND \"R\" < '3'",
            " AND ".join(f"\"t{n}\" = 'x'" for n in range(11)),
        ],
    )
    def test_refuses(self, text: str) -> None:
        with pytest.raises(TagQueryError):
            parse(text)


class TestMessages:
    @pytest.mark.parametrize(
        "stream", ["FUELINST", "BOALF", "MELS", "DISEBSP", "EBOCF", "REMIT", "WINDFOR", "mibm_mid"]
    )
    def test_bring_every_row_of_a_day_once(self, stream: str) -> None:
        day = date(2026, 3, 29)
        begin, end = day_bounds_utc(day)
        sent: list[str] = []
        for message in MESSAGES.between(stream, begin - timedelta(days=3), end + timedelta(days=3)):
            sent += map(json.dumps, json.loads(message.body))
        dataset = MESSAGES.streams[stream]
        rows = [
            json.dumps(row) for branch in dataset.branch_choices() for row in MESSAGES.source.rows(dataset, day, branch)
        ]
        assert rows
        assert {row: sent.count(row) for row in rows} == {row: rows.count(row) for row in rows}

    @given(st.lists(st.integers(0, 6 * 3600), max_size=4), st.sampled_from(["FUELINST", "SEL", "BOALF", "ISPSTACK"]))
    def test_of_adjacent_windows_are_those_of_the_whole(self, cuts: list[int], stream: str) -> None:
        bounds = [NOON, *(NOON + timedelta(seconds=cut) for cut in sorted(cuts)), NOON + 6 * HOUR]
        parts = [m for low, high in itertools.pairwise(bounds) for m in MESSAGES.between(stream, low, high)]
        whole = MESSAGES.between(stream, bounds[0], bounds[-1])
        assert parts == whole
        assert [m.sent_utc for m in whole] == sorted(m.sent_utc for m in whole)
        assert len({m.blob for m in whole}) == len(whole) > 0

    def test_are_the_same_again_and_found_by_the_name_of_their_blob(self) -> None:
        first, again = (Messages().between("BOALF", NOON, NOON + HOUR) for _ in range(2))
        assert first == again
        assert [MESSAGES.blob(message.blob) for message in first] == first
        assert MESSAGES.blob("data/BOALF/BOALF_202603291200_nothing.json") is None
        assert MESSAGES.blob("elsewhere/BOALF/" + first[0].message_id) is None
        assert MESSAGES.blob("data/BOALF/no-minute.json") is None
        assert MESSAGES.blob("data/BOALF/BOALF_999999999999_x.json") is None

    def test_are_pushed_as_a_string_of_json(self) -> None:
        message = MESSAGES.between("FUELINST", NOON, NOON + HOUR)[0]
        assert json.loads(json.loads(message.pushed)) == json.loads(message.body)

    def test_of_several_streams_come_in_order(self) -> None:
        streams = ["FREQ", "FUELINST", "SEL"]
        sent = list(MESSAGES.all_between(NOON, NOON + HOUR, streams))
        assert [m.sent_utc for m in sent] == sorted(m.sent_utc for m in sent)
        assert {m.stream for m in sent} == set(streams)
        assert len(sent) == sum(len(MESSAGES.between(stream, NOON, NOON + HOUR)) for stream in streams)

    def test_put_by_a_test_stand_among_them_or_in_their_place(self) -> None:
        messages = Messages()
        usual = messages.between("FUELINST", NOON, NOON + HOUR)
        other = Message("FUELINST", usual[3].message_id, usual[3].sent_utc, usual[3].timestamp, b"other")
        unknown = Message("NEW", "NEW_1.json", NOON, tag_time(NOON), b"[]")
        messages.put(other, unknown)
        assert messages.between("FUELINST", NOON, NOON + HOUR) == [*usual[:3], other, *usual[4:]]
        assert messages.between("NEW", NOON, NOON + HOUR) == [unknown]
        assert "NEW" in messages.names()
        assert messages.blob(other.blob) == other
        assert Messages.only([unknown]).names() == ["NEW"]

    @pytest.mark.parametrize(
        ("stream", "member"),
        [("FUELINST", "publishTime"), ("BOD", "timeFrom"), ("QAS", "settlementDate"), ("REMIT", "createdTime")],
    )
    def test_are_tagged_with_the_time_that_they_are_about(self, stream: str, member: str) -> None:
        message = MESSAGES.between(stream, NOON - 24 * HOUR, NOON)[0]
        assert message.timestamp.startswith(json.loads(message.body)[0][member][:10])
        assert message.tags["UploadTime"] == tag_time(message.sent_utc)

    def test_recorded_on_disk_are_read_again(self, tmp_path: Path) -> None:
        sent = MESSAGES.between("SEL", NOON, NOON + 6 * HOUR)
        lines = [
            encode(
                seal(
                    m.body,
                    subject=m.stream,
                    message_id=m.message_id,
                    sequence_number=n,
                    enqueued_utc=m.sent_utc,
                    received_utc=m.sent_utc,
                    source="IRIS",
                    origin="queue",
                )
            )
            for n, m in enumerate(sent[1:])
        ]
        (tmp_path / "segments").mkdir()
        (tmp_path / "segments" / "one.ndjson").write_bytes(b"".join(lines))
        (tmp_path / "SEL").mkdir()
        (tmp_path / "SEL" / sent[0].message_id).write_bytes(sent[0].body)
        found = {message.message_id: message for message in recorded(tmp_path)}
        assert {name: m.body for name, m in found.items()} == {m.message_id: m.body for m in sent}
        assert found[sent[0].message_id].sent_utc == sent[0].sent_utc.replace(second=0)
        assert {m.sent_utc for m in list(found.values()) if m.message_id != sent[0].message_id} == {
            m.sent_utc for m in sent[1:]
        }

    def test_recorded_nowhere_are_missed(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxError, match="holds no message"):
            recorded(tmp_path)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Stage, str]]:
    with staged() as stage:
        yield stage


@pytest.fixture
def archive(served: tuple[Stage, str]) -> ArchiveSandbox:
    return served[0].fresh(page_blobs=5)


@pytest.fixture
def client(served: tuple[Stage, str], archive: ArchiveSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[1], trust_env=False) as client:
        yield client


def search(client: httpx.Client, expression: str, **more: str) -> httpx.Response:
    return client.get("", params={"comp": "blobs", "restype": "container", "where": expression, **more})


def error_of(response: httpx.Response) -> tuple[int, str]:
    root = ElementTree.fromstring(response.content)
    assert root.tag == "Error"
    assert root.findtext("Code") == response.headers["x-ms-error-code"]
    assert root.findtext("Message")
    return response.status_code, root.findtext("Code") or ""


class TestSearch:
    def test_gives_pages_until_the_marker_is_empty(self, client: httpx.Client) -> None:
        expression = where("FUELINST", NOON, NOON + HOUR)
        sizes, names, marker = [], [], ""
        while True:
            answer = search(client, expression, **({"marker": marker} if marker else {}))
            assert answer.content.startswith(b"\xef\xbb\xbf<?xml")
            root = ElementTree.fromstring(answer.content)
            page = [blob.findtext("Name") for blob in root.iterfind("Blobs/Blob")]
            sizes.append(len(page))
            names += page
            marker = root.findtext("NextMarker") or ""
            if not marker:
                break
        sent = [message.blob for message in MESSAGES.between("FUELINST", NOON, NOON + HOUR)]
        assert sizes == [5, 5, 2]
        assert sorted(names) == sorted(sent)
        assert names != sent, "no order is promised"

    def test_shows_only_the_tags_that_it_names(self, client: httpx.Client) -> None:
        root = ElementTree.fromstring(search(client, where("FUELINST", NOON, NOON + HOUR)).content)
        keys = {tuple(sorted(tag.text or "" for tag in blob.iter("Key"))) for blob in root.iter("Blob")}
        assert keys == {("Dataset", "UploadTime")}
        assert {name.text for name in root.iter("ContainerName")} == {"iris-archive"}

    def test_takes_fewer_at_once_when_asked(self, client: httpx.Client) -> None:
        answer = search(client, where("FUELINST", NOON, NOON + HOUR), maxresults="2")
        assert len(list(ElementTree.fromstring(answer.content).iter("Blob"))) == 2

    def test_finds_by_other_tags_and_over_all_streams(self, client: httpx.Client) -> None:
        span = f"\"UploadTime\" >= '{tag_time(NOON)}' AND \"UploadTime\" < '{tag_time(NOON + HOUR / 60)}'"
        streams = {tag.text for tag in ElementTree.fromstring(search(client, span).content).iter("Name")}
        assert len(streams) == 5
        later = f"{where('FUELINST', NOON, NOON + HOUR)} AND \"Timestamp\" > '2027'"
        assert not list(ElementTree.fromstring(search(client, later).content).iter("Blob"))

    def test_finds_nothing_of_the_future(self, archive: ArchiveSandbox, client: httpx.Client) -> None:
        archive.clock = lambda: NOON + HOUR / 4
        found = ElementTree.fromstring(search(client, where("FUELINST", NOON, NOON + HOUR)).content)
        assert 0 < len(list(found.iter("Blob"))) <= 4
        later = MESSAGES.between("FUELINST", NOON + HOUR / 2, NOON + HOUR)[0]
        assert error_of(client.get(f"/{later.blob}")) == (404, "BlobNotFound")

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({}, (404, "ResourceNotFound")),
            ({"comp": "blobs"}, (404, "ResourceNotFound")),
            ({"comp": "list", "restype": "container"}, (404, "ResourceNotFound")),
            ({"comp": "blobs", "restype": "container"}, (400, "MissingRequiredQueryParameter")),
            (
                {"comp": "blobs", "restype": "container", "where": "\"a\" <> 'b'"},
                (400, "InvalidQueryParameterValue"),
            ),
            (
                {"comp": "blobs", "restype": "container", "where": "\"Dataset\" = 'BOD'"},
                (400, "InvalidQueryParameterValue"),
            ),
            (
                {"comp": "blobs", "restype": "container", "where": "\"UploadTime\" = 'noon'"},
                (400, "InvalidQueryParameterValue"),
            ),
        ],
    )
    def test_is_refused_in_the_stores_words(
        self, client: httpx.Client, params: dict[str, str], expected: tuple[int, str]
    ) -> None:
        assert error_of(client.get("", params=params)) == expected

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"maxresults": "0"}, "OutOfRangeQueryParameterValue"),
            ({"maxresults": "-3"}, "OutOfRangeQueryParameterValue"),
            ({"maxresults": "many"}, "InvalidQueryParameterValue"),
            ({"marker": "made up"}, "InvalidQueryParameterValue"),
        ],
    )
    def test_refuses_wrong_pages(self, client: httpx.Client, more: dict[str, str], code: str) -> None:
        assert error_of(search(client, where("FUELINST", NOON, NOON + HOUR), **more)) == (400, code)


class TestBlob:
    MESSAGE = max(MESSAGES.between("WINDFOR", NOON - 24 * HOUR, NOON), key=lambda message: len(message.body))

    def test_comes_whole_with_its_digest_and_our_mark(self, client: httpx.Client) -> None:
        answer = client.get(f"/{self.MESSAGE.blob}", headers={"Accept-Encoding": "identity"})
        assert answer.content == self.MESSAGE.body
        assert "content-encoding" not in answer.headers
        assert answer.headers["x-energy-assets-sandbox"] == "1"
        assert base64.b64decode(answer.headers["content-md5"]) == hashlib.md5(self.MESSAGE.body).digest()

    def test_is_compressed_by_the_front(self, client: httpx.Client) -> None:
        with client.stream("GET", f"/{self.MESSAGE.blob}", headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == self.MESSAGE.body

    @pytest.mark.parametrize(
        ("wanted", "part"), [("0-9", slice(0, 10)), ("10-", slice(10, None)), ("-7", slice(-7, None))]
    )
    def test_comes_in_part_by_the_standard_header(self, client: httpx.Client, wanted: str, part: slice) -> None:
        answer = client.get(f"/{self.MESSAGE.blob}", headers={"Range": f"bytes={wanted}"})
        assert answer.status_code == 206
        assert answer.content == self.MESSAGE.body[part]
        assert answer.headers["content-range"].endswith(f"/{len(self.MESSAGE.body)}")

    def test_comes_whole_where_the_range_is_in_the_stores_own_header(self, client: httpx.Client) -> None:
        answer = client.get(f"/{self.MESSAGE.blob}", headers={"x-ms-range": "bytes=0-9"})
        assert (answer.status_code, answer.content) == (200, self.MESSAGE.body)
        assert "content-range" not in answer.headers

    def test_has_no_part_beyond_its_end(self, client: httpx.Client) -> None:
        beyond = client.get(f"/{self.MESSAGE.blob}", headers={"Range": "bytes=99999999-"})
        assert error_of(beyond) == (416, "InvalidRange")
        assert client.get(f"/{self.MESSAGE.blob}", headers={"Range": "lines=1-2"}).status_code == 200

    def test_is_only_read(self, client: httpx.Client) -> None:
        assert error_of(client.delete(f"/{self.MESSAGE.blob}")) == (405, "UnsupportedHttpVerb")

    def test_may_be_missing(self, client: httpx.Client) -> None:
        assert error_of(client.get("/data/FUELINST/none.json")) == (404, "BlobNotFound")
        assert error_of(client.get("/short")) == (404, "BlobNotFound")


def test_faults_can_be_armed_from_outside(archive: ArchiveSandbox, client: httpx.Client) -> None:
    root = str(client.base_url).removesuffix(CONTAINER_PATH + "/")
    fault = {"kind": "status", "dataset": "tags/FUELINST", "status": 429, "seconds": 7, "count": 1}
    assert httpx.post(f"{root}/sandbox/faults", json=fault, trust_env=False).status_code == 201
    assert search(client, where("SEL", NOON, NOON + HOUR)).status_code == 200
    refused = search(client, where("FUELINST", NOON, NOON + HOUR))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert search(client, where("FUELINST", NOON, NOON + HOUR)).status_code == 200
    assert len(archive.requests.of("tags/FUELINST")) == 2
