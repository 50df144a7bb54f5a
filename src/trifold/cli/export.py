"""The commands `export` and `bench`: write a run for deployment, and measure its speed."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile
from trifold.cli.output import print_json, print_table, say_next, some_text
from trifold.cli.output import print_text as print
from trifold.data.settings import LabelledSettings, RunTextSettings
from trifold.errors import require
from trifold.formatting import counted, megabytes


def export(
    run: Path,
    /,
    *,
    format: Literal["onnx"] = "onnx",  # noqa: A002 - as the flag is called
    int8: bool = False,
    max_drop: float = 0.5,
    data: Path | None = None,
    reading: Annotated[LabelledSettings | None, Parameter(name="*")] = None,
    output_dir: Path | None = None,
    offline: bool = False,
    trust_remote_code: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
) -> None:
    """Write a run with a neural network as an ONNX graph, in 8-bit integers if held-out rows allow it.

    Both models label the run's validation and test rows; the export is kept unless these show that it loses more than
    --max-drop. The result is a run folder, which predict, evaluate and bench can use without PyTorch. Its
    onnx/model.onnx takes input_ids and attention_mask and gives logits; its predict.py labels texts where Trifold is
    not installed; transformers.js opens it in Node and browsers. The last line is the folder.

    Args:
        run: Run folder of finetune or compare, or USER/NAME of one on the hub.
        format: Format of the graph; ONNX is the one there is.
        int8: Do matrix products in 8-bit integers: smaller, faster, a little less exact.
        max_drop: Points of the run's score that the export may lose; refused where all of the 95 % interval of the loss
            lies above.
        data: File with labelled rows to compare on, instead of the run's own validation and test rows; the flags for
            reading data apply to it.
        output_dir: Folder for the result; runs/DATE-RUN-onnx by default.
        offline: Open no connection; models must be in the local cache, a folder, or bundled.
        trust_remote_code: Run classes that the model brings with it (auto_map): only if you have read that code and
            trust it.
        json: Print JSON instead.
    """
    from trifold.pipeline.export import export as run_export

    require(data is not None or reading is None, "flags on reading", "they go with --data FILE")
    require(max_drop >= 0, f"--max-drop {max_drop:g}", "give points that may be lost, such as 0.5")
    found = run_export(
        run,
        output_dir,
        graph_format=format,
        int8=int8,
        max_drop=max_drop,
        data=data,
        reading=reading,
        offline=offline,
        trust_remote_code=trust_remote_code,
    )
    if json:
        print_json(
            {"run": str(found.folder), **{name: value for name, value in vars(found).items() if name != "folder"}}
        )
        return
    drop = found.drop
    print(f"{megabytes(found.before_bytes)} before, {megabytes(found.size_bytes)} as {found.engine}")
    print(
        f"It loses {100 * drop.value:.2f} points of {found.score_name} on {counted(found.rows, 'held-out row')} "
        f"(95 % interval {100 * drop.low:.2f} to {100 * drop.high:.2f}) and labels "
        f"{100 * found.agreement:.1f} % of them alike; no probability differs by more than {found.difference:.6f}."
    )
    print(
        f"Where neither Trifold nor PyTorch is: pip install -r {found.folder}/requirements.txt, then "
        f"python {found.folder}/predict.py --text TEXT, or with a CSV file."
    )
    if found.in_javascript:
        print(
            f"In JavaScript, by @huggingface/transformers: env.localModelPath = {str(found.folder.parent)!r}; "
            f"await pipeline('text-classification', {found.folder.name!r})"
        )
    print(found.folder)
    say_next("predict", found.folder, *some_text(pair=found.pairs))


def bench(
    run: Path,
    source: OptionalDataFile = None,
    /,
    *,
    reading: Annotated[RunTextSettings | None, Parameter(name="*")] = None,
    seconds: float = 10.0,
    trust_remote_code: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
) -> None:
    """Measure how fast a run predicts on this machine, with each engine.

    Engines are PyTorch and, if the run can be written as a graph, ONNX Runtime in full precision and in 8-bit integers
    (whose accuracy export measures). Each is measured in a process of its own, since memory is that of a process.

    Args:
        run: Run folder of finetune, compare or export, or USER/NAME of one on the hub.
        source: File with texts like those that are to be predicted; the run's own test rows by default.
        seconds: About how many seconds each engine is measured.
        trust_remote_code: Run classes that the model brings with it (auto_map): only if you have read that code and
            trust it.
        json: Print JSON instead.
    """
    from trifold.pipeline.bench import bench as run_bench

    require(source is not None or reading is None, "flags on reading", "they go with a file: trifold bench RUN FILE")
    require(seconds > 0, f"--seconds {seconds:g}", "give how long each engine is measured, such as 10")
    found = run_bench(run, source, seconds, reading, trust_remote_code=trust_remote_code)
    if json:
        print_json(found)
        return
    print_table([engine.in_words() for engine in found.engines])
    length = f" of {found.mean_tokens:.0f} tokens" if found.mean_tokens else ""
    print(f"\n{counted(found.texts, 'text')}{length}; {found.machine}")
    if len(found.engines) > 1:
        # It can be written as a graph.
        say_next("export", run, "--int8")
