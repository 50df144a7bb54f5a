"""The report of a run: one page, from what the run recorded, without any outside part."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import write_reviews
from trifold.artifact.run_record import BackboneRecord
from trifold.evaluate.model_card import write_card
from trifold.evaluate.results import read_result
from trifold.formatting import counted
from trifold.models.settings import BackboneSettings
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request
from trifold.train.settings import TrainSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return finetune(Request(write_reviews(folder / "some.csv")), "tfidf", folder / "run", announce=False).folder


def test_the_page_names_data_command_and_figures(run: Path) -> None:
    page, record = (run / "report.html").read_text(encoding="utf-8"), read_result(run).record
    # Flags of the command are kept whole where it wraps.
    page = re.sub('<span class="flag">(.*?)</span>', r"\1", page)
    for what in (record.data.sha256, record.command, record.hardware["cpu"], "tfidf on some.csv"):
        assert what in page
    assert "src=" not in page
    assert "<link" not in page


def test_mistakes_and_curves_stand_in_it_as_far_as_there_are_any(run: Path) -> None:
    page, result = (run / "report.html").read_text(encoding="utf-8"), read_result(run)
    mistakes = int((result.truth != result.predicted).sum())
    assert f"{counted(mistakes, 'mistake')} in {counted(len(result.rows), 'test row')}" in page
    assert not (run / "loss.png").exists()
    assert (run / "confusion.png").exists()


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_the_card_of_an_adapter_loads_it_without_trifold(tiny_model: Path, tmp_path: Path) -> None:
    request = Request(
        write_reviews(tmp_path / "some.csv", rows=60),
        backbone=BackboneSettings(model=str(tiny_model), device="cpu"),
        train=TrainSettings(epochs=1),
    )
    result = finetune(request, "adapter-lora", tmp_path / "run", announce=False)
    folder = result.folder
    card = (folder / "README.md").read_text(encoding="utf-8")
    snippet = re.findall("```python\n(.*?)```", card, re.DOTALL)[-1].replace("THIS_FOLDER", str(folder))
    made: dict[str, Any] = {}
    exec(snippet, made)
    logits = made["model"](**made["tokenizer"](["a fine film"], return_tensors="pt")).logits
    assert logits.shape == (1, 2)
    # Of a model that other programs do not know by our name, the base is named as the hub has it.
    backbone = BackboneRecord(name="gemma-270m", revision=None, sha256="0" * 64)
    write_card(folder, replace(result, record=result.record.but(backbone=backbone)))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "BASE, REVISION = 'google/gemma-3-270m', '9b0cfec892e2bc2afd938c98eabe4e4a7b1e0ca1'" in card
    assert "It was trained on `gemma-270m`, these weights in fewer bits" in card
    assert 'base_model: "google/gemma-3-270m"\n' in card


def test_the_card_is_made_from_the_record_alone(run: Path, tmp_path: Path) -> None:
    write_card(tmp_path, read_result(run))
    card, record = (tmp_path / "README.md").read_text(encoding="utf-8"), read_result(run).record
    assert card.startswith("---\npipeline_tag: text-classification\nlibrary_name: trifold\n")
    assert f"SHA-256 `{record.data.sha256[:16]}…`" in card
    # To others the folders of this machine mean nothing.
    assert str(run.parent) not in card
