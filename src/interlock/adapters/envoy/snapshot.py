"""The files that Envoy reads, each replaced by an atomic rename, and how Envoy acknowledges them.

The files are also the start-up snapshot: Envoy comes back to the same world with everything else gone. A version
is the digest of the content; Envoy repeats it in its statistics once it has taken the file, and counts a rejection.
An in-place write would not be noticed, a rename is.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from interlock.adapters.envoy.admin import Admin
from interlock.adapters.envoy.names import API, Json
from interlock.adapters.envoy.waiting import wait_until
from interlock.kernel.digest import digest, short
from interlock.kernel.errors import Invalid, Unavailable


class ConfigurationRejected(Invalid):
    """Envoy refused what it was given."""

    code = "envoy.rejected"


class EnvoyUnaware(Unavailable):
    """Envoy answers, but did not take a new file in time."""

    code = "envoy.unaware"


class Part(StrEnum):
    """One file; the value is its name."""

    CLUSTERS = "clusters"
    LISTENERS = "listeners"
    EDGE = "edge"
    INNER = "inner"
    SHADOW = "shadow"

    @property
    def type(self) -> str:
        match self:
            case Part.CLUSTERS:
                return f"{API}config.cluster.v3.Cluster"
            case Part.LISTENERS:
                return f"{API}config.listener.v3.Listener"
            case _:
                return f"{API}config.route.v3.RouteConfiguration"

    @property
    def stats(self) -> str:
        """Prefix of the statistics about this part's updates."""
        match self:
            case Part.CLUSTERS:
                return "cluster_manager.cds"
            case Part.LISTENERS:
                return "listener_manager.lds"
            case _:
                return f"http.{self.value}.rds.{self.value}"


_WARMING = {
    Part.CLUSTERS: "cluster_manager.warming_clusters",
    Part.LISTENERS: "listener_manager.total_listeners_warming",
}


_REASON_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Taken:
    """What Envoy says of a part: the version it took last, and how many it ever rejected."""

    version: str
    rejected: int
    is_warming: bool


class Snapshot:
    """The files in one directory."""

    def __init__(self, directory: Path, admin: Admin, log: Path) -> None:
        self._directory = directory
        self._admin = admin
        self._log = log

    def exists(self) -> bool:
        return all(self._path(part).exists() for part in Part)

    def read(self, part: Part) -> bytes:
        return self._path(part).read_bytes()

    def write(self, part: Part, resources: list[Json]) -> bool:
        """Put `resources` in place without waiting; False when they are there already."""
        content = _content(part, resources)
        if self._path(part).exists() and self.read(part) == content:
            return False
        replace(self._path(part), content)
        return True

    def apply(self, part: Part, resources: list[Json], before: Taken, deadline_s: float) -> bool:
        """Replace `part` and return when Envoy has taken it; False when nothing had to change. `before` is what a
        `survey` said. ConfigurationRejected with Envoy's reason, EnvoyUnaware when it does not react in time.
        """
        return self.restore(part, _content(part, resources), before, deadline_s)

    def restore(self, part: Part, content: bytes, before: Taken, deadline_s: float) -> bool:
        """`apply` for the bytes of an earlier `read`."""
        version = json.loads(content)["version_info"]
        if before.version == version and self.read(part) == content:
            return False
        told_before = self._log.stat().st_size
        replace(self._path(part), content)
        seen = self._await(part, version, before.rejected, deadline_s)
        if seen.rejected > before.rejected:
            raise ConfigurationRejected(f"Envoy rejects the {part.value}: {self._reason(told_before)}")
        return True

    def survey(self) -> dict[Part, Taken]:
        """What Envoy says of each part, in one question."""
        names = "|".join(re.escape(part.stats) for part in Part)
        query = quote(f"^(({names})\\.(version_text|update_rejected)|.*_manager\\..*warming.*)$")
        told = self._admin.json(f"/stats?format=json&filter={query}")["stats"]
        values = {s["name"]: s["value"] for s in told if "name" in s}
        return {
            part: Taken(
                version=str(values.get(f"{part.stats}.version_text", "")),
                rejected=int(values.get(f"{part.stats}.update_rejected", 0)),
                is_warming=bool(int(values.get(_WARMING.get(part, ""), 0))),
            )
            for part in Part
        }

    def active_requests(self, clusters: set[str]) -> int:
        """How many requests are under way in `clusters`."""
        told = self._admin.json(f"/stats?format=json&filter={quote(r'^cluster[.].*[.]upstream_rq_active$')}")
        wanted = {f"cluster.{name.replace(':', '_')}.upstream_rq_active" for name in clusters}
        return sum(s["value"] for s in told["stats"] if s.get("name") in wanted)

    def _path(self, part: Part) -> Path:
        return self._directory / f"{part.value}.json"

    def _await(self, part: Part, version: str, rejected_before: int, deadline_s: float) -> Taken:
        """What Envoy says once it has taken, or rejected, the new file."""
        seen = Taken("", rejected_before, False)

        def has_answered() -> bool:
            nonlocal seen
            seen = self.survey()[part]
            return (seen.version == version and not seen.is_warming) or seen.rejected > rejected_before

        if not wait_until(has_answered, deadline_s):
            raise EnvoyUnaware(f"Envoy did not take the new {part.value} within {deadline_s:g} s")
        return seen

    def _reason(self, told_before: int) -> str:
        """Why Envoy rejected the last file. For files it says so in its log alone."""
        with self._log.open("rb") as log:
            log.seek(told_before)
            told = log.read().decode(errors="replace")
        _, found, reason = told.rpartition("update rejected: ")
        reason = " ".join(re.split(r"\n\[\d{4}-", reason)[0].split())
        return reason[-_REASON_CHARACTERS:] if found else f"see {self._log}"


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, durable over a power cut."""
    beside = path.with_name(f".{path.name}.next")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _content(part: Part, resources: list[Json]) -> bytes:
    typed = [{"@type": part.type, **resource} for resource in resources]
    return json.dumps({"version_info": short(digest(typed), 32), "resources": typed}).encode()
