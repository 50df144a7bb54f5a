"""Our metrics under the names that text-embeddings-inference has for them, so that its dashboards show them.

Source: text-embeddings-inference, docs and the dashboard that it comes with.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_SUMMED = ("run", "kind", "outcome")


@dataclass(frozen=True)
class Alias:
    """Another name of a metric, or of a part of it; what several runs have is added up.

    Attributes:
        name: The other name.
        original: The metric.
        where: Label to value: of other samples nothing is taken.
        without: Label to value: samples with one of these are left out.
        renamed: Labels that are kept, by another name.
    """

    name: str
    original: Counter | Histogram
    where: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def metric(self) -> Metric:
        """The metric under its other name."""
        # A counter's own name would get the ending `_total`, which these names do not have.
        kind = "histogram" if isinstance(self.original, Histogram) else "unknown"
        totals: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
        for found in self.original.collect():
            for sample in found.samples:
                ending = sample.name.removeprefix(found.name)
                if ending == "_created" or not self._takes(sample.labels):
                    continue
                kept = tuple((self.renamed.get(k, k), v) for k, v in sample.labels.items() if self._keeps(k))
                totals[ending if kind == "histogram" else "", kept] += sample.value
        metric = Metric(self.name, f"As {next(iter(self.original.describe())).name}", kind)
        for (ending, labels), value in totals.items():
            metric.add_sample(f"{self.name}{ending}", dict(labels), value)
        return metric

    def _takes(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.where.items()) and not any(
            labels.get(name) == value for name, value in self.without.items()
        )

    def _keeps(self, label: str) -> bool:
        return label not in _SUMMED or label in self.renamed


def alias_metrics(aliases: Sequence[Alias]) -> Collector:
    """What gives a registry those metrics."""
    return _Aliases(aliases)


class _Aliases(Collector):
    def __init__(self, aliases: Sequence[Alias]) -> None:
        self._aliases = aliases

    def collect(self) -> Iterable[Metric]:
        return [alias.metric() for alias in self._aliases]

    def describe(self) -> Iterable[Metric]:
        return []
