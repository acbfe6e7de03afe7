"""Runs the demo from nothing to `demo-report/`: data, models, services, two changes, the report."""

from __future__ import annotations

import argparse
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from demo import flights, train, workspace
from demo.load import Load
from demo.processes import HOST, Instance, Processes, free_ports

CACHE = Path(".demo")
VERSIONS = (("delay-predictor", "123"), ("rebooking", "123"), ("ops-board", "1"))


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run has to work with: files, addresses, instances. Addresses are `host:port`."""

    flights: Path
    models: Path
    workspace: Path
    edge: str
    inner: str
    api: str
    instances: tuple[Instance, ...]

    def load(self, rate: float, seed: int, token: str) -> Load:
        """The load generator, not yet started; it posts outcomes with `token`."""
        records = CACHE / "records.jsonl"
        return Load(f"http://{self.edge}", self.flights, rate, seed, records, f"http://{self.api}", token)


def prepare() -> Stage:
    """Parse the flights, train the models (both only once), choose ports, write the workspace."""
    parsed = flights.prepare(CACHE)
    models = train.train(flights.open_parsed(parsed), CACHE)
    named = [(service, version) for service, versions in VERSIONS for version in versions]
    edge, inner, api, *ports = free_ports(3 + len(named))
    instances = tuple(Instance(s, v, port) for (s, v), port in zip(named, ports, strict=True))
    addresses = {"edge": f"{HOST}:{edge}", "inner": f"{HOST}:{inner}", "api": f"{HOST}:{api}"}
    filled = addresses | {i.placeholder: i.address for i in instances}
    written = workspace.render(CACHE / "workspace", filled, models)
    return Stage(parsed, models, written, **addresses, instances=instances)


def start_services(stage: Stage, processes: Processes) -> None:
    """Every version of every service, side by side; returns when all are healthy."""
    for instance in stage.instances:
        processes.start_service(instance, f"http://{stage.inner}", stage.models)
    processes.wait_healthy([i.address for i in stage.instances])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=2013, help="where in the year the replay starts, and the mix")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second at the edge")
    parser.add_argument("--report", type=Path, default=Path("demo-report"), help="where the report goes")
    return parser.parse_args()


def main() -> None:
    given = parse_arguments()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, so that nothing is left running
    stage = prepare()
    print(f"data and models ready after {time.monotonic() - began:.1f} s")
    with Processes(CACHE / "logs") as processes:
        start_services(stage, processes)
        print(f"{len(stage.instances)} services healthy after {time.monotonic() - began:.1f} s, seed {given.seed}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped") from None
