"""`TextEmbedder`: texts as vectors, by any encoder, as its own files say and as users of sentence-transformers know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from trifold.data.in_memory import texts_of
from trifold.documents.embedding.models import find_model
from trifold.documents.embedding.prompts import DOCUMENTS, QUERY, named_prompt, prompts_of_family
from trifold.documents.embedding.saved_embedder import save_embedder
from trifold.engines.encoder import Encoder
from trifold.engines.pooled_model import PooledModel
from trifold.errors import require
from trifold.events import say, say_once, track
from trifold.formatting import counted
from trifold.hashing import content_address, file_sha256
from trifold.models.pooling import POOLINGS, Pooled
from trifold.models.settings import EncodingSettings, reach_in_words
from trifold.models.tokenizer import Tokenizer
from trifold.models.vector_steps import Normalize, Step, Truncate, likeness
from trifold.runtime import choose, prepared
from trifold.types import single_texts

# Texts that are in memory as tokens, and as the vectors of every pooling, at once.
_TEXTS_PER_SLICE = 4_096


@dataclass(frozen=True)
class Encoded:
    """Vectors of some texts.

    Attributes:
        vectors: `(texts, width)` float32.
        truncated: `(texts,)` bool, whether a text was cut because it is longer than the model reads.
    """

    vectors: np.ndarray
    truncated: np.ndarray


class TextEmbedder:
    """Texts as vectors.

    A folder of sentence-transformers gives the vectors that sentence-transformers gives; any other encoder the mean of
    its last layer's states over a text's tokens, made length 1.

    Args:
        model: `minilm`, `mpnet`, a folder, a hub id, or a run folder (of a run, its encoder without the classifier).
        pooling: `mean`, `first` or `max`; the model's own by default.
        dimensions: Numbers of a vector that are kept, the first ones.
        prompts: Name to what stands before a text, beside the model's own prompts.
        normalize: Whether vectors have length 1; as the model says by default, which is yes for all but few.
        settings: How texts are read, and where the encoder computes.

    Attributes:
        name: The model's.
        width: Numbers of a vector.
        max_length: Tokens of a text that are read, special tokens included.
        prompts: Name to what stands before a text.
        files: Of its encoder and tokenizer.

    Raises:
        BackboneError: If there is no such model, or it has a module that is not computed here.
        SettingsError: If a setting is not allowed, such as more dimensions than the model has.
    """

    def __init__(
        self,
        model: str = "minilm",
        *,
        pooling: str | None = None,
        dimensions: int | None = None,
        prompts: Mapping[str, str] | None = None,
        normalize: bool | None = None,
        settings: EncodingSettings | None = None,
    ) -> None:
        chosen = settings or EncodingSettings()
        found = find_model(str(model), chosen)
        files, modules = found.files, found.modules
        require(pooling is None or pooling in POOLINGS, f"--pooling {pooling}", f"give one of {', '.join(POOLINGS)}")
        self.name, self.max_length = files.name, found.max_length
        self.prompts = {**prompts_of_family(files.name), **modules.prompts, **(prompts or {})}
        poolings = modules.poolings if pooling is None else (pooling,)
        self._encoder = Encoder(files, choose(chosen.device, chosen.precision), engine=chosen.engine)
        self._tokenizer = Tokenizer(files, self.max_length, chosen.long_text, chosen.max_windows)
        self._token_budget = chosen.token_budget
        steps, ends_normal = modules.steps, bool(modules.steps) and isinstance(modules.steps[-1], Normalize)
        own_width = _width_after(steps, len(poolings) * self._encoder.width)
        require(
            dimensions is None or 0 < dimensions <= own_width,
            f"--dimensions {dimensions}",
            f"{self.name} has vectors of {own_width} numbers, give from 1 to so many",
        )
        steps = steps[:-1] if ends_normal else steps
        steps = steps if dimensions is None else (*steps, Truncate(dimensions))
        steps = (*steps, Normalize()) if (ends_normal if normalize is None else normalize) else steps
        self.width = _width_after(steps, len(poolings) * self._encoder.width)
        self.files = files
        self._modules = replace(
            modules, poolings=poolings, steps=steps, max_length=self.max_length, prompts=self.prompts
        )

    def __repr__(self) -> str:
        return f"TextEmbedder({self.name!r}, width={self.width})"

    def encode(
        self, texts: str | Sequence[str], *, prompt_name: str | None = None, prompt: str | None = None
    ) -> np.ndarray:
        """The vectors of some texts.

        Args:
            texts: A list of texts, or anything like one; or a single text.
            prompt_name: Which of `prompts` stands before every text; the model's default where neither is given.
            prompt: What stands before every text.

        Returns:
            `(texts, width)` float32; `(width,)` for a single text.

        Raises:
            DataError: If a text is empty or no text.
            SettingsError: If there is no prompt of that name.
        """
        given = single_texts(texts_of([texts] if isinstance(texts, str) else texts))
        vectors = self.encode_counting(given, prompt_name=prompt_name, prompt=prompt).vectors
        return vectors[0] if isinstance(texts, str) else vectors

    def encode_query(self, texts: str | Sequence[str]) -> np.ndarray:
        """As `encode`, with the prompt for queries where the model has one."""
        return self.encode(texts, prompt=self.query_prompt)

    def encode_document(self, texts: str | Sequence[str]) -> np.ndarray:
        """As `encode`, with the prompt for documents, which queries are to find, where the model has one."""
        return self.encode(texts, prompt=self.document_prompt)

    def encode_counting(
        self, texts: Sequence[str], *, prompt_name: str | None = None, prompt: str | None = None
    ) -> Encoded:
        """As `encode`, of texts that are known to be usable, and with which of them were cut."""
        before = self.prompt_text(prompt_name, prompt)
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        truncated = np.zeros(len(texts), dtype=bool)
        several = len(texts) > _TEXTS_PER_SLICE
        with prepared(), track(f"encoding {counted(len(texts), 'text')}", len(texts) if several else 0) as advance:
            for start in range(0, len(texts), _TEXTS_PER_SLICE):
                part = slice(start, start + _TEXTS_PER_SLICE)
                read = [self.as_read(before, text) for text in texts[part]]
                vectors[part], truncated[part] = self.token_model().results(read)
                advance(len(texts[part]))
        return Encoded(vectors, truncated)

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """How alike each vector is to each other one, by the model's own measure: the cosine, unless it names another.

        Args:
            first: `(rows, width)`, or one vector.
            second: `(columns, width)`, or one vector.

        Returns:
            `(rows, columns)` float32, larger where more alike: distances are negative.
        """
        return likeness(first, second, self._modules.similarity)

    def get_sentence_embedding_dimension(self) -> int:
        """Numbers of a vector, as sentence-transformers calls it."""
        return self.width

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, which cuts texts at `max_length`."""
        return self._tokenizer

    @property
    def query_prompt(self) -> str:
        """What stands before a query; empty where the model has no prompt for that."""
        return self.prompts.get(QUERY, "")

    @property
    def document_prompt(self) -> str:
        """What stands before a document that queries are to find; empty where the model has no prompt for that."""
        return next((self.prompts[one] for one in DOCUMENTS if one in self.prompts), "")

    def prompt_text(self, prompt_name: str | None = None, prompt: str | None = None) -> str:
        """What stands before every text.

        Where the model was trained with prompts and none is asked for, that is said once.

        Raises:
            SettingsError: If there is no prompt of that name, or both are given.
        """
        require(prompt is None or prompt_name is None, "--prompt with --prompt-name", "leave out either")
        if prompt is not None:
            return prompt
        if prompt_name is not None:
            return named_prompt(self.prompts, prompt_name, self.name)
        if self._modules.default_prompt is not None:
            return self.prompts.get(self._modules.default_prompt, "")
        if prompts_of_family(self.name):
            shown = " or ".join(repr(one) for one in prompts_of_family(self.name).values())
            say_once(
                f"note: {self.name} was trained with {shown} before every text, and nothing stands there: add "
                "--prompt-name query, or document"
            )
        return ""

    def require_words(self, texts: Sequence[str]) -> None:
        """Refuse texts whose words the tokenizer hardly knows: they would all look alike to the model.

        Raises:
            BackboneError: If nearly all tokens of the first texts are unknown.
        """
        self._tokenizer.require_words([self.as_read("", text) for text in texts])

    @property
    def too_long(self) -> str:
        """What became of texts that are longer than the model reads, as the end of a sentence that begins with them."""
        lost = {
            "truncate": "what came after was cut off",
            "head+tail": "what was between beginning and end was left out",
            "window": "what was between the windows was left out",
        }
        rule = self._tokenizer.long_text
        return f"had more than {reach_in_words(self.max_length, rule, self._tokenizer.max_windows)}; {lost[rule]}"

    @cached_property
    def identity(self) -> str:
        """A hash of everything that a text's vector depends on, but for the last digits, which differ by machine."""
        tokenizer = {name: value for name, value in self._tokenizer.identity().items() if name != "backbone"}
        modules, files = self._modules, self.files
        return content_address(
            {
                "weights": files.sha256(),
                "configuration": file_sha256(files.folder / "config.json"),
                "tokenizer": tokenizer,
                "poolings": modules.poolings,
                "steps": [step.identity() for step in modules.steps],
                "lower_case": modules.lower_case,
                "prompts": self.prompts,
                "default_prompt": modules.default_prompt,
            }
        )

    @property
    def computed_by(self) -> dict[str, str]:
        """What the last digits of a vector depend on."""
        return {
            "device": self._encoder.runtime.device,
            "precision": self._encoder.precision,
            "engine": self._encoder.backend,
        }

    def save(self, folder: Path | str) -> None:
        """Write the model with all that becomes of its states, as a folder that sentence-transformers loads, too.

        Args:
            folder: A new one, or an empty one.

        Raises:
            SettingsError: If it is in use or cannot be written.
        """
        if self._tokenizer.long_text != "truncate":
            say(
                f"note: the folder cannot say --long-text {self._tokenizer.long_text}: sentence-transformers reads the "
                f"first {self.max_length:,} tokens of a longer text"
            )
        save_embedder(Path(folder), self.files, self._modules, self._encoder.width)

    def as_read(self, prompt: str, text: str) -> str:
        """A text as the tokenizer gets it, behind a prompt from `prompt_text`."""
        return f"{prompt}{text}".lower() if self._modules.lower_case else f"{prompt}{text}"

    def token_model(self) -> PooledModel:
        """From texts as they are read to their vectors, in steps."""
        return PooledModel(
            tokenizer=self._tokenizer,
            token_budget=self._token_budget or self._encoder.engine.token_budget,
            encoder=self._encoder,
            layers=(self._encoder.layers,),
            head=self._vectors,
        )

    def share(self, encoder: Encoder) -> None:
        """See `SharesEncoder.share`."""
        self._encoder = encoder

    def _vectors(self, pooled: Pooled) -> np.ndarray:
        vectors = pooled.join([(self._encoder.layers, how) for how in self._modules.poolings])
        for step in self._modules.steps:
            vectors = step.apply(vectors)
        return vectors


def _width_after(steps: Sequence[Step], width: int) -> int:
    """Numbers of a vector after some steps, of so many before."""
    for step in steps:
        width = step.width(width)
    return width
