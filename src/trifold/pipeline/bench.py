"""How fast a run is on this machine: texts and tokens a second, one text's delay, memory, and the machine's own limit.

Each engine is measured in a process of its own, so that its peak memory is its own:
`python -m trifold.pipeline.bench RUN TEXTS SECONDS STARTED`.
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.artifact.run_folder import new_folder
from trifold.artifact.run_record import ExportedRecord, write_run_record
from trifold.child_process import end_with_parent, tied
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.row_sample import some
from trifold.data.settings import TextSettings
from trifold.errors import BackboneError, DataError, SettingsError, TrifoldError
from trifold.evaluate.forecast import product_rate
from trifold.events import say
from trifold.formatting import megabytes, milliseconds
from trifold.inference.run import Run, load_local_run
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Exportable
from trifold.methods.exported_predictor import ExportedPredictor
from trifold.models.settings import ComputeSettings
from trifold.pipeline.recorded_run import reopen_task
from trifold.runtime import choose, hardware, own_process, peak_memory_bytes
from trifold.types import Record

_MOST_TEXTS = 2_000
_WARM_UP_TEXTS = 8
# Passes of the throughput, single texts for the delay.
_FEWEST_PASSES = 3
_FEWEST_SINGLES = 20


@dataclass(frozen=True)
class EngineSpeed:
    """What one engine reaches.

    Attributes:
        engine: `torch` or another one that the run was made with; `onnx` and `int8`, as it would be exported; or
            `scikit-learn`.
        texts_per_second: Of many texts, in batches; the median of several passes.
        tokens_per_second: Tokens of these texts a second; 0 without a tokenizer.
        p50_ms: One text by itself, the median.
        p99_ms: And the slowest of a hundred.
        peak_memory_bytes: Of the process.
        load_seconds: From the start of the process to the first answer.
        matrix_share: Useful operations a second, as a share of what the machine's plain matrix product reaches in
            the fastest precision of floats that it multiplies; 0 where unknown.
        passes: Seconds of each pass over the texts.
    """

    engine: str
    texts_per_second: float
    tokens_per_second: float
    p50_ms: float
    p99_ms: float
    peak_memory_bytes: int
    load_seconds: float
    matrix_share: float
    passes: tuple[float, ...]

    def in_words(self) -> dict[str, str]:
        """A row of the table."""
        return {
            "engine": self.engine,
            "texts/s": f"{self.texts_per_second:,.0f}"
            if self.texts_per_second >= 100
            else f"{self.texts_per_second:.1f}",
            "tokens/s": f"{self.tokens_per_second:,.0f}" if self.tokens_per_second else "-",
            "one text": milliseconds(self.p50_ms),
            "p99": milliseconds(self.p99_ms),
            "first answer": f"{self.load_seconds:.1f} s",
            "peak memory": megabytes(self.peak_memory_bytes),
            "of matrix rate": f"{100 * self.matrix_share:.0f} %" if self.matrix_share else "-",
        }


@dataclass(frozen=True)
class _Measured:
    """What an engine's own process says: seconds of each pass over so many texts, and the rest as in `EngineSpeed`."""

    texts: int
    passes: list[float]
    p50_ms: float
    p99_ms: float
    peak_memory_bytes: int
    load_seconds: float


@dataclass(frozen=True)
class Bench:
    """What `bench` measured.

    Attributes:
        run: The run folder.
        engines: In the order measured.
        texts: How many were used.
        mean_tokens: Of them, as the model reads them; 0 without a tokenizer.
        matrix_gflops: This machine's matrix product, the fastest of some between the engines.
        matrix_precision: That was measured in.
        machine: In words.
    """

    run: Path
    engines: tuple[EngineSpeed, ...]
    texts: int
    mean_tokens: float
    matrix_gflops: float
    matrix_precision: str
    machine: str


def bench(
    folder: Path,
    source: Path | None,
    seconds: float,
    reading: TextSettings | None = None,
    *,
    trust_remote_code: bool = False,
) -> Bench:
    """Measure a run by every engine that can run it.

    Args:
        folder: Run folder.
        source: File with texts; the run's own test rows where `None`.
        seconds: How long each engine is measured, about.
        reading: Which column of the file holds them.
        trust_remote_code: Whether classes that the model brings with it may be run.

    Raises:
        TrifoldError: If run or texts cannot be used.
    """
    run = load_local_run(folder, ComputeSettings(device="cpu", trust_remote_code=trust_remote_code))
    if source:
        texts = _texts_of(source, reading or TextSettings(), RecordedColumns.recorded(run.record.as_json()))
    else:
        texts = some(reopen_task(run, "name a file with texts").split.test.texts, _MOST_TEXTS)
    parts = run.predictor.exportable()
    tokens = parts.tokenizer.encode(texts).lengths if parts else np.zeros(1)
    operations = flops(parts, round(tokens.mean())) if parts else 0.0
    runtime = choose("cpu")
    rates, measured = [product_rate(runtime)], {}
    with tempfile.TemporaryDirectory() as place:
        listed = Path(place) / "texts.json"
        listed.write_text(json.dumps(texts))
        for engine, each in _engines(run, parts, Path(place)):
            say(f"measuring {engine}")
            measured[engine] = _in_own_process(each, listed, seconds, trust_remote_code)
            # Again and again, since other work on the machine now and then slows it down.
            rates.append(product_rate(runtime))
    rate = max(rates)
    speeds = tuple(_speed_of(engine, one, float(tokens.mean()), operations / rate) for engine, one in measured.items())
    product = f"matrix product {rate / 1e9:.0f} GFLOP/s in {runtime.precision}"
    machine = f"{hardware()['cpu']}, {hardware()['cores']} cores, {product}"
    return Bench(run.folder, speeds, len(texts), float(tokens.mean()), rate / 1e9, runtime.precision, machine)


def _speed_of(engine: str, measured: _Measured, tokens: float, ideal_seconds: float) -> EngineSpeed:
    """The figures of an engine.

    Args:
        engine: Its name.
        measured: In its own process.
        tokens: Of a text, on average.
        ideal_seconds: Of a text, were all of its work one plain matrix product; 0 where unknown.
    """
    per_second = measured.texts / statistics.median(measured.passes)
    return EngineSpeed(
        engine=engine,
        texts_per_second=per_second,
        tokens_per_second=per_second * tokens,
        p50_ms=measured.p50_ms,
        p99_ms=measured.p99_ms,
        peak_memory_bytes=measured.peak_memory_bytes,
        load_seconds=measured.load_seconds,
        matrix_share=per_second * ideal_seconds,
        passes=tuple(measured.passes),
    )


def flops(parts: Exportable, tokens: int) -> float:
    """Operations of one text's forward pass, as PyTorch counts them: two for each multiply-add of its products."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from trifold.engines.onnx_runtime import unfused_attention

    ids = torch.full((1, max(1, tokens)), 5, dtype=torch.int64)
    with unfused_attention(parts.module), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        parts.module(ids, torch.ones_like(ids))
    return float(counter.get_total_flops())


def _engines(run: Run, parts: Exportable | None, place: Path) -> Iterator[tuple[str, Path]]:
    """Each engine with a run folder that it runs."""
    if run.record.exported:
        yield run.record.exported.engine, run.folder
        return
    computed = parts or method_entry(run.record.method).asks_llm
    yield str((run.record.get("choices") or {}).get("engine", "torch")) if computed else "scikit-learn", run.folder
    if not parts:
        return
    for engine in ("onnx", "int8"):
        target = place / engine
        try:
            with new_folder(target) as folder:
                ExportedPredictor.write(run.predictor, folder / "model", int8=engine == "int8")
                write_run_record(folder, run.record.but(exported=ExportedRecord(engine=engine)))
        except (SettingsError, BackboneError) as error:
            say(f"note: {engine} is left out: {error}")
            return
        yield engine, target


def _in_own_process(run: Path, texts: Path, seconds: float, trust_remote_code: bool) -> _Measured:
    given = (run, texts, seconds, time.time(), int(trust_remote_code))
    command = [sys.executable, "-m", "trifold.pipeline.bench", *map(str, given)]
    with tied() as ties:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **ties)  # noqa: S603 - our own interpreter
    if done.returncode:
        raise BackboneError(f"measuring {run} failed with exit code {done.returncode}; its message stands above")
    return _Measured(**json.loads(done.stdout))


def _texts_of(source: Path, reading: TextSettings, own: RecordedColumns) -> list[str]:
    """Usable texts of a file, as many as are measured."""
    _, columns, rows = open_rows(source, reading, own)
    texts = some((str(columns.text_of(row.values)) for row in rows if isinstance(row, Record)), _MOST_TEXTS)
    if not texts:
        raise DataError(f"{source} has no usable text: name a file with texts")
    return texts


def _measure(run: Path, texts: list[str], seconds: float, started: float, trust_remote_code: bool) -> _Measured:
    """In the engine's own process: passes over as many texts as fit, then texts one by one."""
    predictor = load_local_run(run, ComputeSettings(device="cpu", trust_remote_code=trust_remote_code)).predictor
    predictor.score(texts[:1])
    load_seconds = time.time() - started
    predictor.score(texts[:_WARM_UP_TEXTS])
    begun = time.perf_counter()
    predictor.score(texts[: 4 * _WARM_UP_TEXTS])
    pace = len(texts[: 4 * _WARM_UP_TEXTS]) / (time.perf_counter() - begun)
    sample = texts[: max(_WARM_UP_TEXTS, int(pace * seconds / 4))]
    passes = list(_timed(lambda: predictor.score(sample), 0.7 * seconds, _FEWEST_PASSES))
    one = itertools.cycle(texts)
    singles = list(_timed(lambda: predictor.score([next(one)]), 0.3 * seconds, _FEWEST_SINGLES))
    p50, p99 = (1000 * float(np.percentile(singles, share)) for share in (50, 99))
    return _Measured(len(sample), passes, p50, p99, peak_memory_bytes(), load_seconds)


def _timed(work: Callable[[], object], seconds: float, fewest: int) -> Iterator[float]:
    """How long `work` takes, again and again for about so many seconds."""
    deadline = time.perf_counter() + seconds
    count = 0
    while count < fewest or time.perf_counter() < deadline:
        begun = time.perf_counter()
        work()
        yield time.perf_counter() - begun
        count += 1


if __name__ == "__main__":
    end_with_parent()
    own_process()
    _RUN, _TEXTS, _SECONDS, _STARTED, _TRUST = sys.argv[1:]
    _GIVEN = json.loads(Path(_TEXTS).read_text())
    try:
        _FOUND = _measure(Path(_RUN), _GIVEN, float(_SECONDS), float(_STARTED), bool(int(_TRUST)))
    except TrifoldError as error:
        print(f"trifold: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    print(json.dumps(vars(_FOUND)))  # noqa: T201
