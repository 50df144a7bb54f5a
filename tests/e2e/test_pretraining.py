"""Pretraining through the command line: train, resume, use what comes out, and bad input."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from warm_commands import Command

CLM = ("--objective", "clm", "--from-scratch", "--vocab-size", 300, "--layers", 1, "--hidden-size", 32, "--heads", 2)
SHORT = ("--block-size", 32, "--documents", "line", "--lr", "1e-2", "--batch-size", 8)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines with an order to learn."""
    rng, path = random.Random(0), tmp_path_factory.mktemp("text") / "story.txt"
    weather = {"rain": "wet", "snow": "white", "sun": "warm", "wind": "cold"}
    said = [rng.choice(list(weather)) for _ in range(600)]
    path.write_text(
        "".join(f"On day {i} there was {one} and the film was {weather[one]}.\n" for i, one in enumerate(said))
    )
    return path


@pytest.fixture(scope="module")
def decoder(story: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "clm"
    done = trifold_command("pretrain", story, *CLM, *SHORT, "--epochs", 3, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(story: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mlm"
    flags = ("--model", tiny_model, "--epochs", 2, "--output-dir", folder)
    done = trifold_command("pretrain", story, *SHORT, *flags)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_run_folder_holds_figures_curves_and_an_ordinary_model(decoder: Path, encoder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    for folder, model in ((decoder, AutoModelForCausalLM), (encoder, AutoModelForMaskedLM)):
        names = {path.name for path in folder.iterdir()}
        assert names == {
            "history.csv", "loss.png", "manifest.json", "metrics.json", "model", "report.html", "run.json",
        }  # fmt: skip
        model.from_pretrained(folder / "model", local_files_only=True)
        AutoTokenizer.from_pretrained(folder / "model", local_files_only=True)
    metrics = json.loads((decoder / "metrics.json").read_text())
    rows = (decoder / "history.csv").read_text().splitlines()
    assert metrics["loss"] < 0.6 * float(rows[1].split(",")[3]), "it has learned"
    assert metrics["bits_per_byte"] < 3
    assert "pseudo_perplexity" in json.loads((encoder / "metrics.json").read_text())


def test_what_it_learned_is_asked_of_it(decoder: Path, encoder: Path, story: Path, trifold_command: Command) -> None:
    written = trifold_command(
        "generate", decoder, "On day 5 there was", "--stop", ".", "--max-new-tokens", 12, "--temperature", 0
    )
    assert written.returncode == 0, written.stderr
    assert any(word in written.stdout for word in ("rain", "snow", "sun", "wind"))
    assert "." not in written.stdout
    flags = ("--max-new-tokens", 6, "--num-return-sequences", 3, "--seed", 7, "--json")
    several = [trifold_command("generate", decoder, "On day", *flags).stdout for _ in range(2)]
    assert several[0] == several[1]
    assert len(json.loads(several[0])["texts"]) == 3
    filled = trifold_command("fill-mask", encoder, "there was rain and the [MASK] was wet.", "--top-k", 2, "--json")
    assert filled.returncode == 0, filled.stderr
    guesses = json.loads(filled.stdout)
    assert [len(one) for one in guesses] == [2]
    assert guesses[0][0]["score"] >= guesses[0][1]["score"]
    known = json.loads(trifold_command("perplexity", decoder, story, "--json").stdout)
    assert known["perplexity"] < 30


def test_a_model_without_the_head_says_what_to_run(decoder: Path, encoder: Path, trifold_command: Command) -> None:
    for verb, model, rest, advice in (
        ("fill-mask", "minilm", "a [MASK]", "--objective mlm"),
        ("fill-mask", decoder, "a [MASK]", "--objective mlm"),
        ("generate", encoder, "a", "--objective clm --from-scratch"),
        ("fill-mask", encoder, "no mask", "has no [MASK]"),
        ("predict", encoder, "--text=a", "is a run of a language model, which knows no labels"),
    ):
        done = trifold_command(verb, model, rest)
        assert done.returncode == 2
        assert advice in done.stderr
        assert done.stderr.count("\n") == 1


def test_finetune_and_compare_take_the_folder(
    encoder: Path, reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    flags = ("--max-length", 32, "--output-dir", tmp_path / "run", "--json")
    done = trifold_command("finetune", reviews, "--method", "features", "--model", encoder, *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["accuracy"]["value"] > 0.6


def test_a_decoder_learns_answers_and_its_adapter_comes_back(
    decoder: Path, tmp_path: Path, trifold_command: Command
) -> None:
    data = tmp_path / "answers.csv"
    pairs = {"rain": "wet", "snow": "white", "sun": "warm", "wind": "cold"}
    rows = [
        f"{number}: {word}?,{pairs[word]}" for number, word in enumerate(random.Random(1).choices(list(pairs), k=160))
    ]
    data.write_text("prompt,answer\n" + "\n".join(rows) + "\n")
    columns = ("--task", "generate", "--text-column", "prompt", "--target-column", "answer", "--max-length", 24)
    exact = {}
    for method, rate in (("full", "1e-2"), ("adapter-lora", "2e-2")):
        folder = tmp_path / method
        flags = ("--model", decoder, "--method", method, "--lr", rate, "--epochs", 12, "--output-dir", folder, "--json")
        done = trifold_command("finetune", data, *columns, *flags)
        assert done.returncode == 0, done.stderr
        exact[method] = json.loads(done.stdout)["metrics"]["exact_match"]
        with (folder / "history.csv").open() as file:
            losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
        assert losses[-1] < 0.7 * losses[0], method
        asked = trifold_command("generate", folder, "500: snow?", "--temperature", 0, "--max-new-tokens", 5)
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.strip()
    assert exact["full"] > 0.7
    assert {path.name for path in (folder / "model").iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    encoder_only = trifold_command("finetune", data, *columns)
    assert encoder_only.returncode == 2
    assert "name a decoder with --model" in encoder_only.stderr


def test_pretrain_on_reports_what_it_gains(
    story: Path, reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    flags = ("--model", tiny_model, "--method", "features", "--max-length", 64, "--output-dir", tmp_path / "run")
    # The labelled file itself is the text: its test and validation rows must not be read beforehand.
    done = trifold_command("finetune", reviews, "--pretrain-on", reviews, "--pretrain-on", story, *flags)
    assert done.returncode == 0, done.stderr
    gain = json.loads((tmp_path / "run" / "gain.json").read_text())
    assert gain["gain"]["value"] == pytest.approx(gain["pretrained"] - gain["plain"])
    assert gain["gain"]["low"] <= gain["gain"]["value"] <= gain["gain"]["high"]
    assert "Pretraining" in done.stdout
    facts = json.loads((tmp_path / "run" / "pretraining" / "run.json").read_text())
    parts = json.loads((tmp_path / "run" / "plain" / "run.json").read_text())["data"]["parts"]
    assert facts["data"]["excluded"] == parts["test"] + parts["validation"] > 80


def stopped(command: list[str], folder: Path, after: int) -> int:
    """Start, kill once so many states were saved, and return the exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "trifold", *command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        seen: set[str] = set()
        while len(seen) < after and process.poll() is None:
            seen |= {path.name for path in (folder / "state").glob("step-*")}
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    return process.returncode


def test_killed_and_resumed_it_ends_with_the_same_weights(
    story: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    command = ["pretrain", str(story), *map(str, SHORT), "--model", str(tiny_model), "--max-tokens", "24000"]
    kept = [*command, "--save-steps", "2", "--output-dir", str(folder), "--resume"]
    assert stopped(kept, folder, 3) == -signal.SIGKILL
    budget = (folder / "state" / "budget.json").read_text()
    done = trifold_command(*kept)
    assert done.returncode == 0, done.stderr
    assert "resumed after step" in done.stderr
    assert json.loads((folder / "run.json").read_text())["budget"] == json.loads(budget)
    whole = trifold_command(*command, "--output-dir", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    weights = [(one / "model" / "model.safetensors").read_bytes() for one in (folder, tmp_path / "whole")]
    assert weights[0] == weights[1]
    assert not (folder / "state").exists()


def test_stopped_while_the_model_is_written_it_goes_on_from_what_was_trained(
    story: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    command = ["pretrain", story, *SHORT, "--model", tiny_model, "--time-limit", "0.05", "--output-dir", folder]
    words = [sys.executable, "-m", "trifold", *map(str, command)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob(".run*/model")) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "--resume goes on from it" in said or folder.joinpath("run.json").exists(), said
    assert "Model weights saved" not in said
    done = trifold_command(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert "resumed after step" in done.stderr or "is finished" in done.stderr
    assert {"run.json", "model", "loss.png", "report.html"} <= {path.name for path in folder.iterdir()}


def test_a_decoder_that_is_asked_for_more_than_it_reads_says_so(
    decoder: Path, tmp_path: Path, trifold_command: Command
) -> None:
    prompt, log = tmp_path / "prompt.toml", tmp_path / "log"
    prompt.write_text('task = "{text}"\nvariables = { text = "" }\n')
    long = "On day 5 there was rain and the film was wet. " * 20
    asks = ("prompt", "run", prompt, "--llm", f"hf:{decoder}", "--log", log)
    for command, sentence in (
        (("generate", decoder, long), "reads 32: shorten the prompt"),
        (("generate", decoder, "On", "--max-new-tokens", 40), "--max-new-tokens asks for 40 more, and "),
        ((*asks, "--var", f"text={long}"), "reads 32: shorten the prompt"),
        (("prompt", "write", "sort mail", *asks[3:]), "that many, so use a model that reads more"),
        ((*asks, "--var", "text=On", "--max-tokens", 40), "--max-tokens asks for 40 more, and hf:"),
    ):
        done = trifold_command(*command)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("trifold: the prompt has ")
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    begun = trifold_command("prompt", "chat", prompt, *asks[3:], "--var", f"text={long}")
    assert begun.returncode == 2
    assert "reads 32: shorten the prompt" in begun.stderr
    for command in (("generate", decoder, "On"), (*asks, "--var", "text=On")):
        assert trifold_command(*command).returncode == 0, "the usual length is what fits"


def test_generate_says_why_it_wrote_nothing(decoder: Path, trifold_command: Command) -> None:
    first = trifold_command("generate", decoder, "On day 5", "--temperature", 0, "--max-new-tokens", 1).stdout.strip()
    done = trifold_command("generate", decoder, "On day 5", "--temperature", 0, "--stop", first[0])
    assert done.returncode == 0
    assert "note: the answer is empty, since it begins with a text that --stop names" in done.stderr


def test_a_model_that_learned_nothing_yet_says_so_wherever_it_speaks(
    story: Path, decoder: Path, encoder: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "young"
    made = trifold_command("pretrain", story, *CLM, *SHORT, "--max-tokens", 64, "--output-dir", folder)
    asked = trifold_command("generate", folder, "On day", "--max-new-tokens", 3)
    for done in (made, asked):
        assert done.returncode == 0, done.stderr
        assert "note: this model knows nothing yet: its loss on held-out text is " in done.stderr
    both = subprocess.run(
        [sys.executable, "-m", "trifold", "generate", str(folder), "On day", "--max-new-tokens", "3"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
    )  # fmt: skip
    assert "\nnote: this model knows nothing yet" in both.stdout
    record = json.loads((folder / "run.json").read_text())
    assert record["held_out_loss"] > 0.95 * record["unigram_loss"] > 0
    assert f"loss of word frequencies      {record['unigram_loss']:.4g}" in made.stdout
    assert f"{record['unigram_loss']:.4g}" in (folder / "report.html").read_text()
    # The encoder, which saw little, has learned frequencies alone; the decoder more.
    assert "knows nothing yet" in trifold_command("fill-mask", encoder, "the [MASK]").stderr
    assert "knows nothing yet" not in trifold_command("generate", decoder, "On", "--max-new-tokens", 3).stderr


def test_minutes_of_pretraining_end_when_they_are_over(story: Path, tmp_path: Path, trifold_command: Command) -> None:
    folder, minutes = tmp_path / "run", 0.1
    done = trifold_command("pretrain", story, *CLM, *SHORT, "--time-limit", minutes, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    assert "in 0.1 min that is about" in done.stderr
    record = json.loads((folder / "run.json").read_text())
    assert record["train_seconds"] == pytest.approx(60 * minutes, abs=1.5)
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    # How near to 0 it comes depends on what else the machine does in these seconds.
    assert float(rows[-1]["learning_rate"]) < 0.5 * max(float(row["learning_rate"]) for row in rows)


def test_a_finished_pretraining_that_is_to_be_longer_says_how_to_go_on(
    story: Path, decoder: Path, tmp_path: Path, trifold_command: Command
) -> None:
    more = ("pretrain", story, *SHORT, "--objective", "clm")
    done = trifold_command("pretrain", story, *CLM, *SHORT, "--epochs", 5, "--output-dir", decoder, "--resume")
    assert done.returncode == 2
    assert "holds another run than is asked for (epochs was 3 and is 5), and is left as it is" in done.stderr
    assert f"another --output-dir, and with it --model {decoder} to train on from what that run" in done.stderr
    assert done.stderr.count("\n") == 1
    on = trifold_command(*more, "--model", decoder, "--epochs", 1, "--output-dir", tmp_path / "on")
    assert on.returncode == 0, on.stderr


@pytest.mark.parametrize(
    ("content", "flags", "sentence"),
    [
        (b"", (), "is empty: give a file with text"),
        (b"a few words\n", (), "too few for a block of 256 to train on and one to validate on"),
        (bytes(range(256)) * 40, (), "is a binary file, not text"),
        (
            b"a few words\n" * 90,
            ("--objective", "clm", "--from-scratch", "--vocab-size", 5000),
            "allows a vocabulary of",
        ),
        (b"words\n", ("--objective", "clm"), "is an encoder, which sees the words on both sides"),
        (b"words\n", ("--block-size", 600), "reads at most 512 tokens: use --block-size 512 or less"),
        (b"words\n", ("--epochs", 1, "--time-limit", 1), "name one budget"),
        (b"words\n", ("--from-scratch", "--heads", 3), "the heads share the width"),
    ],
)
def test_what_cannot_be_learned_from(
    content: bytes, flags: tuple[object, ...], sentence: str, tmp_path: Path, trifold_command: Command
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    done = trifold_command("pretrain", path, *flags, "--output-dir", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_corpus_can_be_excluded_to_nothing(reviews: Path, tmp_path: Path, trifold_command: Command) -> None:
    done = trifold_command("pretrain", reviews, "--exclude", reviews, "--output-dir", tmp_path / "out")
    assert done.returncode == 2
    assert "no text is left" in done.stderr


def test_show_needs_neither_text_nor_pytorch(trifold_command: Command) -> None:
    done = trifold_command("pretrain", "--show", "I am a data scientist")
    assert done.returncode == 0, done.stderr
    assert "I am a data    scientist" in done.stdout
    assert "I am a [MASK] scientist     data" in done.stdout
    empty = trifold_command("pretrain")
    assert empty.returncode == 2
    assert "pretrain needs text" in empty.stderr


def test_every_flag_that_the_docs_name_is_known(trifold_command: Command) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text(encoding="utf-8")
    commands = [line[2:].split() for line in docs.splitlines() if line.startswith("$ trifold")]
    assert len(commands) >= 10
    for _, verb, *words in commands:
        known = trifold_command(verb, "--help").stdout
        assert all(word in known for word in words if word.startswith("--")), (verb, words)
