"""What the model said one epoch before is part of the target, more so from epoch to epoch."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from trifold.train import self_distillation as earlier_answers
from trifold.train.objective import BatchLoss, classification_loss
from trifold.train.self_distillation import SelfDistillation

CLASSES = torch.tensor([0, 2, 1])
SEVERAL = torch.tensor([[True, False, True], [False, False, False], [False, True, True]])


def result(seed: int, classes: torch.Tensor = CLASSES) -> BatchLoss:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 0.5])
    return classification_loss(logits, classes, weights if classes.ndim == 1 else weights[:, None].expand(3, 3))


def test_in_the_first_epoch_labels_are_all_there_is() -> None:
    earlier, first = SelfDistillation(5, 0.8, 4), result(0)
    earlier.begin(1)
    assert torch.equal(earlier.mixed_loss(first, torch.tensor([4, 0, 2])), first.total)
    assert first.logits is not None
    assert earlier.logits is not None
    torch.testing.assert_close(earlier.logits[[4, 0, 2]], first.logits.detach())
    assert not earlier.logits[[1, 3]].any()


def test_later_the_target_is_a_mixture_of_the_label_and_of_what_was_said() -> None:
    earlier, first, second = SelfDistillation(3, 0.8, 4), result(0), result(1)
    positions = torch.tensor([2, 0, 1])
    earlier.begin(1)
    earlier.mixed_loss(first, positions)
    earlier.begin(3)
    found = earlier.mixed_loss(second, positions)
    assert first.logits is not None
    assert second.logits is not None
    share = 0.8 * 3 / 4
    target = (1 - share) * torch.eye(3)[CLASSES] + share * first.logits.detach().softmax(1)
    expected = (cross_entropy(second.logits, target, reduction="none") * torch.tensor([1.0, 2.0, 0.5])).sum()
    torch.testing.assert_close(found, expected)


def test_where_a_row_may_have_several_labels_each_is_mixed() -> None:
    earlier, first, second = SelfDistillation(3, 0.5, 2), result(0, SEVERAL), result(1, SEVERAL)
    earlier.begin(1)
    earlier.mixed_loss(first, torch.arange(3))
    earlier.begin(2)
    found = earlier.mixed_loss(second, torch.arange(3))
    assert first.logits is not None
    assert second.logits is not None
    target = 0.5 * SEVERAL + 0.5 * first.logits.detach().sigmoid()
    losses = binary_cross_entropy_with_logits(second.logits, target, reduction="none")
    torch.testing.assert_close(found, (losses * torch.tensor([1.0, 2.0, 0.5])[:, None]).mean(1).sum())


def test_without_a_share_without_logits_or_with_thousands_of_classes_nothing_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_classes = BatchLoss(torch.tensor(1.0), torch.tensor(0))
    off, given = SelfDistillation(3, 0.0, 2), SelfDistillation(3, 0.5, 2)
    one = result(0)
    off.begin(2)
    given.begin(2)
    assert off.mixed_loss(one, torch.arange(3)) is one.total
    assert given.mixed_loss(no_classes, torch.arange(3)) is no_classes.total
    monkeypatch.setattr(earlier_answers, "MAX_LOGITS", 8)
    assert given.mixed_loss(one, torch.arange(3)) is one.total
    assert off.logits is given.logits is None
