"""Makes the two large files of NESO's portal that are loaded: a month of skip rates and one of frequency."""

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

BEGUN = time.perf_counter()

HALF_HOURS = 31 * 48
"""A file holds a month."""

SKIP_HEADER = (
    "date,bm_unit,fuel,bid_offer,stage,available_volume_MWh,average_price_per_MWh,pair_id,accepted_volume_MWh,"
    "in_merit_volume_MWh,skipped_volume_MWh\n"
)
FUELS = ("WIND", "CCGT", "BATTERY", "PS", "BIOMASS")
STAGES = 5
FIRST_HALF_HOUR = datetime(2026, 7, 1, tzinfo=UTC)
FIRST_SECOND = datetime(2026, 7, 1, tzinfo=UTC)


def skip_rates(rows: int) -> Iterator[str]:
    """Units by half hour and stage; values follow from their place, with as many digits as the portal writes."""
    per_half_hour = -(-rows // HALF_HOURS)
    left = rows
    for number in range(HALF_HOURS):
        stamp = (FIRST_HALF_HOUR + number * timedelta(minutes=30)).strftime("%Y-%m-%d %H:%M:%S")
        lines = []
        for place in range(min(per_half_hour, left)):
            unit, stage = divmod(place, STAGES)
            volume = (number * 31 + place * 17) % 99_991 / 1000
            price = (number * 7 + place * 13) % 19_997 / 100 - 60
            side = "Bid" if unit % 2 else "Offer"
            lines.append(
                f"{stamp},T_UNIT-{unit:03},{FUELS[unit % 5]},{side},{stage},{volume:.3f},{price:.2f},"
                f"{unit % 5 - 2},{volume / 2:.3f},{volume / 4:.3f},{volume / 4:.6f}\n"
            )
        left -= len(lines)
        yield "".join(lines)


def frequency(rows: int) -> Iterator[str]:
    """One value a second around 50 Hz."""
    for first in range(0, rows, 3600):
        start = FIRST_SECOND + timedelta(seconds=first)
        lines = []
        for second in range(min(3600, rows - first)):
            value = 50 + ((first + second) * 37 % 401 - 200) / 1000
            lines.append(f"{start + timedelta(seconds=second):%Y-%m-%d %H:%M:%S},{value:.3f}\n")
        yield "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--skip", type=int, required=True)
    parser.add_argument("--frequency", type=int, required=True)
    args = parser.parse_args()
    made = {"skip": (SKIP_HEADER, skip_rates(args.skip)), "frequency": ("dtm,f\n", frequency(args.frequency))}
    for name, (header, pieces) in made.items():
        with (args.folder / f"{name}.csv").open("w", encoding="ascii", newline="") as file:
            file.write(header)
            file.writelines(pieces)
    sizes = {name: (args.folder / f"{name}.csv").stat().st_size for name in made}
    print(json.dumps({"bytes": sizes, "inside_s": time.perf_counter() - BEGUN}))


if __name__ == "__main__":
    main()
