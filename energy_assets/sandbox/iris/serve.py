"""The sandbox of IRIS as a process: ``python -m energy_assets.sandbox.iris.serve``.

Prints its addresses as one line of JSON and serves until its standard input is closed, so that it ends with whoever
started it. Options and what is printed belong here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import get_args

from energy_assets.sandbox.elexon import BASE_PATH
from energy_assets.sandbox.faults import SandboxError
from energy_assets.sandbox.iris.broker import SecondConsumer
from energy_assets.sandbox.iris.control import control_app
from energy_assets.sandbox.iris.queue import Rules
from energy_assets.sandbox.iris.running import QUEUE, Options, running_iris
from energy_assets.sandbox.server import running

BAD_USAGE = 2


def options_of(arguments: Sequence[str]) -> Options:
    """What the options say."""
    usual = Rules()
    parser = argparse.ArgumentParser(prog="python -m energy_assets.sandbox.iris.serve", description=__doc__)
    parser.add_argument("--queue", default=QUEUE, help="name of the queue")
    parser.add_argument("--port", type=int, default=0, help="port of the broker; 0 takes a free one")
    parser.add_argument("--lock-seconds", type=float, default=usual.lock.total_seconds())
    parser.add_argument("--most-deliveries", type=int, default=usual.most_deliveries)
    parser.add_argument("--ttl-seconds", type=float, default=usual.ttl.total_seconds())
    parser.add_argument("--token-seconds", type=int, default=None, help="life of a token")
    parser.add_argument("--idle-seconds", type=float, default=None, help="silence after which a connection is ended")
    parser.add_argument("--second-consumer", choices=get_args(SecondConsumer), default="compete")
    given = parser.parse_args(arguments)
    rules = Rules(timedelta(seconds=given.lock_seconds), given.most_deliveries, timedelta(seconds=given.ttl_seconds))
    return Options(given.queue, rules, given.token_seconds, given.second_consumer, given.idle_seconds, given.port)


def main(arguments: Sequence[str]) -> int:
    """Serve until standard input is closed.

    Returns:
        The exit code.
    """
    try:
        with running_iris(options_of(arguments)) as iris, running(control_app(iris)) as url:
            said = {"control": url.removesuffix(BASE_PATH), **asdict(iris.addresses)}
            sys.stdout.write(f"{json.dumps(said)}\n")
            sys.stdout.flush()
            sys.stdin.read()
    except SandboxError as error:
        sys.stderr.write(f"Error: {error}\n")
        return BAD_USAGE
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
