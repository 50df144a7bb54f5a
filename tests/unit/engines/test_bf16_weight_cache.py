"""Weights rounded all at once give the losses and gradients of weights rounded one by one."""

import torch

from trifold.engines.bf16_weight_cache import Bf16WeightCache
from trifold.engines.partial_layers import speed_up_classifier


def model() -> torch.nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    one = BertForSequenceClassification(BertConfig(**sizes, intermediate_size=64, num_labels=2)).eval()
    one.bert.encoder.layer[0].requires_grad_(False)
    return speed_up_classifier(one)  # type: ignore[no-any-return]


def gradients(one: torch.nn.Module) -> dict[str, torch.Tensor]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = one(input_ids=torch.arange(5, 45).view(4, 10)).logits
    logits.float().square().sum().backward()
    return {name: weight.grad for name, weight in one.named_parameters() if weight.grad is not None}


def test_losses_and_gradients_are_the_same_to_the_bit() -> None:
    expected = gradients(model())
    one = model()
    before = {name: weight.detach().clone() for name, weight in one.named_parameters()}
    places = dict(one.named_parameters())
    rounded = Bf16WeightCache(one)
    for _ in range(2):
        one.zero_grad(set_to_none=True)
        with rounded.in_place():
            assert one.bert.encoder.layer[1].output.dense.weight.dtype == torch.bfloat16  # type: ignore[union-attr, index]
            assert one.classifier.weight.dtype == torch.float32  # type: ignore[union-attr]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = one(input_ids=torch.arange(5, 45).view(4, 10)).logits
            logits.float().square().sum().backward()
        found = {name: weight.grad for name, weight in one.named_parameters() if weight.grad is not None}
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())
    assert all(dict(one.named_parameters())[name] is weight for name, weight in places.items())
    assert all(torch.equal(weight, before[name]) for name, weight in one.named_parameters())


def test_the_copies_follow_the_weights() -> None:
    one = model()
    rounded = Bf16WeightCache(one)
    with torch.no_grad():
        one.bert.pooler.dense.weight.mul_(2)  # type: ignore[union-attr, operator]
    with rounded.in_place(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = one(input_ids=torch.arange(5, 15)[None]).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(found, one(input_ids=torch.arange(5, 15)[None]).logits)
