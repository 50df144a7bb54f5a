"""BERT's encoder as texts are read with it, straight from its files; RoBERTa's is the same but for its positions.

transformers computes the same, and training, exports and other architectures go through it. But
importing it takes longer than reading a hundred texts, and reading is all that most commands do
(docs/decisions/0015). Parts and settings are named as in the files.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

from trifold.engines.matmul_attention import applies, attend
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import first_position
from trifold.models.weight_names import bare_name

_KINDS = ("bert", "roberta", "xlm-roberta", "camembert")


@dataclass
class BertConfig:
    """What of a `config.json` decides on the computation."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float = 1e-12
    # The row of the position vectors that the first token takes: no entry of the file, but follows from two.
    first_position: int = 0


class EncoderOutput(NamedTuple):
    """What an encoder says of a batch.

    Attributes:
        last_hidden_state: `(batch, tokens, width)`.
        hidden_states: That of the embeddings, and of each layer.
    """

    last_hidden_state: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]


class FastBert(torch.nn.Module):
    """Embeddings and layers, without dropout, pooler or head."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        layers = torch.nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.encoder = torch.nn.ModuleDict({"layer": layers})

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *,
        first_only: bool = False,
        **_: object,
    ) -> EncoderOutput:
        """The states of a batch.

        Args:
            input_ids: `(batch, tokens)`, filled up behind the text.
            attention_mask: Likewise; `None` where all tokens count.
            first_only: Whether the last layer is wanted of the first token alone, `(batch, 1, width)`.
        """
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        states = [self.embeddings(input_ids)]
        *below, last = self.encoder["layer"].children()
        for layer in below:
            states.append(layer(states[-1], mask))
        states.append(last(states[-1], mask, 1 if first_only else None))
        return EncoderOutput(states[-1], tuple(states))

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """The vectors of words."""
        found: torch.nn.Embedding = self.embeddings.word_embeddings
        return found


class _Embeddings(torch.nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = _unfilled(config.vocab_size, width)
        self.position_embeddings = _unfilled(config.max_position_embeddings, width)
        self.token_type_embeddings = _unfilled(config.type_vocab_size, width)
        self.LayerNorm = torch.nn.LayerNorm(width, config.layer_norm_eps)
        self._first = config.first_position

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = self.position_embeddings.weight[self._first : self._first + ids.shape[1]]
        found: torch.Tensor = self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings.weight[0] + places)
        return found


def _unfilled(count: int, width: int) -> torch.nn.Embedding:
    """Nothing drawn at random: for vectors of no device that alone would import a compiler, in a second and a half."""
    return torch.nn.Embedding(count, width, _weight=torch.empty(count, width))


class _Layer(torch.nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Intermediate(config)
        self.output = _Output(config.intermediate_size, config)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None, first: int | None = None) -> torch.Tensor:
        states = self.attention(states, mask, first)
        found: torch.Tensor = self.output(self.intermediate(states), states)
        return found


class _Attention(torch.nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        # Of what the three products take, where they are of integers (int8.py).
        self.rounding = torch.nn.Identity()
        self.self = torch.nn.ModuleDict({name: torch.nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = _Output(width, config)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None, first: int | None) -> torch.Tensor:
        """`(batch, tokens, width)`, `(batch, 1, 1, tokens)` bool, and how many tokens ask, all where `None`."""
        given = self.rounding(states)
        query, key, value = (
            part(taken).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, taken in zip(self.self.values(), (given[:, :first], given, given), strict=True)
        )
        attention = attend if applies(query, key, mask) else scaled_dot_product_attention
        mixed = attention(query, key, value, mask).transpose(1, 2).flatten(2)
        found: torch.Tensor = self.output(mixed, states[:, :first])
        return found


class _Intermediate(torch.nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.intermediate_size)
        self.intermediate_act_fn = torch.nn.GELU()

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.intermediate_act_fn(self.dense(states))
        return found


class _Output(torch.nn.Module):
    """A product, added to what the layer's part began with and normalised."""

    def __init__(self, width: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(width, config.hidden_size)
        self.LayerNorm = torch.nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, states: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.LayerNorm(self.dense(states) + before)
        return found


def read_fast_bert(files: BackboneFiles) -> FastBert | None:
    """The encoder that `files` hold, in single precision and evaluation mode.

    Returns:
        It; `None` where it is another architecture, or lies in the files in another way: transformers may know it, or
        says what is wrong.
    """
    found = read_parts(files)
    return None if found is None else fast_bert_of(*found)


def read_parts(files: BackboneFiles) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """A model's configuration, and its tensors by name; `None` where it is another architecture, or cannot be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        shards, config = files.shards(), read_config(files)
        # Before the weights are read, which may be gigabytes.
        if _plain(config) is None or any(shard.suffix != ".safetensors" for shard in shards):
            return None
        return config, {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError):
        return None


def fast_bert_of(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> FastBert | None:
    """The encoder of a model by its configuration and its tensors, of which those in single precision are shared.

    Returns:
        It, in evaluation mode; `None` where it is another architecture, or a tensor is missing or has another shape.
    """
    try:
        plain = _plain(config)
        if plain is None:
            return None
        with torch.device("meta"):
            model = FastBert(plain)
        found = {bare_name(name): tensor.detach().float() for name, tensor in tensors.items()}
        model.load_state_dict({name: found[name] for name in model.state_dict()}, assign=True)
    except (RuntimeError, KeyError, ValueError, TypeError):
        return None
    return model.requires_grad_(requires_grad=False).eval()


def _plain(config: dict[str, Any]) -> BertConfig | None:
    """`None` where a model of this configuration computes something else than is computed here."""
    plain = (
        config.get("model_type") in _KINDS
        # What counts its positions from behind it has a default of its own in transformers.
        and (config["model_type"] == "bert" or isinstance(config.get("pad_token_id"), int))
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("auto_map")
        and not config.get("add_cross_attention")
    )
    if not plain:
        return None
    named = {field.name: config[field.name] for field in fields(BertConfig) if field.name in config}
    found = BertConfig(**{**named, "first_position": first_position(config)})
    # What cannot be computed is left to transformers, which says why.
    sound = isinstance(found.layer_norm_eps, float) and found.hidden_size % found.num_attention_heads == 0
    return found if sound else None
