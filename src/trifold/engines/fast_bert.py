"""BERT's encoder made from its files without transformers; RoBERTa's and MPNet's differ in little.

The states are those of transformers' model. It is faster only because transformers need not be imported, which takes
longer than encoding a hundred texts (docs/decisions/0015). Training, exports and every other architecture go through
transformers. Parts and settings have the names that they have in the files of BERT. RoBERTa begins to count positions
elsewhere; MPNet has no token types, and adds to the scores of attention a number for how far two tokens are apart.
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

from trifold.engines.architectures import BERT_ENCODERS
from trifold.engines.distance_bias import BUCKETS, DistanceBias
from trifold.engines.matmul_attention import applies, attend
from trifold.engines.protocol import Weights
from trifold.models.context_length import first_position
from trifold.models.weight_names import bare_name, bert_name


@dataclass
class BertConfig:
    """The entries of a `config.json` that decide on the computation."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 0
    layer_norm_eps: float = 1e-12
    # Not in the file, but they follow from the architecture and the padding token: the row of the position vectors that
    # the first token takes, and whether the scores have a bias by distance.
    first_position: int = 0
    bias_by_distance: bool = False


class EncoderOutput(NamedTuple):
    """The hidden states of a batch.

    Attributes:
        last_hidden_state: `(batch, tokens, width)`; `(batch, 1, width)` where only the first token was asked for.
        hidden_states: Those of the embeddings and of each layer, lowest first.
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
        if config.bias_by_distance:
            self.encoder["relative_attention_bias"] = DistanceBias(config.num_attention_heads)

    @classmethod
    def knows(cls, config: dict[str, Any]) -> bool:
        """Whether a model of this configuration is computed here.

        Raises:
            TypeError: If an entry that is needed is missing.
        """
        return _standard_bert(config) is not None

    @classmethod
    def of(cls, weights: Weights) -> "FastBert | None":
        """The encoder with these weights, of which those in single precision are shared, in evaluation mode.

        Returns:
            The encoder; `None` where the model has another architecture, or a weight is missing or has another shape.
        """
        try:
            plain = _standard_bert(weights.config)
            if plain is None:
                return None
            with torch.device("meta"):
                model = cls(plain)
            found = {bert_name(bare_name(name)): tensor.detach().float() for name, tensor in weights.tensors.items()}
            model.load_state_dict({name: found[name] for name in model.state_dict()}, assign=True)
        except (RuntimeError, KeyError, ValueError, TypeError):
            return None
        return model.requires_grad_(requires_grad=False).eval()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        *,
        first_only: bool = False,
        highest: int | None = None,
        **_: object,
    ) -> EncoderOutput:
        """The hidden states of a batch.

        Args:
            input_ids: `(batch, tokens)`, padded behind the text.
            attention_mask: `(batch, tokens)`, 0 at padding; `None` where no token is padding.
            token_type_ids: `(batch, tokens)`, which tell the texts of a pair apart; `None` where all are 0.
            first_only: Whether the last layer computes the first token alone.
            highest: Compute the lowest so many layers; all where `None`.
        """
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None]
        states = [self.embeddings(input_ids, token_type_ids)]
        if self.config.bias_by_distance:
            mask = self.encoder["relative_attention_bias"](input_ids.shape[1], mask)
        layers = list(self.encoder["layer"].children())[:highest]
        for layer in layers:
            states.append(layer(states[-1], mask, 1 if first_only and layer is layers[-1] else None))
        return EncoderOutput(states[-1], tuple(states))

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """The vectors of the vocabulary."""
        found: torch.nn.Embedding = self.embeddings.word_embeddings
        return found


class _Embeddings(torch.nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = _unfilled(config.vocab_size, width)
        self.position_embeddings = _unfilled(config.max_position_embeddings, width)
        if config.type_vocab_size:
            self.token_type_embeddings = _unfilled(config.type_vocab_size, width)
        self.LayerNorm = torch.nn.LayerNorm(width, config.layer_norm_eps)
        self._first = config.first_position

    def forward(self, ids: torch.Tensor, types: torch.Tensor | None) -> torch.Tensor:
        places = self.position_embeddings.weight[self._first : self._first + ids.shape[1]]
        states = self.word_embeddings(ids)
        if hasattr(self, "token_type_embeddings"):
            kinds = self.token_type_embeddings
            states = states + (kinds.weight[0] if types is None else kinds(types))
        found: torch.Tensor = self.LayerNorm(states + places)
        return found


def _unfilled(count: int, width: int) -> torch.nn.Embedding:
    """An embedding that is not drawn at random: on the meta device, that imports PyTorch's compiler, in 1.5 s."""
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
        # Turns the states that all three matmuls take into integers, where these are in 8 bits (int8.py).
        self.quantise = torch.nn.Identity()
        self.self = torch.nn.ModuleDict({name: torch.nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = _Output(width, config)

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None, first: int | None) -> torch.Tensor:
        """Takes `(batch, tokens, width)`, a mask, and how many tokens have queries, or `None` for all.

        The mask is `(batch, 1, 1, tokens)` bool, or `(batch, heads, tokens, tokens)` to be added to the scores.
        """
        given = self.quantise(states)
        query, key, value = (
            part(taken).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, taken in zip(self.self.values(), (given[:, :first], given, given), strict=True)
        )
        attention = attend if applies(query, key, mask) else scaled_dot_product_attention
        if mask is not None and mask.shape[2] > 1:
            mask = mask[:, :, :first]
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
    """The end of a layer's attention or feed-forward: a matmul, the sum with what came in, and normalisation."""

    def __init__(self, width: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(width, config.hidden_size)
        self.LayerNorm = torch.nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, states: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.LayerNorm(self.dense(states) + before)
        return found


def _standard_bert(config: dict[str, Any]) -> BertConfig | None:
    """The configuration; `None` where such a model computes something else than `FastBert`."""
    kind = config.get("model_type")
    plain = (
        kind in (*BERT_ENCODERS, "mpnet")
        # Positions begin behind the padding token's number, for which transformers has a default of its own.
        and (kind == "bert" or isinstance(config.get("pad_token_id"), int))
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("auto_map")
        and not config.get("add_cross_attention")
    )
    # MPNet's padding token is always this one; the others tell the texts of a pair apart.
    known = config.get("pad_token_id") == 1 if kind == "mpnet" else "type_vocab_size" in config
    if not plain or not known or (kind == "mpnet" and config.get("relative_attention_num_buckets", BUCKETS) != BUCKETS):
        return None
    named = {field.name: config[field.name] for field in fields(BertConfig) if field.name in config}
    follows = {"first_position": first_position(config), "bias_by_distance": kind == "mpnet"}
    found = BertConfig(**{**named, **({"type_vocab_size": 0} if kind == "mpnet" else {}), **follows})
    # A configuration that cannot be computed is left to transformers, which says what is wrong.
    sound = isinstance(found.layer_norm_eps, float) and found.hidden_size % found.num_attention_heads == 0
    return found if sound else None
