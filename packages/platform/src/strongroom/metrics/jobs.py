"""The worker's step that reads the gauges now and then, and the page on which Prometheus finds the last reading.

A scrape asks no database: whoever may ask the page cannot make it work harder than it does anyway.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Thread
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from strongroom.infra.clock import Clock
from strongroom.infra.database import Pool, transaction
from strongroom.infra.settings import Settings
from strongroom.metrics import service
from strongroom.metrics.model import Gauge, Sample

_log = structlog.get_logger(__name__)


class Readings(Collector):
    """The last reading, for Prometheus; with its age, so that a reader that died does not look like a quiet house."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self._samples: Sequence[Sample] = ()
        self._read_at: float | None = None

    def put(self, samples: Sequence[Sample]) -> None:
        """Replace the last reading, at once and whole: scrapes come from other threads."""
        self._samples, self._read_at = samples, time.monotonic()

    def collect(self) -> Iterator[Metric]:
        """Give the last reading, gauge by gauge."""
        samples, read_at = self._samples, self._read_at
        for gauge in Gauge:
            family = GaugeMetricFamily(gauge.full_name, gauge.text, labels=gauge.labels)
            for sample in samples:
                if sample.gauge is gauge:
                    family.add_metric(sample.labels, float(sample.value))
            yield family
        if read_at is not None:
            age = GaugeMetricFamily("strongroom_metrics_age", "seconds since all of this was read")
            age.add_metric((), time.monotonic() - read_at)
            yield age


class Exporter:
    """Serves the gauges where the settings say, and reads them anew at each step."""

    def __init__(self, settings: Settings, auditor_pool: Pool, clock: Clock) -> None:
        """Prepare to serve; nothing is bound before the first step."""
        self._settings, self._pool, self._clock = settings, auditor_pool, clock
        self._readings = Readings()
        self._server: tuple[WSGIServer, Thread] | None = None

    async def step(self) -> int:
        """Read all gauges; zero, so that the loop waits its time."""
        if not self._settings.metrics.port:
            return 0
        async with transaction(self._pool) as connection:
            self._readings.put(await service.read(connection, self._settings, self._clock.now()))
        self._serve()
        return 0

    async def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()

    def _serve(self) -> None:
        """Bind once; a port that somebody else has costs the gauges, not the worker's other work."""
        if self._server is not None:
            return
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._readings)
        place = self._settings.metrics
        try:
            self._server = start_http_server(place.port, place.host, registry)
        except OSError as error:
            _log.error("no metrics: the address is not to be had", host=place.host, port=place.port, error=str(error))
        else:
            _log.info("metrics are served", host=place.host, port=place.port)
