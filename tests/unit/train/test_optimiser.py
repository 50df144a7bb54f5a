"""AdamW by groups of matrices, vectors and a head, against PyTorch's own one weight at a time."""

from collections.abc import Callable

import pytest
import torch

from trifold.train.optimiser import AdamW


def network() -> torch.nn.Module:
    """Matrices, vectors, and a part that is not trained."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 7), torch.nn.LayerNorm(7), torch.nn.Linear(7, 3), torch.nn.Linear(3, 2)
    )
    model[3].requires_grad_(False)
    return model


def steps(model: torch.nn.Module, count: int, step: Callable[[int], None], first: int = 0) -> None:
    """The same gradients for the same numbers of steps; every third leaves one weight without any."""
    for number in range(first, first + count):
        torch.manual_seed(number)
        model(torch.randn(4, 5)).square().mean().backward()
        if number % 3 == 1:
            model[2].bias.grad = None
        step(number)


@pytest.mark.parametrize("times", [1.0, 10.0])
def test_it_moves_weights_as_pytorchs_does_to_the_bit(times: float) -> None:
    ours, theirs = network(), network()
    mine = AdamW(ours, 0.0, 0.05, ("2.weight", "2.bias"), times)
    last = {theirs[2].weight, theirs[2].bias}
    groups = [
        {"params": [p for p in theirs.parameters() if p.requires_grad and p.ndim >= 2], "weight_decay": 0.05},
        {"params": [p for p in theirs.parameters() if p.requires_grad and p.ndim < 2], "weight_decay": 0.0},
    ]
    # Numbered in one row by kind, whatever the rate: its own groups could not be read back.
    groups = [{**group, "params": [p]} for group in groups for p in group["params"]]
    other = torch.optim.AdamW(groups, lr=0.0, fused=True)

    def step(number: int) -> None:
        mine.rate = 0.01 * (number + 1)
        mine.step()
        ours.zero_grad()

    def their_step(number: int) -> None:
        for group in other.param_groups:
            group["lr"] = (times if group["params"][0] in last else 1.0) * (0.01 * (number + 1))
        other.step()
        other.zero_grad()

    steps(ours, 8, step)
    steps(theirs, 8, their_step)
    assert not torch.equal(ours[0].weight, network()[0].weight)
    for weight, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(weight, expected)
    state = other.state_dict()["state"]
    assert mine.moments.keys() == state.keys(), "numbered alike, so that what was saved before is read"
    for number, moments in mine.moments.items():
        for name, tensor in moments.items():
            assert torch.equal(tensor, state[number][name])


@pytest.mark.parametrize("max_norm", [0.01, 100.0])
def test_long_gradients_are_shortened_as_pytorch_does(max_norm: float) -> None:
    ours, theirs = network(), network()
    mine, other = AdamW(ours, 0.01, 0.05), AdamW(theirs, 0.01, 0.05)

    def step(_: int) -> None:
        mine.step(max_norm)
        ours.zero_grad()

    def their_step(_: int) -> None:
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        assert (norm > max_norm) == (max_norm < 1.0), "or nothing is tried here"
        other.step()
        theirs.zero_grad()

    steps(ours, 8, step)
    steps(theirs, 8, their_step)
    for weight, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)


def test_a_gradient_that_is_no_number_is_not_clipped_away() -> None:
    model = network()
    model[0].bias.grad = torch.full((7,), torch.nan)
    AdamW(model, 0.01, 0.05).step(1.0)
    assert model[0].bias.isnan().all()


def test_restored_it_goes_on_as_if_nothing_had_been() -> None:
    whole, parted = network(), network()
    one, first = AdamW(whole, 0.01, 0.05), AdamW(parted, 0.01, 0.05)

    def step_of(optimiser: AdamW, model: torch.nn.Module) -> Callable[[int], None]:
        def step(_: int) -> None:
            optimiser.step()
            model.zero_grad()

        return step

    steps(whole, 6, step_of(one, whole))
    steps(parted, 3, step_of(first, parted))
    second = AdamW(parted, 0.01, 0.05)
    second.restore({n: {name: t.clone() for name, t in m.items()} for n, m in first.moments.items()})
    steps(parted, 3, step_of(second, parted), first=3)
    for weight, expected in zip(parted.parameters(), whole.parameters(), strict=True):
        assert torch.equal(weight, expected)
