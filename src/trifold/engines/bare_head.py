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
        self._shell = copy.copy(model)
        self._shell._modules = {**model._modules, model.base_model_prefix: _HandsOn()}

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Logits, `(places, vocabulary)`, of the body's states, `(places, width)`."""
        found: torch.Tensor = self._shell(inputs_embeds=states[None], use_cache=False).logits[0]
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
