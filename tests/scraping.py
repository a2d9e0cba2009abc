"""Looking at a service as Prometheus and a kubelet do."""

import urllib.error
import urllib.request
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from headrace.local.ports import free_port

__all__ = ["Scraped", "free_port", "get", "scrape"]


def get(url: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._values[sample.name].append((sample.labels, sample.value))

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples with these labels."""
        return sum(value for found, value in self._values[name] if labels.items() <= found.items())

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values by those labels."""
        sums: dict[tuple[str, ...], float] = defaultdict(float)
        for found, value in self._values[name]:
            sums[tuple(found[label] for label in labels)] += value
        return dict(sums)


def scrape(port: int) -> Scraped:
    status, _, text = get(f"http://127.0.0.1:{port}/metrics")
    assert status == 200, text
    return Scraped(text)
