"""The words that decided in a run's surest mistakes, for its report: few and cheap, so that no training ends later."""

import time
from itertools import islice

from trifold.evaluate.method_section import SHOWN_ERRORS
from trifold.evaluate.results import RunResult, read_csv
from trifold.explanations.explain import explain_texts
from trifold.explanations.explanation import Explanation
from trifold.explanations.saved import write_explanations
from trifold.explanations.settings import ExplanationSettings
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Predictor
from trifold.types import labels_of

# What it may take, and the fewest and most times that a model is asked about one mistake.
_SECONDS = 1.5
_FEWEST, _MOST = 60, 120


def explain_mistakes(result: RunResult, predictor: Predictor) -> None:
    """Write `explanations.json` of the surest mistakes, as far as the time allows; nothing where it allows none.

    Args:
        result: The run.
        predictor: Its model. A language model is not asked: its answers take time or money. Of pairs of texts
            nothing is explained.
    """
    if method_entry(result.method).asks_llm or result.record.get("pairs"):
        return
    affordable = int(_SECONDS / max(1e-6, result.milliseconds_per_text / 1000))
    most = min(_MOST, affordable)
    if most < _FEWEST:
        return
    found: dict[int, Explanation] = {}
    ends = time.monotonic() + _SECONDS
    for error in islice(read_csv(result.folder / "errors.csv"), min(SHOWN_ERRORS, affordable // most)):
        given = labels_of(result.labels.parse(error["prediction"]))
        if not given:
            continue
        settings = ExplanationSettings(evaluations=most)
        found[int(error["row"])] = next(explain_texts(predictor, [error["text"]], settings))
        if time.monotonic() > ends:
            break
    if found:
        write_explanations(result.folder, found)
