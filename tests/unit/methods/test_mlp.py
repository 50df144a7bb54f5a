"""Heads that learn side by side and answer as one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from trifold.errors import TrainingError
from trifold.methods.linear_head import HeadData
from trifold.methods.mlp import FixedVectors, HeadEnsemble, default_training_config, fit_mlp
from trifold.train.objective import weighted_loss
from trifold.train.settings import TrainSettings


def members() -> HeadEnsemble:
    torch.manual_seed(0)
    return HeadEnsemble(features=6, hidden=5, classes=3, dropout=0.0, count=4)


def vectors(*, several: bool) -> FixedVectors:
    """Eleven examples, of one of three classes or of any of three labels, unlike in weight."""
    generator = torch.Generator().manual_seed(1)
    classes = torch.randint(3, (11,), generator=generator)
    weights = 0.5 + torch.rand(11, 3, generator=generator)
    if several:
        return FixedVectors(torch.randn(11, 6), torch.rand(11, 3, generator=generator) > 0.5, weights)
    return FixedVectors(torch.randn(11, 6), classes, weights[:, 0])


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


def rows(count: int, *, told: bool = True) -> HeadData:
    """Three classes by which of three numbers is largest, among seven that say nothing; or of none."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count + 2_000, 10)).astype(np.float32)
    classes = features[:, :3].argmax(1) if told else rng.integers(3, size=len(features))
    return HeadData(features[:count], classes[:count], features[count:], classes[count:], 3)


def test_few_rows_learn_by_as_many_steps_as_many_do() -> None:
    few, some, many = default_training_config(150), default_training_config(5_000), default_training_config(100_000)
    assert (few.batch_size, some.batch_size, many.batch_size) == (64, 100, 128)
    assert few.learning_rate < some.learning_rate < many.learning_rate
    assert (some.round_steps, many.round_steps) == (None, None), "an epoch is long enough"
    _, history = fit_mlp(rows(150), TrainSettings(), few)
    validated = [row.step for row in history.rows if row.validation_loss is not None]
    assert validated[:3] == [50, 100, 150]
    assert history.rows[-1].epoch == pytest.approx(validated[-1] / 3), "which are told in passes over the rows"


def test_epochs_that_the_user_names_are_epochs() -> None:
    _, history = fit_mlp(rows(150), TrainSettings(epochs=2), default_training_config(150))
    assert [row.step for row in history.rows if row.validation_loss is not None] == [3, 6]


def test_few_rows_that_tell_nothing_are_no_error() -> None:
    data, patient = rows(150, told=False), replace(default_training_config(150), patience=20)
    head, _ = fit_mlp(data, TrainSettings(), patient)
    assert np.isfinite(head.logits(data.validation)).all()
    with pytest.raises(TrainingError, match="steps"):
        fit_mlp(data, TrainSettings(), replace(patient, must_move=True))


def test_logits_keep_their_digits_where_products_are_rounded() -> None:
    model = members().eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(torch.randn(7, 6))
    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())


def test_a_head_learned_in_half_the_digits_is_as_good() -> None:
    data = rows(600)
    right = {}
    for precision in ("float32", "bfloat16"):
        head, _ = fit_mlp(data, TrainSettings(), default_training_config(600), precision=precision)
        assert all(array.dtype == np.float32 for array in head.arrays().values())
        right[precision] = (head.logits(data.validation).argmax(1) == data.validation_classes).mean()
    assert right["float32"] > 0.9
    assert right["bfloat16"] == pytest.approx(right["float32"], abs=0.03)
