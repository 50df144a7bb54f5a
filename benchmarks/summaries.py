"""ROUGE of extractive summaries on news, beside each article's first three sentences.

    python benchmarks/summaries.py

CNN's articles in cnn_dailymail/validation with their reference summaries: the weights of
`documents/summaries/summaries.py` were chosen on the first 150 rows, and all figures are also given for the other 350.
Keeps results/summaries.json and the raw rows (row, ROUGE, whether it is the first three sentences, of both settings)
in results/summaries.parquet. Needs TRIFOLD_DATA. Minutes on two cores.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from provenance import provenance
from result_tables import Row, replace_run, rows_by_run
from trifold.data.settings import TextSettings
from trifold.documents.summaries.settings import SummarySettings
from trifold.models.settings import EncodingSettings
from trifold.pipeline.evaluate_summaries import FIGURES, ScoredRow, SummaryScores, evaluate_summaries
from trifold.pipeline.summarize import Summarizer
from trifold.statistics.rouge import Rouge

RESULTS = Path(__file__).parent / "results"
RAW = RESULTS / "summaries.parquet"
DATA = Path(os.environ.get("TRIFOLD_DATA", "")) / "cnn_dailymail" / "validation.parquet"
SET_ASIDE = 150
RUNS = {"own-order": SummarySettings(), "lead-bias": SummarySettings(lead_bias=True)}


def figures(run: str, *, held_out: bool) -> dict[str, Any]:
    """The figures of a run, from the kept rows.

    Args:
        run: One of `RUNS`.
        held_out: Whether only of rows on which no weight was chosen.
    """
    kept = [row for row in rows_by_run(RAW)[run] if not held_out or row["row"] > SET_ASIDE]

    def scores(row: Row, of: str) -> Rouge:
        return Rouge(**{figure: row[f"{of}_{figure}"] for figure in FIGURES})

    rows = [ScoredRow(row["row"], scores(row, "summary"), scores(row, "lead"), row["same"]) for row in kept]
    return SummaryScores(rows, stemmed=True).described()


def as_kept(row: ScoredRow) -> Row:
    """A row as it is kept."""
    parts = {"summary": row.summary, "lead": row.lead}
    rouge = {f"{of}_{figure}": getattr(part, figure) for of, part in parts.items() for figure in FIGURES}
    return {"row": row.row, "same": row.same, **rouge}


def main() -> None:
    """Summarize all articles by each setting."""
    if not DATA.is_file():
        raise SystemExit(__doc__)
    seconds = {}
    for run, settings in RUNS.items():
        begun = time.perf_counter()
        found = evaluate_summaries(Summarizer("minilm", EncodingSettings(), settings), DATA, TextSettings())
        seconds[run] = round(time.perf_counter() - begun, 1)
        replace_run(RAW, run, [as_kept(row) for row in found.rows])
    told = {run: {"all": figures(run, held_out=False), "held_out": figures(run, held_out=True)} for run in RUNS}
    facts = {"seconds_with_encoding": seconds, "load": round(os.getloadavg()[0], 1), **told, **provenance()}
    (RESULTS / "summaries.json").write_text(json.dumps(facts, indent=1) + "\n")
    for run in RUNS:
        for part in ("all", "held_out"):
            shown = {name: told[run][part][name]["rouge_1"] for name in ("summaries", "first_sentences", "difference")}
            print(run, part, json.dumps(shown), told[run][part]["differ_from_first_sentences"])


if __name__ == "__main__":
    main()
