"""What users of other tools suffer from: one test per complaint, named for it. Details are tested elsewhere."""

import csv
import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from scripted_server import Reply, scripted
from trifold.data.examples import label_variants, load_examples
from trifold.data.open_file import open_table
from trifold.data.settings import DataSettings
from trifold.llm.answer_parser import find_word
from trifold.llm.call_log import CallLog, read_log
from trifold.llm.contract import Scorer
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import open_llm
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.methods.settings import MethodSettings
from trifold.models.settings import ComputeSettings
from trifold.runtime import bfloat16_pays, choose, cpu_multiplies_bfloat16
from trifold.types import Record
from warm_commands import Command


def test_column_names_are_guessed_and_one_flag_overrides(tmp_path: Path, trifold_command: Command) -> None:
    path = tmp_path / "data.csv"
    path.write_text(
        ",Review,stars,mood\n" + "".join(f"{i},a film number {i},{i % 5},{'ab'[i % 2]}\n" for i in range(40))
    )
    guessed = trifold_command("check", path)
    assert "text from column 'Review', label from column 'stars' (guessed;" in guessed.stdout
    assert "label from column 'mood'" in trifold_command("check", path, "--label-column", "mood").stdout


def test_quotes_marks_and_delimiters_do_not_break_reading(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b'\xef\xbb\xbftext;label\n"semi; colon and ""quotes""";1\nplain, comma;0\n')
    rows = [row.values for row in open_table(path).rows() if isinstance(row, Record)]
    assert rows == [{"text": 'semi; colon and "quotes"', "label": "1"}, {"text": "plain, comma", "label": "0"}]


def test_spelling_variants_of_a_label_are_flagged() -> None:
    assert label_variants(["pos", "pos", "Pos ", "neg"]) == {"Pos ": "pos"}


def test_labels_need_not_be_numbers_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,17\nb,-3\nc,17\n")
    assert load_examples(path, DataSettings()).examples.labels == (17, -3, 17)


def test_memory_does_not_explode_before_training(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "".join(f"text number {i},{i % 2}\n" for i in range(50_000)))
    tracemalloc.start()
    load_examples(path, DataSettings())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * path.stat().st_size + 10_000_000


def test_half_precision_is_used_only_where_the_processor_is_faster_in_it() -> None:
    assert choose("cpu").precision == ("bfloat16" if bfloat16_pays() else "float32")
    assert cpu_multiplies_bfloat16() or not bfloat16_pays()


def test_texts_over_512_tokens_do_not_crash_at_inference(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    run = tmp_path / "run"
    trifold_command("finetune", reviews, "--model", tiny_model, "--epochs", "1", "--output-dir", run)
    done = trifold_command("predict", run, "--text", "film " * 5_000, "--json")
    assert json.loads(done.stdout)["truncated"] is True


def test_loss_curves_need_not_be_dug_out_of_logs(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    trifold_command("finetune", reviews, "--model", tiny_model, "--epochs", "2", "--output-dir", tmp_path / "run")
    assert (tmp_path / "run" / "loss.png").stat().st_size > 5_000
    header = (tmp_path / "run" / "history.csv").read_text().splitlines()[0]
    assert "validation_loss" in header


def test_a_correct_run_shows_no_alarming_warnings(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command(
        "finetune", reviews, "--model", tiny_model, "--epochs", "1", "--output-dir", tmp_path / "run"
    )
    assert done.returncode == 0
    assert not re.search(r"warn|missing|newly initialized|deprecat|should probably", done.stderr, re.IGNORECASE), (
        done.stderr
    )


OFFLINE = """
import socket, sys
def refuse(*_):
    raise AssertionError("a connection was opened")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from trifold.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_offline_opens_no_socket(reviews: Path, tmp_path: Path) -> None:
    for flags in (["finetune", str(reviews), "--method", "features", "--offline", "--output-dir", str(tmp_path / "run")],
                  ["predict", str(tmp_path / "run"), "--text", "superb", "--offline"]):  # fmt: skip
        done = subprocess.run([sys.executable, "-c", OFFLINE, *flags], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_lost_head_is_never_reported_as_success(
    reviews: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trifold.errors import ArtifactError
    from trifold.methods import tfidf
    from trifold.methods.linear_head import LinearHead
    from trifold.pipeline.finetune import finetune
    from trifold.pipeline.request import Request

    # The fault cannot be caused from outside: make the saved head lose its weights.
    lose = classmethod(lambda cls, arrays, *_: cls(np.zeros_like(arrays["weight"]), arrays["bias"]))
    monkeypatch.setattr(LinearHead, "saved", lose)
    assert tfidf.Tfidf(MethodSettings()).name == "tfidf"
    with pytest.raises(ArtifactError, match="gives other logits than the trained one"):
        finetune(Request(reviews), "tfidf", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_comes_back_with_its_head_through_the_one_load(
    reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    run = tmp_path / "run"
    flags = ("--method", "adapter-lora", "--adapter-layers", "1", "--epochs", "1", "--max-length", "32")
    assert trifold_command("finetune", reviews, *flags, "--output-dir", run).returncode == 0
    done = trifold_command("predict", run, reviews)
    given = {row["text"]: row for row in csv.DictReader(done.stdout.splitlines())}
    with reviews.open() as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    with (run / "predictions.csv").open() as file:
        for row in csv.DictReader(file):
            found = given[texts[int(row["row"]) - 1]]
            assert found["prediction"] == row["prediction"]
            assert float(found["probability"]) == pytest.approx(float(row["probability"]), abs=1e-4)
    assert json.loads((run / "run.json").read_text())["method"] == "adapter-lora"


def test_an_adapter_at_the_rate_of_full_fine_tuning_is_warned_of(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    flags = ("--method", "adapter-lora", "--model", tiny_model, "--lr", "2e-5", "--epochs", "1")
    done = trifold_command("finetune", reviews, *flags, "--output-dir", tmp_path / "run")
    assert "a learning rate of 2e-05 is low for adapter-lora, which wants 0.0001 to 0.01" in done.stderr


@pytest.mark.filterwarnings("ignore:class_weight balanced changes nothing")
def test_class_weights_are_one_flag_for_every_method() -> None:
    from trifold import TextClassifier

    texts = [f"{'dull' if i % 20 == 0 else 'fine'} film number {i % 7}" for i in range(200)]
    labels = ["rare" if i % 20 in (0, 1) else "common" for i in range(200)]
    rare = [
        TextClassifier("tfidf", class_weight=weight).fit(texts, labels).predict_proba(["film"])[0, 1]
        for weight in ("none", "balanced")
    ]
    assert rare[1] > rare[0]


def test_how_sure_a_model_is_is_calibrated_on_validation(reviews: Path, tmp_path: Path) -> None:
    from trifold.pipeline.finetune import finetune
    from trifold.pipeline.request import Request

    result = finetune(Request(reviews), "tfidf", tmp_path / "run")
    assert result.record.choices["temperature"] > 0
    assert "calibration_error" in result.metrics
    assert "expected calibration error" in (tmp_path / "run" / "report.html").read_text()


def test_prediction_never_forks(tmp_path: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from trifold import TextClassifier
    from trifold.pipeline.finetune import finetune
    from trifold.pipeline.request import Request

    finetune(Request(reviews), "tfidf", tmp_path / "run")

    def refuse() -> int:
        raise AssertionError("a process was forked")

    monkeypatch.setattr(os, "fork", refuse)
    assert TextClassifier.load(tmp_path / "run").predict(["superb"]).tolist() == ["good"]


PROMPT = 'task = "Text: {text}"\nvariables = { text = "" }\noutput = { labels = ["good", "bad"] }\n'


def test_the_bill_is_known_before_it_is_run_up(reviews: Path, tmp_path: Path, trifold_command: Command) -> None:
    (tmp_path / "p.toml").write_text(PROMPT)
    with scripted(lambda *_: Reply("good")) as server:
        asked = ("--llm", server.llm, "--prompt", tmp_path / "p.toml", "--log", tmp_path / "log", "--price", "1,2")
        done = trifold_command("label", reviews, "--label-as", "said", *asked, "--dry-run", "--json")
        assert not server.requests
    bill = json.loads(done.stdout)
    assert bill["calls"] == 240
    assert bill["money"] == pytest.approx((bill["prompt_tokens"] + 2 * bill["answer_tokens"]) / 1e6)
    assert bill["seconds"] > 0


def test_the_prompt_that_is_shown_is_the_one_that_is_sent_and_logged(tmp_path: Path, trifold_command: Command) -> None:
    (tmp_path / "p.toml").write_text(PROMPT)
    given = ("--var", "text={odd} 🎬")
    with scripted(lambda *_: Reply("good")) as server:
        shown = json.loads(trifold_command("prompt", "show", tmp_path / "p.toml", *given, "--json").stdout)
        trifold_command("prompt", "run", tmp_path / "p.toml", *given, "--llm", server.llm, "--log", tmp_path / "log")
        assert server.requests[0]["messages"] == shown
    assert json.loads(read_log(tmp_path / "log", 1)[0].prompt) == shown


def test_a_label_outside_the_list_is_never_given(decoder: Path, tmp_path: Path) -> None:
    """A model that would write anything: its likelihoods still choose among the labels, and a server's prose does not."""
    words = ("emerald", "vermilion", "ultramarine")
    task = LabellingTask(plain_prompt(words), words, "{text} {mask}")
    model = open_llm(LlmSettings(llm=f"hf:{decoder}"), ComputeSettings(device="cpu"))
    assert isinstance(model, Scorer)
    judged = LikelihoodLabeller(model, task, CallLog(tmp_path / "log"), SpendingLimit()).judge(["The film is superb"])
    assert np.isfinite(judged.logits).all()
    assert judged.logits.shape == (1, 3)
    assert find_word("Chartreuse, obviously.", words) is None
