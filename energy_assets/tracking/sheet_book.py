"""Reaching one spreadsheet through gspread: credentials, timeouts, and which answers are worth another attempt.

Values are sent ``RAW``, so that Google stores text as text whatever it begins with, and only into ranges that are
named: appending is not repeatable when an answer is lost. What is written is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy_assets.errors import SheetError
from energy_assets.tracking.sheet_layout import Block

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from gspread.exceptions import APIError
    from gspread.http_client import HTTPClient, ParamsType

GOOGLE = "https://sheets.googleapis.com"
SCOPES = ("https://www.googleapis.com/auth/spreadsheets",)
"""Nothing but spreadsheets: no files, no mail."""

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and between two bytes of an answer. A call takes half a second; the library's own default is to
wait for ever."""

TOKEN_SECONDS = 30
"""Longest wait for Google's token service; the library's own is two minutes."""

WORTH_ANOTHER = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses that may be gone in a moment."""

MOST_QUOTED = 300
"""Characters of Google's own words in a message of ours."""

Request = Mapping[str, Any]


class TryAgainError(Exception):
    """A call failed in a way that may be gone in a moment; whether it had an effect is not known.

    Attributes:
        wait: Seconds that Google asks to wait, ``None`` where it says nothing.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class NoSuchTabError(Exception):
    """One of the worksheets that were to be read is not there."""


@dataclass(frozen=True, slots=True)
class Tab:
    """A worksheet as it was read.

    Attributes:
        title: Its name.
        values: Its cells, blank ones at the end of rows and below left out.
        rows: Rows of its grid.
        columns: Columns of its grid.
    """

    title: str
    values: Sequence[Sequence[object]]
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class TabInfo:
    """A worksheet without its cells.

    Attributes:
        sheet_id: Its number, which renaming leaves.
        title: Its name.
        coloured: Whether it has rules of conditional formatting.
    """

    sheet_id: int
    title: str
    coloured: bool


class Book:
    """One spreadsheet.

    Args:
        http: gspread's client. Its methods for single calls are used, because its objects for spreadsheets and
            worksheets ask for metadata that nobody needs, a minute's worth on a large one.
        sheet_id: The spreadsheet.
        who: Who the credentials belong to, for people; empty where that is not known.
    """

    def __init__(self, http: HTTPClient, sheet_id: str, who: str = "") -> None:
        self._http = http
        self._id = sheet_id
        self._who = who
        self.calls = 0

    def read(self, titles: Sequence[str]) -> list[Tab]:
        """Worksheets with all their cells, in one call.

        Raises:
            NoSuchTabError: One is not there.
            TryAgainError: The call failed for the moment.
            SheetError: It was refused.
        """
        from gspread.utils import absolute_range_name

        ranges = [absolute_range_name(title) for title in titles]
        with self._call("reading"):
            answer = self._http.values_batch_get(self._id, ranges, {"valueRenderOption": "UNFORMATTED_VALUE"})
            found = answer["valueRanges"]
            return [_tab(title, given) for title, given in zip(titles, found, strict=True)]

    def tabs(self) -> list[TabInfo]:
        """Every worksheet, without cells.

        Raises:
            TryAgainError: The call failed for the moment.
            SheetError: It was refused.
        """
        wanted: ParamsType = {
            "fields": "sheets(properties(sheetId,title),conditionalFormats(ranges))",
            "includeGridData": "false",
        }
        with self._call("reading"):
            answer = self._http.fetch_sheet_metadata(self._id, wanted)
            return [
                TabInfo(s["properties"].get("sheetId", 0), s["properties"]["title"], bool(s.get("conditionalFormats")))
                for s in answer["sheets"]
            ]

    def write(self, changes: Mapping[str, Sequence[Block]]) -> None:
        """Put values into worksheets, by title, in one call that is done whole or not at all.

        Raises:
            TryAgainError: The call failed for the moment; whether it had an effect is not known.
            SheetError: It was refused.
        """
        from gspread.utils import absolute_range_name

        data = [
            {"range": absolute_range_name(title, _a1(block)), "majorDimension": "ROWS", "values": block.values}
            for title, blocks in changes.items()
            for block in blocks
        ]
        with self._call("writing"):
            self._http.values_batch_update(self._id, {"valueInputOption": "RAW", "data": data})

    def change(self, requests: Sequence[Request]) -> None:
        """Change worksheets themselves, in one call that is done whole or not at all.

        Raises:
            TryAgainError: The call failed for the moment; whether it had an effect is not known.
            SheetError: It was refused.
        """
        with self._call("changing"):
            self._http.batch_update(self._id, {"requests": list(requests)})

    @contextmanager
    def _call(self, doing: str) -> Iterator[None]:
        """One call, its errors sorted into those that may pass and those that stay."""
        import requests
        from google.auth.exceptions import GoogleAuthError, TransportError
        from gspread.exceptions import APIError

        self.calls += 1
        try:
            yield
        except APIError as error:
            raise self._sorted(doing, error) from error
        except (TransportError, requests.ConnectionError, requests.Timeout) as error:
            raise TryAgainError(f"{doing} it failed: {type(error).__name__}") from error
        except (requests.JSONDecodeError, requests.exceptions.ChunkedEncodingError) as error:
            raise TryAgainError(f"{doing} it was answered with something that is no JSON") from error
        except GoogleAuthError as error:
            if getattr(error, "retryable", False):
                raise TryAgainError(f"{doing} it failed: Google's token service did not answer") from error
            raise SheetError(
                "The credentials for the sheet are not accepted: mend ENERGY_ASSETS_SHEET_CREDENTIALS, or run `gcloud "
                f"auth application-default login --scopes=openid,{','.join(SCOPES)}`."
            ) from error
        except requests.RequestException as error:
            raise SheetError(f"{doing} the spreadsheet {self._id} failed for good: {type(error).__name__}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise TryAgainError(f"{doing} it was answered with JSON that is no answer of Google Sheets") from error

    def _sorted(self, doing: str, error: APIError) -> Exception:
        """What a refusal means for us. The library's own code is -1 where the body is a web page."""
        status = error.response.status_code
        words = " ".join(str(error.error.get("message", "")).split())[:MOST_QUOTED]
        if status in WORTH_ANOTHER:
            return TryAgainError(f"{doing} it failed with HTTP {status}", _wait(error.response.headers))
        if status == 400 and words.startswith("Unable to parse range"):
            return NoSuchTabError(words)
        if status == 400 and ("exceeds grid limits" in words or words.startswith("No grid with id")):
            return TryAgainError(f"{doing} it failed, because somebody changed the worksheets meanwhile")
        if status == 404:
            return SheetError(
                f"There is no spreadsheet {self._id}: set ENERGY_ASSETS_SHEET_ID to the address of the sheet, or the "
                "long part of it."
            )
        if status in (401, 403):
            who = self._who or "the account of the credentials"
            return SheetError(
                f"Google refuses {doing} the spreadsheet {self._id} ({words}): share it with {who} as an editor."
            )
        return SheetError(f"Google refuses {doing} the spreadsheet {self._id} (HTTP {status}: {words}).")


def open_book(
    sheet_id: str, credentials: Path | None = None, stand_in: str | None = None, timeout: tuple[float, float] = TIMEOUT
) -> Book:
    """A spreadsheet; nothing is asked before it is used, but a key file is read.

    Args:
        sheet_id: The spreadsheet.
        credentials: Key file of a service account; ``None`` for Google's application default credentials.
        stand_in: Address of a stand-in on loopback, which gets no credentials.
        timeout: Seconds to connect and between two bytes.

    Raises:
        SheetError: There are no usable credentials.
    """
    from google.auth.transport.requests import AuthorizedSession
    from gspread.http_client import HTTPClient

    if stand_in is not None:
        http = _at(stand_in)
        who = ""
    else:
        found = _credentials(credentials)
        http = HTTPClient(found, AuthorizedSession(found, refresh_timeout=TOKEN_SECONDS))
        who = str(getattr(found, "service_account_email", ""))
    http.set_timeout(timeout)
    return Book(http, sheet_id, who)


def _at(stand_in: str) -> HTTPClient:
    """The library's client, with every call sent to a stand-in."""
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession
    from gspread.http_client import HTTPClient

    class Redirected(HTTPClient):
        def request(self, method: str, endpoint: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as gspread
            if not endpoint.startswith(f"{GOOGLE}/"):
                raise SheetError(f"{endpoint} is no address of Google Sheets, and a stand-in answers for nothing else.")
            return super().request(method, stand_in + endpoint.removeprefix(GOOGLE), *args, **options)

    nobody = AnonymousCredentials()
    session = AuthorizedSession(nobody)
    # A proxy of the environment does not lead to this machine.
    session.trust_env = False
    return Redirected(nobody, session)


def _credentials(path: Path | None) -> Credentials:
    """Credentials for spreadsheets.

    Raises:
        SheetError: There are none. The text of a key file is in no message.
    """
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials as ServiceAccount

    try:
        if path is not None:
            account: Credentials = ServiceAccount.from_service_account_file(str(path), scopes=SCOPES)
            return account
        found: Credentials
        found, _ = google.auth.default(scopes=SCOPES)
    except OSError as error:
        raise SheetError(
            f"The key file {path or 'of GOOGLE_APPLICATION_CREDENTIALS'} cannot be read ({error.strerror}): set "
            "ENERGY_ASSETS_SHEET_CREDENTIALS to a service account's key file."
        ) from None
    # An attribute is what the library misses in JSON that is no object.
    except (ValueError, AttributeError, GoogleAuthError):
        where = (
            "No credentials for Google were found" if path is None else f"{path} is no key file of a service account"
        )
        raise SheetError(
            f"{where}: set ENERGY_ASSETS_SHEET_CREDENTIALS to a service account's key file, or make application "
            "default credentials."
        ) from None
    return found


def _tab(title: str, given: Mapping[str, Any]) -> Tab:
    from gspread.utils import a1_to_rowcol

    last = re.search(r"([A-Z]+[0-9]+)$", given["range"])
    if last is None:
        raise ValueError(f"the range {given['range']} has no end")
    rows, columns = a1_to_rowcol(last.group(1))
    return Tab(title, given.get("values", []), rows, columns)


def _a1(block: Block) -> str:
    from gspread.utils import rowcol_to_a1

    height, width = len(block.values), len(block.values[0])
    first = rowcol_to_a1(block.row + 1, block.column + 1)
    return f"{first}:{rowcol_to_a1(block.row + height, block.column + width)}"


def _wait(headers: Mapping[str, str]) -> float | None:
    told = headers.get("Retry-After", "")
    return float(told) if re.fullmatch(r"[0-9]{1,4}", told) else None
