"""BERT's encoder as it is read frozen, straight from its files; RoBERTa's is the same but for its positions.

transformers computes the same, and whatever is trained, exported or another architecture goes through it. But
importing it takes longer than reading a hundred texts, and reading is all that most commands do
(docs/decisions/0015). Parts and settings are named as in the files.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

from trifold.backbone.attention import applies, attend
from trifold.backbone.locate import BackboneFiles, read_config
from trifold.backbone.tokens import first_position

_KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
# What the oldest files call the two numbers of a normalisation.
_OLD_ENDS = {".gamma": ".weight", ".beta": ".bias"}


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


class States(NamedTuple):
    """What an encoder says of a batch.

    Attributes:
        last_hidden_state: `(batch, tokens, width)`.
        hidden_states: That of the embeddings, and of each layer.
    """

    last_hidden_state: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]


class Bert(torch.nn.Module):
    """Embeddings and layers, without dropout, pooler or head."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        layers = torch.nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.encoder = torch.nn.ModuleDict({"layer": layers})

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: object) -> States:
        """`(batch, tokens)` ids, filled up behind the text, and their mask, `None` where all count."""
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        states = [self.embeddings(input_ids)]
        for layer in self.encoder["layer"].children():
            states.append(layer(states[-1], mask))
        return States(states[-1], tuple(states))

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

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        states = self.attention(states, mask)
        found: torch.Tensor = self.output(self.intermediate(states), states)
        return found


class _Attention(torch.nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.self = torch.nn.ModuleDict({name: torch.nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = _Output(width, config)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`(batch, tokens, width)`, and `(batch, 1, 1, tokens)` bool."""
        query, key, value = (
            part(states).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.self.values()
        )
        attention = attend if applies(query, key, mask) else scaled_dot_product_attention
        found: torch.Tensor = self.output(attention(query, key, value, mask).transpose(1, 2).flatten(2), states)
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


def read_bert(files: BackboneFiles) -> Bert | None:
    """The encoder that `files` hold, in single precision and evaluation mode.

    Returns:
        It; `None` where it is another architecture, or lies in the files in another way: transformers may know it, or
        says what is wrong.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        shards = files.shards()
        config = _plain(read_config(files))
        if config is None or any(shard.suffix != ".safetensors" for shard in shards):
            return None
        with torch.device("meta"):
            model = Bert(config)
        found = {_bare(name): tensor.float() for shard in shards for name, tensor in load_file(shard).items()}
        model.load_state_dict({name: found[name] for name in model.state_dict()}, assign=True)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError):
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
        and not config.get("add_cross_attention")
    )
    if not plain:
        return None
    named = {field.name: config[field.name] for field in fields(BertConfig) if field.name in config}
    return BertConfig(**{**named, "first_position": first_position(config)})


def _bare(name: str) -> str:
    """A weight's name without what a model with a head puts before it, such as `bert.`."""
    for part in ("embeddings.", "encoder.layer."):
        before, found, rest = name.partition(part)
        name = found + rest if found and before.endswith(".") else name
    for old, new in _OLD_ENDS.items():
        name = name.removesuffix(old) + (new if name.endswith(old) else "")
    return name
