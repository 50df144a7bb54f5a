"""Label texts with the exported model in this folder; neither Trifold nor PyTorch is needed.

    pip install -r requirements.txt
    python predict.py --text "A superb, moving film."
    python predict.py reviews.csv --output labelled.csv

The answers are those of `trifold predict`. A file is CSV in UTF-8 with a header (TSV where its name ends in .tsv), or
`-` for standard input; every row comes back with prediction, probability, truncated and error added. In Python, where a
pair of texts is a tuple of two:

    from predict import Model
    Model().predict(["A superb, moving film."])
"""

import argparse
import csv
import json
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TextIO

# From version 1.32 on, ONNX Runtime reports its use to its maker unless told not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

_ADDED = ("prediction", "probability", "truncated", "error")
Text = str | tuple[str, str]  # or a pair of texts
_ROWS_PER_SLICE, _TOKEN_BUDGET, _CHARACTERS_PER_TOKEN = 1_024, 1_024, 40


class Model:
    """An exported model.

    Args:
        folder: Of the export; by default the one that this file is in.
    """

    def __init__(self, folder: Path | str = Path(__file__).parent) -> None:
        files = Path(folder)
        facts, config, run = (_read(files, name) for name in ("head", "config", "run"))
        self.labels, self.pairs = facts["labels"], run.get("pairs") is True
        self._thresholds = np.array(facts.get("thresholds") or [0.5])
        self._most, self._windows = int(facts["max_length"]), int(facts.get("max_windows", 1))
        self._rule, self._several = facts.get("long_text", "truncate"), facts.get("multi_label", False)
        padding, limit = [config.get(name) for name in ("pad_token_id", "eos_token_id")], config.get("vocab_size", 1e9)
        self._pad = next((one for one in padding if isinstance(one, int) and 0 <= one < limit), 0)
        self._tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if self._rule == "truncate":
            self._tokenizer.enable_truncation(self._most)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        graph = next(files.glob("onnx/*.onnx"), files / "onnx")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._inputs = [one.name for one in self._session.get_inputs()]

    def predict(self, texts: Sequence[Text]) -> list[dict[str, Any]]:
        """Label, probability, whether the text was cut, and the probability of every label, of each text or pair."""
        ids, types, truncated = self._encode(texts)
        logits = np.empty((len(texts), len(self.labels)))
        order = sorted(range(len(texts)), key=lambda position: -len(ids[position][0]))
        while order:  # a graph that reads windows takes those of one text at a time
            size = 1 if self._rule == "window" else max(1, _TOKEN_BUDGET // max(1, len(ids[order[0]][0])))
            batch, order = order[:size], order[size:]
            logits[batch] = self._run(*([part for place in batch for part in some[place]] for some in (ids, types)))
        raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        probabilities = 1 / (1 + np.exp(-logits)) if self._several else raised / raised.sum(axis=1, keepdims=True)
        return [self._answer(row, bool(cut)) for row, cut in zip(probabilities, truncated, strict=True)]

    def _answer(self, probabilities: np.ndarray, cut: bool) -> dict[str, Any]:
        if self._several:
            given = probabilities >= self._thresholds
            label: Any = [name for name, one in zip(self.labels, given, strict=True) if one]
            sure = float(np.where(given, probabilities, 1 - probabilities).prod())
        else:
            best = int(probabilities.argmax())
            label, sure = self.labels[best], float(probabilities[best])
        by_label = dict(zip(map(str, self.labels), probabilities.tolist(), strict=True))
        return {"label": label, "probability": sure, "truncated": cut, "probabilities": by_label}

    def _run(self, ids: list[list[int]], types: list[list[int]]) -> Any:
        longest = len(ids[0])
        padded = np.full((len(ids), longest), self._pad, dtype=np.int64)
        mask = np.arange(longest) < np.array([len(one) for one in ids])[:, None]
        padded[mask] = np.concatenate(ids)
        of_types = np.zeros_like(padded)
        of_types[mask] = np.concatenate(types)
        known = {"input_ids": padded, "attention_mask": mask.astype(np.int64), "token_type_ids": of_types}
        return self._session.run(None, {name: known[name] for name in self._inputs})[0]

    def _encode(self, texts: Sequence[Text]) -> tuple[list[list[list[int]]], list[list[list[int]]], list[bool]]:
        """Of each text's windows, one unless it is read in several, ids and which text of a pair each is of; if cut."""
        known = [tuple(map(self._relevant, (text,) if isinstance(text, str) else text)) for text in texts]
        found = self._tokenizer.encode_batch_fast([both if len(both) > 1 else both[0] for both in known])
        parts = [self._parts(one.ids, one.special_tokens_mask) for one in found]
        cut = [
            bool(one.overflowing) or left_out or sum(map(len, short)) < sum(map(len, text))
            for one, (_, left_out), short, text in zip(found, parts, known, texts, strict=True)
        ]
        types = [[one.type_ids[: len(ids)] for ids in windows] for one, (windows, _) in zip(found, parts, strict=True)]
        return [windows for windows, _ in parts], types, cut

    def _relevant(self, text: str) -> str:
        """The characters of a text that can be part of the tokens that are read."""
        limit = self._most * _CHARACTERS_PER_TOKEN
        if self._rule == "truncate":
            return text[:limit]
        count = 2 if self._rule == "head+tail" else self._windows
        parts = (text[start : start + limit] for start in _evenly(len(text) - limit, count))
        return text if len(text) <= count * limit + count - 1 else " ".join(parts)

    def _parts(self, ids: list[int], special: list[int]) -> tuple[list[list[int]], bool]:
        """The windows of a text, or what is kept of it in one, and whether some of it is left out."""
        if len(ids) <= self._most:
            return [ids], False
        begin, end = special.index(0), len(ids) - special[::-1].index(0)
        before, text, after = ids[:begin], ids[begin:end], ids[end:]
        room = self._most - len(before) - len(after)
        if self._rule != "window":
            return [before + text[: room // 4] + text[len(text) - (room - room // 4) :] + after], True
        overlap = room // 4
        needed = -(-(len(text) - overlap) // (room - overlap))
        count = min(needed, self._windows)
        size = min(room, -(-(len(text) + (count - 1) * overlap) // count))
        starts = _evenly(len(text) - size, count)
        return [before + text[start : start + size] + after for start in starts], needed > count


def _read(folder: Path, name: str) -> Any:
    # Bytes that are no text become escapes, which JSON does not know: a damaged file is told from a file to label.
    return json.loads((folder / f"{name}.json").read_text("utf-8", "backslashreplace"))


def _evenly(last: int, count: int) -> list[int]:
    """Whole numbers from 0 to `last` in even steps."""
    return [number * last // max(1, count - 1) for number in range(count)]


def text_columns(folder: Path, columns: Sequence[str], given: str | None) -> list[str]:
    """The columns to read: those given, or those that the model was trained on.

    Raises:
        ValueError: If the file is empty, lacks one, or has one that would be added.
    """
    run = _read(folder, "run")
    wanted = given or (run.get("data") or {}).get("text_column") or "text"
    names = [wanted] if wanted in columns else [name.strip() for name in wanted.split(",")]
    if not columns:
        raise ValueError("the file is empty: it needs a header line and rows")
    for name in names:
        if name not in columns:
            raise ValueError(f"there is no column {name!r} among {', '.join(columns)}: name one with --text-column")
    if run.get("pairs") and len(names) != 2:
        raise ValueError("the model reads pairs of texts: name two columns, --text-column FIRST,SECOND")
    if taken := [name for name in columns if name in _ADDED]:
        raise ValueError(f"there is a column {taken[0]!r} already, which the predictions would add: rename it")
    return names


def label_rows(model: Model, rows: Iterable[dict[str, Any]], names: list[str], reject_below: float) -> Iterator[Any]:
    """Every row with what is added to it, in their order; a row that cannot be read says so in `error`."""
    stream = iter(rows)
    while part := list(islice(stream, _ROWS_PER_SLICE)):
        parts = [[value for name in names if (value := row[name]) and value.strip()] for row in part]
        texts: list[Any] = ["\n".join(own) for own in parts]
        if model.pairs:
            texts = [tuple(own) if len(own) == 2 else "" for own in parts]
        whole = [
            bool(text) and None not in row and None not in row.values() for row, text in zip(part, texts, strict=True)
        ]
        answers = iter(model.predict([text for text, usable in zip(texts, whole, strict=True) if usable]))
        for row, text, usable in zip(part, texts, whole, strict=True):
            row.pop(None, None)  # type: ignore[call-overload]
            if not usable:
                yield {**row, "error": "the row has too few or too many cells" if text else "the text is empty"}
                continue
            label, sure, cut, _ = next(answers).values()
            shown = "|".join(map(str, label)) if isinstance(label, list) else str(label)
            added = {"probability": f"{sure:.6f}", "truncated": str(cut).lower()}
            if sure < reject_below:
                yield {**row, **added, "error": f"declined: not as sure as {reject_below:g}"}
            elif label == []:
                yield {**row, **added, "error": "no label reaches its threshold"}
            else:
                yield {**row, **added, "prediction": shown}


def require_free(output: Path, source: str | int, *, force: bool) -> None:
    """Refuse a result in the place of what is read, of the model or, unless forced, of any file; devices are free.

    Raises:
        ValueError: If it is refused.
        OSError: If the source is not there.
    """
    if output.exists() and os.path.samefile(output, source):
        raise ValueError(f"{output} is the file that is read, and would be lost: name another --output")
    own = Path(__file__).resolve().parent
    if output.resolve() in [own / name for name in (*_read(own, "manifest"), f"onnx/{output.name}")]:
        raise ValueError(f"{output} is among the model's files: name a file elsewhere as --output")
    if output.is_file() and not force:
        raise ValueError(f"{output} is there already: add --force to overwrite it, or name another --output")


@contextmanager
def result_file(output: Path | None) -> Iterator[TextIO]:
    """A file that has its name only once all of it is written; standard output, pipes and devices as they are.

    Raises:
        OSError: If it cannot be written; its `filename` is the output.
    """
    direct = output is None or (output.exists() and not output.is_file())
    place = Path(os.path.realpath(output or ""))
    aside = place.parent / f".predict-{os.getpid()}.partial"
    target: Any = aside if not direct else 1 if output is None else output
    try:
        with open(target, "w", encoding="utf-8", newline="") as file:
            yield file
        if not direct:
            os.replace(aside, place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output or "standard output")) from None
    finally:
        if not direct:
            aside.unlink(missing_ok=True)


def label_file(source: str, output: Path | None, column: str | None, reject_below: float, *, force: bool) -> None:
    """Write the rows of a file with their labels; `-` is standard input."""
    csv.field_size_limit(1 << 30)
    opened = 0 if source == "-" else source
    if output is not None:
        require_free(output, opened, force=force)
    with open(opened, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t" if source.endswith(".tsv") else ",", strict=True)
        columns = list(rows.fieldnames or ())
        names = text_columns(Path(__file__).parent, columns, column)
        model = Model()
        with result_file(output) as written:
            writer = csv.DictWriter(written, [*columns, *_ADDED], lineterminator="\n")
            writer.writeheader()
            writer.writerows(label_rows(model, rows, names, reject_below))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main() -> None:
    """Label a text, or every row of a file."""
    if hasattr(signal, "SIGPIPE"):  # Windows has none. A reader that has had enough, `head` say, ends the program.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parser = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="CSV or TSV with a header, or - for standard input")
    parser.add_argument("--text", help="a single text; its answer is printed as JSON")
    parser.add_argument("--text-pair", help="the second text, where the model reads pairs")
    parser.add_argument("--text-column", help="column of the texts; the one trained on by default")
    parser.add_argument("--output", type=Path, help="file for the result; standard output by default")
    parser.add_argument("--force", action="store_true", help="overwrite the output if it is there already")
    parser.add_argument("--reject-below", type=float, default=0.0, help="give no label below this probability")
    asked = parser.parse_args()
    given = [text for text in (asked.text, asked.text_pair) if text is not None]
    if bool(asked.file) == (asked.text is not None) or bool(asked.file and given) or not all(map(str.strip, given)):
        parser.error("give a file, or --text TEXT with at least one word")
    source = "standard input" if asked.file == "-" else asked.file
    try:
        if asked.text is not None:
            model = Model()
            if model.pairs != (len(given) == 2):
                kind = "pairs: give" if model.pairs else "single texts: leave out"
                raise ValueError(f"the model reads {kind} --text-pair")
            answer = model.predict([tuple(given) if model.pairs else given[0]])[0]
            with result_file(None) as written:
                written.write(json.dumps(answer, ensure_ascii=False) + "\n")
        else:
            label_file(asked.file, asked.output, asked.text_column, asked.reject_below, force=asked.force)
    except UnicodeDecodeError:
        parser.error(f"{source} is not text in UTF-8: save it as CSV in UTF-8")
    except csv.Error as error:
        parser.error(f"{source} is no CSV that can be read ({error}): correct it")
    except OSError as error:
        parser.error(f"{error.filename or source} cannot be read or written ({error.strerror}): name another file")
    except Exception as error:  # noqa: BLE001 - those of the libraries that open and run a graph have no common kind
        reason = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
        damaged = f"the export in {Path(__file__).parent} is damaged ({reason}): export the run again"
        parser.error(str(error) if type(error) is ValueError else damaged)


if __name__ == "__main__":
    main()
