"""The code location imported and its repository resolved, as Dagster's processes do when they start."""

import time

BEGUN = time.perf_counter()

import json  # noqa: E402

from energy_assets import definitions  # noqa: E402

IMPORTED = time.perf_counter()


def main() -> None:
    loaded = definitions.defs()
    repository = loaded.get_repository_def()
    for job in repository.get_all_jobs():
        repository.get_job(job.name)
    assets = len(repository.asset_graph.get_all_asset_keys())
    done = time.perf_counter()
    steps = {"import": IMPORTED - BEGUN, "resolve": done - IMPORTED}
    print(json.dumps({"assets": assets, "inside_s": done - BEGUN, "steps_s": steps}))


if __name__ == "__main__":
    main()
