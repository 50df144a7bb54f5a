"""Measures of a language model from its loss: perplexity, bits per byte, accuracy."""

import math
from dataclasses import dataclass

from trifold.pretrain.settings import ObjectiveName

# exp() of more than this is infinite.
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Measures:
    """How well a model predicts a text.

    Attributes:
        objective: `clm`: each token from those before it. `mlm`: masked words from both sides; perplexity and bits per
            byte are then pseudo measures, comparable among masked models only.
        loss: Cross-entropy in nats per predicted token.
        perplexity: `exp(loss)`.
        bits_per_byte: Bits per byte of UTF-8 text, which does not depend on the tokenizer.
        accuracy: Fraction of the predicted tokens that had the highest probability.
        tokens: Tokens of the text.
        bytes: UTF-8 bytes of the text as the tokens represent it.
    """

    objective: ObjectiveName
    loss: float
    perplexity: float
    bits_per_byte: float
    accuracy: float
    tokens: int
    bytes: int

    def named(self) -> dict[str, object]:
        """The measures for JSON; the names of pseudo measures begin with `pseudo_`."""
        names = ("perplexity", "bits_per_byte") if self.objective == "mlm" else ()
        return {f"pseudo_{name}" if name in names else name: value for name, value in vars(self).items()}


def measures(objective: ObjectiveName, loss: float, accuracy: float, tokens: int, text_bytes: int) -> Measures:
    """Measures from a mean loss.

    Bits per byte are `loss / ln 2 * tokens / bytes`.

    Source: Gao et al. 2020, "The Pile", section 3.1, for bits per byte; Salazar et al. 2020, "Masked Language Model
    Scoring", for pseudo-perplexity (here at the share of words that is hidden in training, not one by one).
    """
    return Measures(
        objective=objective,
        loss=loss,
        perplexity=math.exp(min(loss, _LARGEST_EXPONENT)),
        bits_per_byte=loss / math.log(2) * tokens / max(1, text_bytes),
        accuracy=accuracy,
        tokens=tokens,
        bytes=text_bytes,
    )
