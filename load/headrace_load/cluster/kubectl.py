"""What is asked of a cluster, by kubectl; bounded in time."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final

from headrace.kernel.errors import Fault, Misconfigured

CALL_S: Final = 60
POLL_S: Final = 0.5
TOO_MANY: Final = "TooManyRequests"


class Kubectl:
    """Talks to the cluster that KUBECONFIG names, about one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def run(self, *arguments: str, given: str | None = None, timeout_s: float = CALL_S) -> str:
        """What kubectl says; `Fault` with its last line when it fails."""
        done = self._ask(*arguments, given=given, timeout_s=timeout_s)
        if done.returncode != 0:
            raise Fault(f"kubectl {' '.join(arguments[:4])}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}")
        return done.stdout

    def get(self, *what: str) -> dict[str, Any]:
        """A resource, or a list of them; empty when there is none."""
        found = self.run("get", *what, "--ignore-not-found", "-o", "json")
        return json.loads(found) if found.strip() else {}

    def pods(self, workload: str) -> list[dict[str, Any]]:
        """The pods of a workload that are not on their way out, by name."""
        found = self.get("pods", "-l", f"app.kubernetes.io/name={workload}")["items"]
        here = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(here, key=lambda pod: str(pod["metadata"]["name"]))

    def ready(self, workload: str) -> int:
        """How many of a workload's pods are ready."""
        return sum(map(is_ready, self.pods(workload)))

    def evict(self, pod: str) -> bool:
        """Ask for a pod's eviction, as a drain does; False when its disruption budget does not allow it now (429)."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        done = self._ask("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
        if done.returncode == 0:
            return True
        if TOO_MANY in done.stderr or "disruption budget" in done.stderr:
            return False
        raise Fault(f"{pod} cannot be evicted: {done.stderr.strip()}")

    def serves(self, group: str) -> bool:
        """Whether the cluster has resources of that group."""
        return any(one.startswith(f"{group}/") for one in self.run("api-versions").split())

    def _ask(
        self, *arguments: str, given: str | None = None, timeout_s: float = CALL_S
    ) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        try:
            return subprocess.run(  # noqa: S603
                command, input=given, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except FileNotFoundError as error:
            raise Misconfigured("kubectl is not on the PATH") from error
        except subprocess.TimeoutExpired as error:
            raise Fault(f"kubectl {' '.join(arguments[:4])}: no answer within {timeout_s:.0f} s") from error


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready, and stays."""
    conditions = pod.get("status", {}).get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


def wait(holds: Callable[[], bool], what: str, seconds: float) -> float:
    """Wait until something holds; returns how long it took, in seconds. A `Fault` says what did not come."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise Fault(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - began
