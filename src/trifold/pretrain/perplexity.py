"""What a language model's loss means: perplexity, bits per byte, right words."""

import math
from dataclasses import dataclass

from trifold.pretrain.settings import Objective

# exp() beyond this is no number any more.
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Measures:
    """How well a model knows a text.

    Attributes:
        objective: `clm`: each word from those before it; `mlm`: hidden words from both sides, for which perplexity and
            bits are pseudo ones, to be compared among masked models alone.
        loss: Cross-entropy in nats per predicted token.
        perplexity: `exp(loss)`.
        bits_per_byte: Bits per byte of UTF-8 text, which does not depend on how the tokenizer cuts it.
        accuracy: Share of the tokens that were named first, a fraction.
        tokens: Of the text.
        bytes: Of the text as the tokens say it.
    """

    objective: Objective
    loss: float
    perplexity: float
    bits_per_byte: float
    accuracy: float
    tokens: int
    bytes: int

    def named(self) -> dict[str, object]:
        """For JSON; pseudo figures are called so."""
        names = ("perplexity", "bits_per_byte") if self.objective == "mlm" else ()
        return {f"pseudo_{name}" if name in names else name: value for name, value in vars(self).items()}


def measures(objective: Objective, loss: float, accuracy: float, tokens: int, text_bytes: int) -> Measures:
    """Figures from a mean loss.

    Bits per byte: `loss / ln 2 * tokens / bytes`.

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
