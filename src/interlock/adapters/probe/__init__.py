"""Asks endpoints over HTTP whether they are well."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from interlock.domain.releases.release import Deployment

PARALLEL = 16


class HttpProbe:
    """Well means: a 2xx answer to GET `health_path`, or an accepted connection where no path is declared."""

    def __init__(self, timeout_s: float = 2.0) -> None:
        self._timeout_s = timeout_s

    def ill(self, deployments: Sequence[Deployment]) -> dict[str, str]:
        """`service@version endpoint` -> reason, for each endpoint that is not well."""
        asked = [(d, endpoint) for d in deployments for endpoint in d.endpoints]
        if not asked:
            return {}
        with ThreadPoolExecutor(min(PARALLEL, len(asked))) as pool:
            reasons = list(pool.map(lambda pair: self._reason(*pair), asked))
        named = (f"{d.service}@{d.version} {endpoint}" for d, endpoint in asked)
        return {name: reason for name, reason in zip(named, reasons, strict=True) if reason}

    def _reason(self, deployment: Deployment, endpoint: str) -> str:
        host, _, port = endpoint.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=self._timeout_s)
        try:
            connection.connect()
            if not deployment.health_path:
                return ""
            connection.request("GET", deployment.health_path, headers={"connection": "close"})
            status = connection.getresponse().status
            return "" if 200 <= status < 300 else f"GET {deployment.health_path} answers {status}"
        except (OSError, http.client.HTTPException) as fault:
            return f"does not answer ({fault or type(fault).__name__})"
        finally:
            connection.close()
