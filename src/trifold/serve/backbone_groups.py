"""Runs on one backbone: one copy of its weights for all, and one forward pass for those that read texts alike."""

import json
from dataclasses import replace
from threading import Lock
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from trifold.engines.encoder import Encoder
from trifold.engines.pooled_model import PooledModel, SharesEncoder
from trifold.engines.token_model import TokenModel
from trifold.models.pooling import Pooled
from trifold.serve.heads import Head
from trifold.serve.passes import TokenPass


class OneEncoder:
    """The one copy of an encoder, and who computes with it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.users: WeakSet[SharesEncoder] = WeakSet()
        self.passes: WeakValueDictionary[str, PooledPass] = WeakValueDictionary()

    def deepen(self, encoder: Encoder) -> None:
        """Put one with more layers in its place, everywhere."""
        self.encoder = encoder
        for user in list(self.users):
            user.share(encoder)


class PooledPass(TokenPass):
    """A forward pass of an encoder whose pooled states several heads read.

    Args:
        model: Any of theirs: they read texts alike.
        owner: Has the encoder, and is kept for as long as the pass is.
    """

    def __init__(self, model: PooledModel, owner: OneEncoder) -> None:
        super().__init__(model)
        self._pooled, self._owner = model, owner
        # Heads of former versions are in it as long as a request asks for them.
        self._heads: WeakSet[Head] = WeakSet()

    def add(self, head: Head) -> None:
        """See `Pass.add`: its layers are pooled, too, from the next batch on."""
        self._heads.add(head)
        self.share(self._pooled.encoder)

    def share(self, encoder: Encoder) -> None:
        """See `SharesEncoder.share`."""
        layers = sorted({layer for head in list(self._heads) for layer in head.layers})
        renewed = replace(self._pooled, encoder=encoder, layers=tuple(layers))
        self._watch(renewed)
        # In one step, since the thread that computes may read it at any moment.
        self._model = self._pooled = renewed

    def _finish(self, head: Head, model: TokenModel, states: np.ndarray) -> np.ndarray:
        assert isinstance(model, PooledModel)
        return head.finish(Pooled(states, model.layers))


class BackboneGroups:
    """The encoders that are in use, by what determines their states."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._encoders: WeakValueDictionary[tuple[object, ...], OneEncoder] = WeakValueDictionary()

    def place(self, user: SharesEncoder, model: PooledModel) -> PooledPass:
        """The pass for a model, whose own copy of the encoder is given up where there is one already.

        Args:
            user: Holds the encoder.
            model: Its model.
        """
        with self._lock:
            address = model.encoder.address
            one = self._encoders.get(address)
            if one is None:
                one = self._encoders[address] = OneEncoder(model.encoder)
            elif model.encoder.layers > one.encoder.layers:
                one.deepen(model.encoder)
            user.share(one.encoder)
            one.users.add(user)
            reading = json.dumps([model.tokenizer.identity(), model.apart, model.token_budget], sort_keys=True)
            work = one.passes.get(reading)
            if work is None:
                work = one.passes[reading] = PooledPass(replace(model, encoder=one.encoder), one)
                one.users.add(work)
            return work
