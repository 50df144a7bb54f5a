"""A real llama.cpp server with a real model: what it answers is read as it means it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trifold.errors import LlmError, TrifoldError
from trifold.llm.client import Client
from trifold.llm.contract import FatalLlmError, Sampling
from trifold.llm.few_shot import FixedShots
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import LabellingTask
from trifold.llm.open_model import labeller_of, open_llm, sampling_of
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_file import parse_prompt
from trifold.llm.prompt_template import Example, Message
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.named_models import named_model
from trifold.models.settings import ComputeSettings
from trifold.tasks.labels import LabelMap

pytestmark = pytest.mark.slow

LABELS = LabelMap(("negative", "positive"))
SHOWN = (
    ("a dull and lifeless film", "negative"),
    ("warm, funny and wonderful", "positive"),
    ("i was bored to tears", "negative"),
    ("one of the best films of the year", "positive"),
)
TEXTS = (
    ("an awful mess of a movie", "negative"),
    ("a superb and moving story", "positive"),
    ("stupid, ugly and far too long", "negative"),
    ("i loved every minute of it", "positive"),
)
# The model has no chat template of its own: messages are paragraphs, and an answer stands behind its question.
TEMPLATE = (
    "{% for m in messages %}{{ ' ' if m.role == 'assistant' else '' }}{{ m.content }}"
    "{{ '' if m.role == 'user' else '\n\n' }}{% endfor %}"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Base URL and model of a llama.cpp server in this process."""
    engine = pytest.importorskip("xllamacpp", reason="llama.cpp is not installed: pip install xllamacpp")
    named = named_model("gemma-270m")
    assert named
    try:
        weights = named.find()
    except TrifoldError as error:
        pytest.skip(f"there is no real model for llama.cpp: {error}")
    params = engine.CommonParams()
    params.model.path = str(weights)
    params.n_parallel, params.n_ctx, params.swa_full = 2, 1_024, True
    params.chat_template, params.use_jinja = TEMPLATE, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port = ["127.0.0.1"], 0
    server = engine.Server(params)
    yield f"{server.listening_address}/v1#gemma"
    del server


def settings(address: str, log: Path, kind: str = "openai") -> LlmSettings:
    return LlmSettings(llm=f"{kind}:{address}", log=log, retries=1, max_tokens=8, stop=("\n",))


def client(address: str, log: Path) -> Client:
    given = settings(address, log)
    return Client.of(OpenAIServer(address, given), given)


def test_labels_get_probabilities_with_one_answer(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt, words = word_labels(None, LABELS, {})
    shots = FixedShots(tuple(Example({"text": text}, label) for text, label in SHOWN))
    given = settings(address, tmp_path / "log")
    task = LabellingTask(prompt, words, "", shots)
    labeller = labeller_of(open_llm(given, ComputeSettings()), task, given, PromptingSettings())
    assert isinstance(labeller, GenerationLabeller)
    found = labeller.judge([text for text, _ in TEXTS])
    assert not found.problems
    assert labeller.spent.calls == len(TEXTS)
    probabilities = LABELS.probabilities(found.logits)
    praise = [share for share, (_, label) in zip(probabilities[:, 1], TEXTS, strict=True) if label == "positive"]
    blame = [share for share, (_, label) in zip(probabilities[:, 1], TEXTS, strict=True) if label == "negative"]
    assert min(praise) > max(blame), probabilities
    # Votes of one answer would all be the same.
    assert len(np.unique(probabilities.max(1).round(4))) == len(TEXTS)
    assert "log-probabilities" not in capsys.readouterr().err


def test_an_answer_is_the_same_whole_and_streamed(address: str, tmp_path: Path) -> None:
    asked = (Message("user", "The capital of France is"),)
    pieces: list[str] = []
    whole = client(address, tmp_path / "one").ask(asked, Sampling(max_tokens=8))
    streamed = client(address, tmp_path / "two").ask(asked, Sampling(max_tokens=8), pieces.append)
    assert whole.text == streamed.text == "".join(pieces)
    assert whole.text.strip()
    assert whole.answer_tokens == 8


def test_it_is_held_to_a_schema(address: str, tmp_path: Path) -> None:
    prompt = parse_prompt(
        'task = "Text: {text}\\nJSON:"\nvariables = { text = "" }\n'
        'output = { format = "json", labels = ["negative", "positive"] }'
    )
    sampling = replace(sampling_of(LlmSettings(), prompt), max_tokens=200)
    answer = client(address, tmp_path / "log").ask(prompt.render({"text": TEXTS[0][0]}), sampling)
    assert json.loads(answer.text)["label"] in LABELS.names


def test_what_the_server_cannot_do_is_one_sentence(address: str, tmp_path: Path) -> None:
    with pytest.raises(LlmError, match=r"answered 400: .*exceeds the available context size"):
        client(address, tmp_path / "log").ask((Message("user", "word " * 3_000),), Sampling(max_tokens=8))
    for kind, sentence in (
        ("systemone", "501: This model is not a decision model; name a model that does"),
        ("decisions", r"answered 404: File Not Found; check BASE_URL .*; the server has \S"),
    ):
        prompt, words = word_labels(None, LABELS, {})
        given = replace(settings(address, tmp_path / "log", kind), max_tokens=None, stop=())
        task = LabellingTask(prompt, words, "")
        labeller = labeller_of(open_llm(given, ComputeSettings()), task, given, PromptingSettings())
        with pytest.raises(FatalLlmError, match=sentence):
            labeller.judge(["a film"])
