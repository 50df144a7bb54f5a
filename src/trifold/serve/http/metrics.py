"""What a server measures of itself, in the form that Prometheus reads."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from trifold.serve.http.alias_metrics import Alias, alias_metrics
from trifold.serve.model_server import ModelServer
from trifold.serve.observer import Observer
from trifold.serve.replies import Reply, Timing

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_TOKENS = (8, 16, 32, 64, 128, 256, 512, 1_024, 4_096, 16_384, 65_536)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)
# The likeliest of two labels has at least 0.5; near 1 is where most models are.
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
ANSWERED = "answered"


class Metrics(Observer):
    """Counts what it hears of a server's work, and what `RequestLog` tells of requests.

    Attributes:
        registry: All metrics.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"trifold_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"trifold_{name}", what, labels, buckets=buckets, registry=registry)

        self._requests = counter("http_requests", "Requests by endpoint and status", "endpoint", "status")
        self._request_seconds = histogram("http_request_seconds", "Time of a request", _SECONDS, "endpoint")
        asked = ("run", "kind")
        self._asked = counter("run_requests", "Requests that came to a run, by how they ended", *asked, "outcome")
        self._texts = counter("texts", "Texts that were answered", *asked)
        self._total = histogram("answer_seconds", "Time from a request to its answer", _SECONDS, *asked)
        self._tokenising = histogram("tokenising_seconds", "Until all texts were tokens", _SECONDS, *asked)
        self._queue = histogram("queue_seconds", "Until the first text was computed", _SECONDS, *asked)
        self._inference = histogram("inference_seconds", "From then until the last was", _SECONDS, *asked)
        self._tokens = histogram("text_tokens", "Tokens that were read of a text", _TOKENS, "run")
        self._truncated = counter("truncated_texts", "Texts that were longer than a run reads", "run")
        self._answers = counter("answers", "Labels that were given", "run", "label")
        self._declined = counter("declined_texts", "Texts that a run was not sure enough of", "run")
        self._confidence = histogram("confidence", "How sure a run was of its answer", _CONFIDENCES, "run")
        self._batch_texts = histogram("batch_texts", "Texts of a forward pass", _TEXTS)
        self._batch_tokens = histogram("batch_tokens", "Tokens of a forward pass, padding left out", _TOKENS)
        self._padding = counter("padding_tokens", "Tokens that were computed and are no text's")
        self._batch_seconds = histogram("batch_seconds", "Time of a forward pass", _SECONDS)
        self._reloads = counter("reloads", "Folders that were opened again", "run", "outcome")
        self._shadowed = counter("shadow_texts", "Texts that a shadow answered beside a run", "run", "shadow")
        self._disagreed = counter("shadow_disagreements", "Those that it labels otherwise", "run", "shadow")
        self._dropped = counter("shadow_dropped_texts", "Texts that a shadow did not answer", "shadow")

    def watch(self, server: ModelServer) -> None:
        """Tell of a server's load and runs, too, as they are when they are asked for."""
        self.registry.register(_Gauges(lambda: server))
        for kinds, prefix in ((None, "te_request"), ("predict", "te_predict"), ("embed", "te_embed")):
            chosen = {} if kinds is None else {"kind": kinds}
            ways = [
                Alias(f"{prefix}_count", self._asked, chosen),
                Alias(f"{prefix}_success", self._asked, {**chosen, "outcome": ANSWERED}),
                Alias(f"{prefix}_duration", self._total, chosen),
                Alias(f"{prefix}_tokenization_duration", self._tokenising, chosen),
                Alias(f"{prefix}_queue_duration", self._queue, chosen),
                Alias(f"{prefix}_inference_duration", self._inference, chosen),
            ]
            self.registry.register(alias_metrics(ways))
        others = [
            Alias("te_request_failure", self._asked, {}, {"outcome": ANSWERED}, {"outcome": "err"}),
            Alias("te_request_input_length", self._tokens),
            Alias("te_batch_next_size", self._batch_texts),
            Alias("te_batch_next_tokens", self._batch_tokens),
        ]
        self.registry.register(alias_metrics(others))

    def exposition(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        """A request was answered, or refused.

        Args:
            endpoint: Its path as the API has it, without the name of a run.
            status: HTTP status.
            seconds: All of its time.
        """
        self._requests.labels(endpoint, str(status)).inc()
        self._request_seconds.labels(endpoint).observe(seconds)

    def answered(self, run: str, kind: str, texts: int, timing: Timing) -> None:
        """See `Observer.answered`."""
        self._asked.labels(run, kind, ANSWERED).inc()
        self._texts.labels(run, kind).inc(texts)
        self._total.labels(run, kind).observe(timing.total)
        self._tokenising.labels(run, kind).observe(timing.tokenising)
        self._queue.labels(run, kind).observe(timing.queue)
        self._inference.labels(run, kind).observe(timing.inference)

    def predicted(self, run: str, reply: Reply) -> None:
        """See `Observer.predicted`."""
        tokens, confidence = self._tokens.labels(run), self._confidence.labels(run)
        for answer in reply.answers:
            tokens.observe(answer.tokens)
            confidence.observe(answer.confidence)
            for label in answer.labels:
                self._answers.labels(run, label).inc()
        self._truncated.labels(run).inc(sum(answer.truncated for answer in reply.answers))
        self._declined.labels(run).inc(sum(answer.declined for answer in reply.answers))

    def refused(self, run: str, kind: str, reason: str) -> None:
        """See `Observer.refused`."""
        self._asked.labels(run, kind, reason).inc()

    def batch(self, runs: tuple[str, ...], texts: int, tokens: int, computed_tokens: int, seconds: float) -> None:
        """See `Observer.batch`."""
        del runs
        self._batch_texts.observe(texts)
        self._batch_tokens.observe(tokens)
        self._padding.inc(max(0, computed_tokens - tokens))
        self._batch_seconds.observe(seconds)

    def reloaded(self, run: str, version: str, error: str) -> None:
        """See `Observer.reloaded`."""
        del version
        self._reloads.labels(run, "failed" if error else "done").inc()

    def shadowed(self, run: str, shadow: str, texts: int, disagreements: int) -> None:
        """See `Observer.shadowed`."""
        self._shadowed.labels(run, shadow).inc(texts)
        self._disagreed.labels(run, shadow).inc(disagreements)

    def shadow_dropped(self, shadow: str, texts: int) -> None:
        """See `Observer.shadow_dropped`."""
        self._dropped.labels(shadow).inc(texts)


class _Gauges(Collector):
    """A server's load and runs at the moment of asking."""

    def __init__(self, server: Callable[[], ModelServer]) -> None:
        self._server = server

    def collect(self) -> list[Metric]:
        """See `Collector.collect`."""
        load = self._server().load
        gauges = {
            "trifold_waiting_requests": ("Requests that wait or are computed", load.requests),
            "trifold_waiting_texts": ("Texts that wait", load.texts),
            "trifold_waiting_tokens": ("Their tokens", load.tokens),
            "trifold_wait_seconds": ("About how long the last of them will wait", load.wait_seconds),
            "te_queue_size": ("As trifold_waiting_texts, as text-embeddings-inference calls it", load.texts),
        }
        found: list[Metric] = [GaugeMetricFamily(name, what, value) for name, (what, value) in gauges.items()]
        runs = InfoMetricFamily("trifold_run", "Which version of a run answers", labels=["run"])
        for name, run in self._server().runs.items():
            runs.add_metric([name], {"version": run.version, "method": run.record.method})
        return [*found, runs]

    def describe(self) -> list[Metric]:
        """Nothing: what is told is not known before the runs are open."""
        return []
