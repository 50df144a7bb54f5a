"""Which exports are refused: those that held-out rows show to lose too much."""

import numpy as np
import pytest

from trifold.errors import ExportError
from trifold.pipeline import export
from trifold.statistics.metrics import paired_difference


def compared(rows: int, lost: int) -> export._Compared:
    """An export that is right on all rows but so many, where the run is right on all."""
    truth = np.arange(rows) % 2
    after = np.where(np.arange(rows) < lost, 1 - truth, truth)
    drop = paired_difference("accuracy", truth, truth, after, 2)
    return export._Compared("accuracy", drop, rows, 1 - lost / rows, difference=0.01)


def test_two_rows_of_160_refuse_nothing_and_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    export._require_small_drop(compared(160, 2), "int8", 0.5)
    said = capsys.readouterr().err
    assert "these rows do not show that it loses at most 0.5 points (--max-drop)" in said
    assert "--data FILE" in said


def test_models_that_label_all_rows_alike_need_no_note(capsys: pytest.CaptureFixture[str]) -> None:
    export._require_small_drop(compared(160, 0), "onnx", 0.5)
    assert capsys.readouterr().err == ""


def test_a_loss_that_no_chance_explains_is_refused_with_its_figures() -> None:
    refused = (
        r"the int8 model loses 10\.00 points of accuracy on 160 held-out rows \(95 % interval \d\.\d\d to 15\.\d\d\), and "
        r"--max-drop allows 0\.5: nothing was kept; allow more, measure on other labelled rows with --data FILE, or "
        "export without --int8"
    )
    with pytest.raises(ExportError, match=refused):
        export._require_small_drop(compared(160, 16), "int8", 0.5)
    export._require_small_drop(compared(160, 16), "int8", 20)
