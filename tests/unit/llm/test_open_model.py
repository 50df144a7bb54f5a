"""A language model that is not there: what is suggested can be used with `--llm`."""

import pytest

from trifold.errors import LlmError
from trifold.llm.open_model import open_llm
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("nothere", "use --llm hf:FOLDER with a language model's folder, or --llm openai:BASE_URL#MODEL for a server"),
        ("./nothere", "give a folder with a model or a hub id"),
    ],
)
def test_a_model_that_is_not_there_is_answered_with_what_llm_takes(name: str, way_out: str) -> None:
    with pytest.raises(LlmError) as caught:
        open_llm(LlmSettings(llm=f"hf:{name}"), ComputeSettings(offline=True))
    assert str(caught.value).endswith(way_out)
    assert "minilm" not in str(caught.value)
