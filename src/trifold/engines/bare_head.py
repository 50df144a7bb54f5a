"""What a decoder computes behind its body: from hidden states to logits.

The body is run for all tokens and the head for the few whose logits are asked for, many texts' at once: a vocabulary of
262,144 words is read from memory once for all of them.
"""

import copy
from typing import Any

import torch


class BareHead:
    """A decoder's head, with the scale or the cap that some models have behind it.

    Args:
        model: A causal language model of transformers with its body under `base_model_prefix`. It is not changed: the
            head is a copy that has the same parameters and a body that hands on what it is given.
    """

    def __init__(self, model: Any) -> None:
        self._shell = _with_parts(model, {model.base_model_prefix: _HandsOn()})
        output = model.get_output_embeddings()
        plain = isinstance(output, torch.nn.Linear)
        self._output_name = next((name for name, part in model._modules.items() if plain and part is output), None)

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Logits, `(places, vocabulary)`, of the body's states, `(places, width)`."""
        found: torch.Tensor = self._shell(inputs_embeds=states[None], use_cache=False).logits[0]
        return found

    def of_words(self, states: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        """Logits of a few tokens in float32, `(places, tokens)`, also where the model rounds its own to bfloat16.

        Rounded to 8 bits, a logit of 20 is off by as much as 0.06, which a sum over the vocabulary evens out, and a
        single word's likelihood does not. A head of an unusual kind gives its own logits.

        Args:
            states: Of the body, `(places, width)`.
            token_ids: Ids of the tokens, `(tokens,)`.
        """
        if self._output_name is None:
            return self(states)[:, token_ids].float()
        rows = copy.copy(self._shell._modules[self._output_name])
        rows._parameters = {
            name: None if part is None else torch.nn.Parameter(part[token_ids].float(), requires_grad=False)
            for name, part in rows._parameters.items()
        }
        shell = _with_parts(self._shell, {self._output_name: rows})
        found: torch.Tensor = shell(inputs_embeds=states.float()[None], use_cache=False).logits[0]
        return found


def _with_parts(model: Any, parts: dict[str, torch.nn.Module]) -> Any:
    """A copy of a model that has other modules of these names, and the others in common with it."""
    found = copy.copy(model)
    found._modules = {**model._modules, **parts}
    return found


class _HandsOn(torch.nn.Module):
    """A body that gives the states it is given."""

    def forward(self, *_: object, inputs_embeds: torch.Tensor, **__: object) -> "_Output":
        return _Output(inputs_embeds)


class _Output:
    """The output of a body: states, and nothing of all that else is asked of one."""

    def __init__(self, states: torch.Tensor) -> None:
        self.last_hidden_state = states

    def __getitem__(self, index: int) -> torch.Tensor:
        return (self.last_hidden_state,)[index]

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
