"""Heads that learn side by side and answer as one."""

import numpy as np
import pytest
import torch

from trifold.methods.mlp import _Members, _Vectors
from trifold.train.objective import weighted_loss


def members() -> _Members:
    torch.manual_seed(0)
    return _Members(features=6, hidden=5, classes=3, dropout=0.0, count=4)


def vectors(*, several: bool) -> _Vectors:
    """Eleven examples, of one of three classes or of any of three labels, unlike in weight."""
    generator = torch.Generator().manual_seed(1)
    classes = torch.randint(3, (11,), generator=generator)
    weights = 0.5 + torch.rand(11, 3, generator=generator)
    if several:
        return _Vectors(torch.randn(11, 6), torch.rand(11, 3, generator=generator) > 0.5, weights)
    return _Vectors(torch.randn(11, 6), classes, weights[:, 0])


def test_their_mean_is_one_head() -> None:
    model, given = members().eval(), torch.randn(7, 6)
    with torch.no_grad():
        expected = model(given).mean(0).numpy()
    head = model.mean()
    np.testing.assert_allclose(head.logits(given.numpy()), expected, atol=1e-6)
    assert head.parameters() == 4 * (6 * 5 + 5) + 4 * 5 * 3 + 3
    assert all(array.flags.c_contiguous for array in head.arrays().values())


@pytest.mark.parametrize("several", [False, True])
def test_each_learns_as_it_would_alone(several: bool) -> None:
    model, data = members().train(), vectors(several=several)
    positions = np.array([0, 3, 4, 9])
    found = data.loss(model, positions)
    found.total.backward()
    together = [out.weight.grad.clone() for out in model.out]
    for number in range(4):
        model.zero_grad()
        alone = weighted_loss(model(data.vectors[positions])[number], data.classes[positions], data.weights[positions])
        alone.backward()
        torch.testing.assert_close(model.out[number].weight.grad / 4, together[number])


@pytest.mark.parametrize("several", [False, True])
def test_what_is_validated_is_what_will_be_used(several: bool) -> None:
    model, data = members().eval(), vectors(several=several)
    positions = np.arange(11)
    with torch.no_grad():
        found = data.loss(model, positions)
    logits = torch.from_numpy(model.mean().logits(data.vectors.numpy()))
    torch.testing.assert_close(found.total, weighted_loss(logits, data.classes, data.weights))
    torch.testing.assert_close(found.logits, logits, atol=1e-6, rtol=1e-6)
