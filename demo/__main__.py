"""Runs the demo from nothing to `demo-report/`: data, models, services, two changes, the report."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo import flights, train, workspace
from demo.conduct import Conductor, summarise
from demo.figures import Report, report_of
from demo.load import Load
from demo.processes import HOST, Instance, Processes, free_ports
from demo.report import write_report

CACHE = Path(".demo")
SPONSOR = "dee"
WARM_S = 4.0
BREATH_S = 4.0
VERSIONS = (("delay-predictor", "123"), ("rebooking", "123"), ("ops-board", "1"))


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run has to work with: files, addresses, instances. Addresses are `host:port`; its workspace, records
    and logs are in `home`.
    """

    home: Path
    flights: Path
    models: Path
    workspace: Path
    edge: str
    inner: str
    api: str
    instances: tuple[Instance, ...]

    def load(self, rate: float, seed: int, token: str) -> Load:
        """The load generator, not yet started; it posts outcomes with `token`."""
        records = self.home / "records.jsonl"
        return Load(f"http://{self.edge}", self.flights, rate, seed, records, f"http://{self.api}", token)

    def token(self) -> str:
        """The operator's token; there once the control plane runs."""
        return (self.workspace / ".interlock/token").read_text().strip()


def prepare(home: Path = CACHE) -> Stage:
    """Parse the flights, train the models (both only once), choose ports, write the workspace into `home`."""
    parsed = flights.prepare(CACHE)
    models = train.train(flights.open_parsed(parsed), CACHE)
    named = [(service, version) for service, versions in VERSIONS for version in versions]
    edge, inner, api, *ports = free_ports(3 + len(named))
    instances = tuple(Instance(s, v, port) for (s, v), port in zip(named, ports, strict=True))
    addresses = {"edge": f"{HOST}:{edge}", "inner": f"{HOST}:{inner}", "api": f"{HOST}:{api}"}
    filled = addresses | {i.placeholder: i.address for i in instances}
    written = workspace.render(home / "workspace", filled, models)
    return Stage(home, parsed, models, written, **addresses, instances=instances)


def start_services(stage: Stage, processes: Processes) -> None:
    """Every version of every service, side by side; returns when all are healthy."""
    for instance in stage.instances:
        processes.start_service(instance, f"http://{stage.inner}", stage.models)
    processes.wait_healthy([i.address for i in stage.instances])


def start_control_plane(stage: Stage, processes: Processes) -> None:
    """`interlock up` in the demo's workspace; returns when its API answers."""
    shutil.rmtree(stage.workspace / ".interlock", ignore_errors=True)
    processes.start("interlock", [sys.executable, "-m", "interlock", "-C", str(stage.workspace), "up"])
    processes.wait_healthy([f"{stage.api}/v1"])


def conduct(stage: Stage, given: argparse.Namespace, console: Console) -> Report:
    """Traffic all the while; change A, a breath, change B; then the figures, from what callers saw."""
    load = stage.load(given.rate, given.seed, stage.token()).start()
    try:
        conductor = Conductor(stage.workspace, load, console)
        conductor.let_traffic_flow(WARM_S)
        stories = [conductor.carry_out("change-a", SPONSOR)]
        conductor.let_traffic_flow(BREATH_S)
        stories.append(conductor.carry_out("change-b", SPONSOR))
        conductor.let_traffic_flow(BREATH_S)
    finally:
        records = load.stop()
    return report_of(records, stories, given.seed, given.rate, conductor.audit())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--seed", type=int, default=2013, help="where in the year the replay starts, and the mix")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second at the edge")
    parser.add_argument("--report", type=Path, default=Path("demo-report"), help="where the report goes")
    return parser.parse_args()


def main() -> None:
    given = parse_arguments()
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, so that nothing is left running
    with console.status("reading the flights of 2013, training three models"):
        stage = prepare()
    console.print(f"data and models ready after {time.monotonic() - began:.1f} s")
    with Processes(CACHE / "logs") as processes:
        start_services(stage, processes)
        start_control_plane(stage, processes)
        console.print(
            f"{len(stage.instances)} services, Envoy and the control plane ready after "
            f"{time.monotonic() - began:.1f} s; replaying flights, seed {given.seed}"
        )
        report = conduct(stage, given, console)
    page = write_report(report, given.report)
    summarise(report, console)
    console.print(f"\nreport: {page} (and report.json beside it), {time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("stopped") from None
