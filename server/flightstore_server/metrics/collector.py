"""The table of metrics in Prometheus' own terms, with what its library knows of the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from flightstore_server.metrics.observed import Observed
from flightstore_server.metrics.table import METRICS
from flightstore_server.storage.durations import Durations

PREFIX = "flightstore_"


def registry_of(look: Callable[[], Observed]) -> CollectorRegistry:
    """All metrics; `look` is called with every scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Server(look))
    ProcessCollector(registry=registry)
    return registry


class _Server(Collector):
    def __init__(self, look: Callable[[], Observed]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        at = self._look()
        for metric in METRICS:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(PREFIX + metric.name, metric.meaning, labels=metric.labels)
            for labels, value in metric.samples(at):
                family.add_metric(labels, value)
            yield family
        yield _histogram(
            "log_sync_seconds", "time of the log's syncs", at.store.committer.log.syncs
        )


def _histogram(name: str, meaning: str, durations: Durations) -> Metric:
    bounds = [*map(str, durations.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(durations.counts), strict=True))
    return HistogramMetricFamily(PREFIX + name, meaning, buckets, durations.seconds)
