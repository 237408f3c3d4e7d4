"""Fills a drop folder: small messages in segments as our listener writes them, or a backlog of one file a message.

The backlog has the shape of one that was met after two days: tens of thousands of one-row files of MILS and MELS,
some thousands of 20 to 900 rows, and fifty of 13 MB that make nearly half of its bytes.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from energy_assets.sources.iris.connection import PREFETCH
from energy_assets.sources.iris.dropfolder import DropFolder
from energy_assets.sources.iris.envelope import Envelope, seal

SPAN = timedelta(days=2)

Rows = Callable[[int, int, datetime], str]
"""JSON text of one row, by the number of its message, its place in it, and the time."""

UNITS = 1_200


def _limit(stream: str) -> Rows:
    return lambda n, p, at: (
        f'{{"dataset":"{stream}","settlementDate":"{at:%Y-%m-%d}","settlementPeriod":{n % 48 + 1},'
        f'"timeFrom":"{at:%Y-%m-%dT%H:%M:00Z}","timeTo":"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:00Z}",'
        f'"levelFrom":{n % 600},"levelTo":{n % 500},"notificationTime":"{at:%Y-%m-%dT%H:%M:%SZ}",'
        f'"notificationSequence":{n},"nationalGridBmUnit":"UNIT-{n % UNITS}","bmUnit":"T_UNIT-{n % UNITS}"}}'
    )


def _freq(n: int, p: int, at: datetime) -> str:
    return f'{{"dataset":"FREQ","measurementTime":"{at:%Y-%m-%dT%H:%M:%SZ}","frequency":{49.8 + n % 400 / 1000:.3f}}}'


def _fuelinst(n: int, p: int, at: datetime) -> str:
    return (
        f'{{"dataset":"FUELINST","publishTime":"{at:%Y-%m-%dT%H:%M:00Z}","startTime":"{at:%Y-%m-%dT%H:%M:00Z}",'
        f'"settlementDate":"{at:%Y-%m-%d}","settlementPeriod":{n % 48 + 1},"fuelType":"FUEL{p}","generation":{n + p}}}'
    )


def _boalf(n: int, p: int, at: datetime) -> str:
    return (
        f'{{"dataset":"BOALF","settlementDate":"{at:%Y-%m-%d}","settlementPeriodFrom":{n % 48 + 1},'
        f'"settlementPeriodTo":{n % 48 + 1},"timeFrom":"{at:%Y-%m-%dT%H:%M:00Z}","timeTo":"{at:%Y-%m-%dT%H:%M:00Z}",'
        f'"levelFrom":{n % 600},"levelTo":{p},"acceptanceNumber":{n},"acceptanceTime":"{at:%Y-%m-%dT%H:%M:00Z}",'
        f'"deemedBoFlag":false,"soFlag":false,"amendmentFlag":"ORI","storFlag":false,"rrFlag":false,'
        f'"nationalGridBmUnit":"UNIT-{p}","bmUnit":"T_UNIT-{p}"}}'
    )


def _indgen(n: int, p: int, at: datetime) -> str:
    return (
        f'{{"dataset":"INDGEN","generation":{n % 900 + p},"publishTime":"{at:%Y-%m-%dT%H:%M:00Z}",'
        f'"startTime":"{at + timedelta(minutes=30 * (p // 18)):%Y-%m-%dT%H:%M:00Z}","settlementDate":"{at:%Y-%m-%d}",'
        f'"settlementPeriod":{n % 48 + 1},"boundary":"B{p % 18}"}}'
    )


def _bod(n: int, p: int, at: datetime) -> str:
    return (
        f'{{"dataset":"BOD","settlementDate":"{at:%Y-%m-%d}","settlementPeriod":{n % 48 + 1},'
        f'"timeFrom":"{at:%Y-%m-%dT%H:%M:00Z}","levelFrom":{p},"timeTo":"{at:%Y-%m-%dT%H:%M:00Z}","levelTo":{p},'
        f'"pairId":{n % 5 + 1},"offer":{n % 90}.5,"bid":-{p % 90}.25,"nationalGridBmUnit":"UNIT-{p}","bmUnit":"T_UNIT-{p}"}}'
    )


def _outlook(n: int, p: int, at: datetime) -> str:
    return (
        f'{{"dataset":"UOU2T3YW","fuelType":"CCGT","nationalGridBmUnit":"UNIT-{p % UNITS}",'
        f'"bmUnit":"T_UNIT-{p % UNITS}","publishTime":"{at:%Y-%m-%dT%H:%M:00Z}","week":{p // UNITS + 1},"year":2026,'
        f'"outputUsable":{n + p}}}'
    )


BACKLOG: dict[str, tuple[int, int, Rows]] = {
    "MILS": (43_500, 1, _limit("MILS")),
    "MELS": (26_000, 1, _limit("MELS")),
    "BOALF": (19_000, 50, _boalf),
    "FREQ": (7_600, 1, _freq),
    "INDGEN": (2_400, 900, _indgen),
    "FUELINST": (850, 20, _fuelinst),
    "BOD": (600, 500, _bod),
    "UOU2T3YW": (50, 75_000, _outlook),
}
"""Files and rows of each by stream: 100,000 files, 1.5 GB. Rows as they were counted; the numbers of files are those
of the streams that were told, and BOALF, INDGEN and BOD make up what is left of the bytes."""

SMALL: dict[str, tuple[int, int, Rows]] = {
    "MILS": (45, 1, _limit("MILS")),
    "MELS": (35, 1, _limit("MELS")),
    "FREQ": (20, 1, _freq),
}
"""Of a hundred messages of one row."""


def body(stream: str, number: int, rows: int, row: Rows, at: datetime) -> str:
    """The JSON text of a message."""
    return f"[{','.join(row(number, place, at) for place in range(rows))}]"


def backlog(root: Path, part: float, now: datetime) -> tuple[int, int]:
    """One file a message, over two days; gives files and bytes."""
    files = size = 0
    for stream, (whole, most, row) in BACKLOG.items():
        folder = root / stream
        folder.mkdir(parents=True)
        count = max(1, round(whole * part))
        rows = max(1, round(most * part)) if most > 1_000 else most
        for number in range(count):
            at = now - SPAN * (1 - number / count) - timedelta(minutes=1)
            path = folder / f"{stream}_{at:%Y%m%d%H%M}_{number:08d}.json"
            content = body(stream, number, rows, row, at).encode()
            path.write_bytes(content)
            os.utime(path, (at.timestamp(), at.timestamp()))
            files, size = files + 1, size + len(content)
    return files, size


def small(root: Path, count: int, now: datetime) -> tuple[int, int]:
    """Small messages in segments, packed as on the queue; gives messages and bytes of bodies."""
    folder, size, batch = DropFolder(root), 0, list[Envelope]()
    with folder.claim():
        for number, (stream, text) in enumerate(_small(count, now)):
            packed = json.dumps(text).encode()
            size += len(packed)
            batch.append(_sealed(stream, number, packed, now))
            if len(batch) == PREFETCH:
                folder.write_segment(batch, now)
                batch = []
        if batch:
            folder.write_segment(batch, now)
    return count, size


def _small(count: int, now: datetime) -> Iterator[tuple[str, str]]:
    streams = [stream for stream, (share, _, _) in SMALL.items() for _ in range(share)]
    for number in range(count):
        # 37 and 100 have no common factor, so the streams are mixed.
        stream = streams[number * 37 % len(streams)]
        yield stream, body(stream, number, 1, SMALL[stream][2], now)


def _sealed(stream: str, number: int, packed: bytes, now: datetime) -> Envelope:
    return seal(
        packed,
        subject=stream,
        message_id=f"{stream}_{now:%Y%m%d%H%M}_{number:08d}.json",
        sequence_number=number,
        enqueued_utc=now,
        received_utc=now,
        source="IRIS",
        origin="benchmark",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--small", type=int, help="so many small messages in segments")
    chosen.add_argument("--backlog", type=float, help="this part of the backlog; 1 is all of it")
    given = parser.parse_args()
    now = datetime.now(UTC)
    done = backlog(given.root, given.backlog, now) if given.backlog else small(given.root, given.small, now)
    print(json.dumps({"messages": done[0], "bytes": done[1], "inside_s": 0.0}))


if __name__ == "__main__":
    main()
