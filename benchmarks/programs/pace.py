"""How long the client's own pace makes a number of requests last that are answered at once."""

import argparse
import json

from energy_assets.settings import Settings
from energy_assets.sources.http import BURST_SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, required=True)
    args = parser.parse_args()
    rate = Settings().elexon_requests_per_second
    print(json.dumps({"seconds": max(0.0, args.requests / rate - BURST_SECONDS), "inside_s": 0.0}))


if __name__ == "__main__":
    main()
