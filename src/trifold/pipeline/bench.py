"""How fast a run predicts on this machine: throughput, delay of a single text, memory, share of the matrix rate.

Each engine is timed in a process of its own, by `engine_timing`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.artifact.run_folder import new_folder
from trifold.artifact.run_record import ExportedRecord, write_run_record
from trifold.child_process import tied
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.row_sample import some
from trifold.data.settings import TextSettings
from trifold.errors import BackboneError, DataError, SettingsError
from trifold.evaluate.forecast import product_rate
from trifold.events import say
from trifold.formatting import megabytes, milliseconds
from trifold.inference.run import Run, load_local_run
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Exportable
from trifold.methods.exported_predictor import ExportedPredictor
from trifold.models.settings import ComputeSettings
from trifold.pipeline.engine_timing import Timings
from trifold.pipeline.recorded_run import reopen_task
from trifold.runtime import choose, hardware
from trifold.types import Record, Text, TextPair, parts_of

_MAX_TEXTS = 2_000


@dataclass(frozen=True)
class EngineSpeed:
    """The measured speed of one engine.

    Attributes:
        engine: Name of the engine that the run was made with, such as `torch`; `onnx` or `int8` for the run as it would
            be exported; `scikit-learn` where no backbone reads.
        texts_per_second: Throughput on many texts in batches, the median of several passes.
        tokens_per_second: Throughput in tokens; 0 without a tokenizer.
        p50_ms: Median delay of a single text, in milliseconds.
        p99_ms: 99th percentile of the delay of a single text, in milliseconds.
        peak_memory_bytes: Peak memory of the engine's process.
        load_seconds: Time from the start of the process to the first prediction.
        matrix_share: Floating-point operations a second, as a share of those that a plain matrix product reaches on
            this machine in its fastest precision; 0 where the operations are not known.
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
        """The figures as a row of the printed table, column name to text."""
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
class Bench:
    """The result of `bench`.

    Attributes:
        run: The run folder.
        engines: The engines, in the order in which they were measured.
        texts: Number of texts that were used.
        mean_tokens: Mean tokens of a text, as the model reads it; 0 without a tokenizer.
        matrix_gflops: Rate of a plain matrix product on this machine, in 10^9 operations a second; the best of several
            measurements, one after each engine.
        matrix_precision: Number format of that matrix product.
        machine: The machine in words.
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
    """Measure the speed of a run with every engine that can run it.

    Args:
        folder: Run folder.
        source: File with texts; the run's own test rows if `None`.
        seconds: About how long each engine is measured.
        reading: How to read the file.
        trust_remote_code: Whether Python classes that come with the model may be run.

    Raises:
        TrifoldError: If the run or the texts cannot be used.
    """
    run = load_local_run(folder, ComputeSettings(device="cpu", trust_remote_code=trust_remote_code))
    if source:
        texts = texts_to_measure(source, reading or TextSettings(), RecordedColumns.recorded(run.record.as_json()))
    else:
        texts = some(reopen_task(run, "name a file with texts").split.test.texts, _MAX_TEXTS)
    parts = run.predictor.exportable()
    read = parts.tokenizer.encode(texts) if parts else None
    tokens, operations = read.lengths if read else np.zeros(1), 0.0
    if parts and read:
        windows = read.window_lengths(np.arange(len(read)))
        operations = flops(parts, round(windows.mean())) * len(windows) / len(read)
    runtime = choose("cpu")
    rates, measured = [product_rate(runtime)], {}
    with tempfile.TemporaryDirectory() as place:
        listed = Path(place) / "texts.json"
        listed.write_text(json.dumps([list(parts_of(text)) if isinstance(text, TextPair) else text for text in texts]))
        for engine, each in _engines(run, parts, Path(place)):
            say(f"measuring {engine}")
            measured[engine] = _in_own_process(each, listed, seconds, trust_remote_code)
            # Measured again each time, since other work on the machine may slow it down for a while.
            rates.append(product_rate(runtime))
    rate = max(rates)
    speeds = tuple(_speed_of(engine, one, float(tokens.mean()), operations / rate) for engine, one in measured.items())
    product = f"matrix product {rate / 1e9:.0f} GFLOP/s in {runtime.precision}"
    machine = f"{hardware()['cpu']}, {hardware()['cores']} cores, {product}"
    return Bench(run.folder, speeds, len(texts), float(tokens.mean()), rate / 1e9, runtime.precision, machine)


def _speed_of(engine: str, measured: Timings, tokens: float, ideal_seconds: float) -> EngineSpeed:
    """The speed of an engine from its timings.

    Args:
        engine: Name of the engine.
        measured: The timings.
        tokens: Mean tokens of a text.
        ideal_seconds: Time of a text if all of its operations ran at the matrix rate; 0 where they are not known.
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
    """Floating-point operations of one text's forward pass, as PyTorch counts them: two for each multiply-add.

    Args:
        parts: The model.
        tokens: Tokens of the text.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from trifold.engines.onnx_runtime import unfused_attention

    ids = torch.full((1, max(1, tokens)), 5, dtype=torch.int64)
    with unfused_attention(parts.module), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        parts.module(ids, torch.ones_like(ids))
    return float(counter.get_total_flops())


def _engines(run: Run, parts: Exportable | None, place: Path) -> Iterator[tuple[str, Path]]:
    """Each engine's name with a run folder that it can run; exports are written into `place`."""
    if run.record.exported:
        yield run.record.exported.engine, run.folder
        return
    entry = method_entry(run.record.method)
    computed = parts or entry.asks_llm or entry.needs_backbone
    yield str((run.record.get("choices") or {}).get("engine", "torch")) if computed else "scikit-learn", run.folder
    if not parts:
        return
    for engine in ("onnx", "int8"):
        target = place / engine
        try:
            with new_folder(target) as folder:
                ExportedPredictor.write(run.predictor, folder, int8=engine == "int8", pairs=run.reads_pairs)
                write_run_record(folder, run.record.but(exported=ExportedRecord(engine=engine)))
        except (SettingsError, BackboneError) as error:
            say(f"note: {engine} is left out: {error}")
            return
        yield engine, target


def _in_own_process(run: Path, texts: Path, seconds: float, trust_remote_code: bool) -> Timings:
    """`measure_speed` in a process of its own; `texts` is a JSON file.

    Raises:
        BackboneError: If the process fails.
    """
    given = (run, texts, seconds, time.time(), int(trust_remote_code))
    command = [sys.executable, "-m", "trifold.pipeline.engine_timing", *map(str, given)]
    with tied() as ties:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **ties)  # noqa: S603 - our own interpreter
    if done.returncode:
        raise BackboneError(f"measuring {run} failed with exit code {done.returncode}; its message stands above")
    return Timings(**json.loads(done.stdout))


def texts_to_measure(source: Path, reading: TextSettings, own: RecordedColumns) -> list[Text]:
    """At most 2,000 usable texts of a file, drawn from all of it.

    Args:
        source: The file.
        reading: How to read it.
        own: The columns of the run that is measured.

    Raises:
        DataError: If the file cannot be read or has no usable text.
    """
    table, columns, rows = open_rows(source, reading, own)
    table.tell()
    texts = some((columns.usable_text(row.values) for row in rows if isinstance(row, Record)), _MAX_TEXTS)
    if not texts:
        raise DataError(f"{source} has no usable text: name a file with texts")
    return texts
