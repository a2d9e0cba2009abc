"""Kafka and Postgres on this machine, and the overlay `dev` on the cluster, which looks for them here."""

import os
import shutil
import socket
import tempfile
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import yaml
from confluent_kafka.admin import AdminClient

from headrace.app import app
from headrace.kafka.clients import admin_client
from headrace.kafka.reading import high_watermarks
from headrace.kernel.errors import Fault, Misconfigured
from headrace.local import LocalServers
from headrace.settings import Settings, read_settings
from headrace_load.cluster.kubectl import Kubectl, wait
from headrace_load.manifests.documents import FOLDER, Document, of_kind
from headrace_load.manifests.generate import workloads_of

NAMESPACE: Final = "headrace-dev"
PARTITIONS: Final = 12
SCHEMAS: Final = FOLDER.parents[1] / "schemas"
UP_S: Final = 600.0
GONE_S: Final = 240.0
OPTIONAL: Final = {"keda.sh": "KEDA, so nothing scales", "monitoring.coreos.com": "Prometheus' operator"}


class Stage:
    """Servers and overlay; both go with the `with`. `host` is this machine's address as pods reach it."""

    def __init__(self, image: str, host: str) -> None:
        self.image = image
        self.kubectl = Kubectl(NAMESPACE)
        self.folder = Path(tempfile.mkdtemp(prefix="headrace-deploy-"))
        self.servers = LocalServers(self.folder / "servers", host=host)
        self.left_out: list[str] = []
        self.workloads = [*(workload.resource for workload in workloads_of(app)), "watch"]
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self.kubectl.get("namespace", NAMESPACE):
            raise Misconfigured(f"the cluster has a namespace {NAMESPACE}: this would be removed; delete it before")
        self._open.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._open.callback(self.servers.remove)
        try:
            self.servers.start()
            self._open.callback(self._remove_namespace)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def has_keda(self) -> bool:
        """Whether something scales."""
        return "keda.sh" not in self.left_out

    @cached_property
    def _admin(self) -> AdminClient:
        return admin_client(self.settings)

    @property
    def settings(self) -> Settings:
        """Where the servers are, for clients here."""
        places = {
            "kafka_bootstrap_servers": self.servers.bootstrap_servers,
            "database_url": self.servers.postgres.url,
            "profile": "local",
            "partitions": PARTITIONS,
            "schemas": SCHEMAS,
        }
        return read_settings().model_copy(update=places)

    def deploy(self) -> dict[str, float]:
        """Apply the overlay, and wait for it; returns the seconds until the job was done, and all were ready."""
        began = time.monotonic()
        self.kubectl.run("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(self.documents()))
        took = {"init_done_s": wait(self._is_initialised, "the job `init` is done", UP_S)}
        wait(self.all_ready, f"all of {len(self.workloads)} workloads are ready", UP_S)
        return took | {"all_ready_s": time.monotonic() - began}

    def documents(self) -> list[Document]:
        """The overlay with our addresses and image, without what the cluster knows nothing of."""
        overlay = self.folder / "overlay"
        overlay.mkdir(exist_ok=True)
        name, _, tag = self.image.rpartition(":")
        kustomization = {
            "resources": [os.path.relpath(FOLDER / "overlays" / "dev", overlay)],
            "namespace": NAMESPACE,
            "images": [{"name": "headrace", "newName": name, "newTag": tag}],
            "configMapGenerator": [
                {
                    "name": "headrace",
                    "behavior": "merge",
                    "literals": [f"KAFKA_BOOTSTRAP_SERVERS={self.servers.bootstrap_servers}"],
                }
            ],
            "secretGenerator": [
                {
                    "name": "headrace-db-app",
                    "behavior": "replace",
                    "literals": [f"uri={self.servers.postgres.url}"],
                }
            ],
        }
        (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        documents = list(yaml.safe_load_all(self.kubectl.run("kustomize", str(overlay))))
        self.left_out = [group for group in OPTIONAL if not self.kubectl.serves(group)]
        kept = [one for one in documents if one["apiVersion"].partition("/")[0] not in self.left_out]
        for workload in of_kind(kept, "StatefulSet", "Deployment"):
            workload["spec"]["replicas"] = 1
        return kept

    def scale(self, workload: str, replicas: int) -> None:
        """Let a workload have so many replicas, whatever lag there is, and wait until they are ready."""
        if self.has_keda:
            self.annotate(workload, str(replicas))
        else:
            self.kubectl.run("scale", self.kind_of(workload), workload, f"--replicas={replicas}")
        wait(lambda: self.kubectl.ready(workload) == replicas, f"{replicas} of {workload} are ready", UP_S)

    def annotate(self, workload: str, replicas: str) -> None:
        """Keep KEDA from scaling it, at so many replicas; let it go on with an empty text."""
        value = (
            f"autoscaling.keda.sh/paused-replicas={replicas}" if replicas else "autoscaling.keda.sh/paused-replicas-"
        )
        self.kubectl.run("annotate", "--overwrite", "scaledobject", workload, value)

    def set_environment(self, workload: str, variable: str) -> None:
        """Set a variable, as NAME=value, or remove it, as NAME-; its pods are replaced one after the other."""
        self.kubectl.run("set", "env", f"{self.kind_of(workload)}/{workload}", variable)

    def kind_of(self, workload: str) -> str:
        """What Kubernetes calls the kind of a workload."""
        return "deployment" if workload.startswith("project-") else "statefulset"

    def replicas_of(self, workload: str) -> int:
        """How many it is to have now."""
        found: dict[str, Any] = self.kubectl.get(self.kind_of(workload), workload)
        return int(found["spec"]["replicas"])

    def events(self) -> int:
        """How many records lie in the events of orders, markers and all."""
        places = [("orders.events", number) for number in range(PARTITIONS)]
        return sum(high_watermarks(self._admin, places).values())

    def all_ready(self) -> bool:
        """Whether each workload has a pod that is ready."""
        return all(self.kubectl.ready(workload) >= 1 for workload in self.workloads)

    def restarts(self) -> int:
        """How often containers have been started again so far."""
        pods = self.kubectl.get("pods")["items"]
        return sum(one["restartCount"] for pod in pods for one in pod["status"].get("containerStatuses", []))

    def _is_initialised(self) -> bool:
        conditions = self.kubectl.get("job", "init").get("status", {}).get("conditions", [])
        if any(one["type"] == "Failed" and one["status"] == "True" for one in conditions):
            raise Fault(f"the job `init` failed: {self.kubectl.run('logs', 'job/init', '--tail=3').strip()}")
        return any(one["type"] == "Complete" and one["status"] == "True" for one in conditions)

    def _remove_namespace(self) -> None:
        self.kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
        wait(lambda: not self.kubectl.get("namespace", NAMESPACE), f"namespace {NAMESPACE} is gone", GONE_S)


def host_for(kubectl: Kubectl, said: str | None) -> str:
    """The address of this machine by which pods reach it: as said, or the node's own where this is the node."""
    nodes = kubectl.get("nodes")["items"]
    addresses = (
        [said]
        if said
        else [one["address"] for node in nodes for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
    )
    for address in addresses:
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                continue
            return address
    raise Misconfigured(
        f"none of {', '.join(addresses) or 'no address'} is this machine's: --host is by which address pods reach it"
    )
