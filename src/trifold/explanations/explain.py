"""Explain what a model says of texts: which words decided, and how far that can be believed."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from trifold.data.columns import unusable_text
from trifold.data.label_matching import known_labels
from trifold.errors import DataError, SettingsError, did_you_mean
from trifold.explanations.deciding import chance_words, deciding_words
from trifold.explanations.explanation import Explanation, Word
from trifold.explanations.occlusion import occlude
from trifold.explanations.settings import ExplanationSettings
from trifold.explanations.variants import Variants, log_odds
from trifold.explanations.words import Span, find_words
from trifold.methods.contract import Predictor
from trifold.tasks.labels import LabelMap

# So often words are drawn by chance, to compare the deciding ones with.
_DRAWS = 10
# Share of what may be scored that is kept for choosing the deciding words.
_FOR_CHOOSING = 0.25
# Characters that are scored in all: a text of megabytes is asked about less often, but not less than so many times.
_MOST_CHARACTERS, _FEWEST = 20_000_000, 20


@dataclass(frozen=True)
class Subject:
    """What is to be explained of a text: one label that a model gives it, or might.

    Attributes:
        text: The text.
        number: Of the class that is explained.
        logits: `(classes,)` of the text.
        truncated: Whether it was too long to be read whole.
    """

    text: str
    number: int
    logits: np.ndarray
    truncated: bool


def explain_texts(
    predictor: Predictor, texts: Sequence[str], settings: ExplanationSettings | None = None, *, asks_llm: bool = False
) -> Iterator[Explanation]:
    """Explain one label of each text, in their order; each comes when it is done.

    An explanation depends on nothing but the model, the text and the settings, and comes out the same each time.

    Args:
        predictor: The model, of any method.
        texts: Any number.
        settings: Which label, and how thoroughly.
        asks_llm: Whether each score is asked of a language model, which takes time or money.

    Raises:
        DataError: If a text is empty.
        SettingsError: If the label is none of the model's.
    """
    settings = settings or ExplanationSettings()
    given = None if settings.label is None else label_number(predictor.labels, settings.label)
    for text in texts:
        reason = unusable_text(text)
        if reason:
            raise DataError(f"{reason}: give a text with at least one word")
    most = settings.most_evaluations(asks_llm=asks_llm)
    for text in texts:
        yield _explain(predictor, _subject(predictor, text, given), settings.words, most)


def weigh_text(predictor: Predictor, text: str, most: int) -> tuple[int, list[Word]]:
    """The class that a model gives a text, and the weight of each word for it; no deciding words are chosen.

    Args:
        predictor: The model.
        text: Not empty.
        most: As often the model is asked at most.
    """
    subject = _subject(predictor, text, None)
    variants = Variants(predictor, text, find_words(text, predictor.read_spans(text)), subject.number)
    weights, _ = word_weights(predictor, subject, variants, most)
    return subject.number, _named(text, variants.words, weights)


def label_number(labels: LabelMap, name: str) -> int:
    """The class number of a label as the user writes it.

    Raises:
        SettingsError: If there is none.
    """
    known = {**labels.by_text, **{str(given): label for given, label in known_labels([name], labels.names).items()}}
    if name not in known:
        shown = ", ".join(list(labels.by_text)[:8])
        guess = did_you_mean(name, labels.by_text)
        raise SettingsError(f"there is no label {name!r}{guess}: this model knows {shown}")
    return labels.numbers[known[name]]


def surest_class(labels: LabelMap, logits: np.ndarray) -> int:
    """The class that the model gives a text; of several the likeliest, and where it gives none the likeliest of all."""
    probabilities = labels.probabilities(logits[None])
    given = labels.decide(probabilities)
    if not labels.multi_label:
        return int(given[0])
    return int(np.where(given[0], 1 + probabilities[0], probabilities[0]).argmax())


def word_weights(predictor: Predictor, subject: Subject, variants: Variants, most: int) -> tuple[np.ndarray, str]:
    """The weight of each word, and where it comes from: exact where the model is a sum over parts of the text.

    Of several classes, a linear model's weights are those of the log-odds' tangent at this text, which for two classes
    and for independent labels are the log-odds themselves.

    Args:
        predictor: The model.
        subject: What is explained.
        variants: Scores the text without some of its words.
        most: Variants that may be scored.
    """
    labels = predictor.labels
    direction = np.zeros(len(labels))
    if not labels.multi_label:
        others = np.delete(np.arange(len(labels)), subject.number)
        direction[others] = -LabelMap(labels.names).probabilities(subject.logits[None, others])[0]
    direction[subject.number] = 1.0
    added = predictor.contributions(subject.text, direction)
    if added is None:
        return occlude(variants, most), "occlusion"
    # What stands between two words counts to the one before it.
    starts = np.array([word.start for word in variants.words])
    owners = np.maximum(np.searchsorted(starts, np.arange(len(added)), side="right") - 1, 0)
    return np.bincount(owners, added, minlength=len(starts))[: len(starts)], "weights"


def _subject(predictor: Predictor, text: str, number: int | None) -> Subject:
    scores = predictor.score([text])
    given = surest_class(predictor.labels, scores.logits[0]) if number is None else number
    return Subject(text, given, scores.logits[0], bool(scores.truncated[0]))


def _named(text: str, words: Sequence[Span], weights: np.ndarray) -> list[Word]:
    return [
        Word(word.start, word.end, text[word.start : word.end], weight)
        for word, weight in zip(words, weights.tolist(), strict=True)
    ]


def _explain(predictor: Predictor, subject: Subject, count: int, most: int) -> Explanation:
    text, labels = subject.text, predictor.labels
    parts = predictor.read_spans(text)
    words = find_words(text, parts)
    variants = Variants(predictor, text, words, subject.number)
    most = min(most, max(_FEWEST, _MOST_CHARACTERS // max(1, sum(end - start for start, end in parts))))
    draws, for_choosing = min(_DRAWS, most // 10), int(_FOR_CHOOSING * most)
    weights, method = word_weights(predictor, subject, variants, most - 1 - draws - for_choosing)
    chosen = deciding_words(variants, weights, count, for_choosing)
    by_chance = chance_words(len(words), len(chosen), draws, _seed(text)) if chosen else []
    odds = variants([chosen, *by_chance])
    whole = log_odds(subject.logits[None], subject.number, multi_label=labels.multi_label)[0]
    named, probabilities = _named(text, words, weights), expit(odds)
    return Explanation(
        text=text,
        label=labels.names[subject.number],
        probability=float(expit(whole)),
        predicted=labels.decode(labels.decide(labels.probabilities(subject.logits[None])))[0],
        words=tuple(named),
        deciding=tuple(named[number] for number in chosen),
        probability_without=float(probabilities[0]),
        probability_without_random=float(probabilities[1:].mean()) if chosen else float(probabilities[0]),
        method=method,
        truncated=subject.truncated,
        evaluations=1 + variants.evaluations,
    )


def _seed(text: str) -> list[int]:
    return list(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
