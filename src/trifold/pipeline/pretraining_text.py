"""Unlabelled text for pretraining: read, tokenised, divided into two parts and packed into blocks."""

from dataclasses import dataclass

from trifold.errors import BackboneError, SettingsError
from trifold.events import say
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import find_backbone
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pretrain.corpus import Corpus, Part, open_corpus
from trifold.pretrain.language_models import require_fit
from trifold.pretrain.new_tokenizer import new_tokenizer
from trifold.pretrain.packing import Blocks, pack
from trifold.pretrain.special_tokens import Vocabulary
from trifold.pretrain.text_files import Documents
from trifold.pretrain.unigram import unigram_loss

# Of the tokens, beyond which nothing is there to be learned.
_MOST_UNKNOWN = 0.9


@dataclass(frozen=True)
class PretrainingText:
    """Text that is ready to be learned from.

    Attributes:
        files: Of the model whose tokenizer cut it, or of a new tokenizer.
        vocabulary: Vocabulary of that tokenizer.
        corpus: Its tokens.
        parts: Training and validation.
        blocks: Packed blocks of both.
        unigram_loss: Loss of the validation part under the training part's frequencies.
    """

    files: BackboneFiles
    vocabulary: Vocabulary
    corpus: Corpus
    parts: tuple[Part, Part]
    blocks: tuple[Blocks, Blocks]
    unigram_loss: float


def read_text(request: PretrainRequest) -> PretrainingText:
    """Read, tokenise and pack the text that a request names.

    Raises:
        TrifoldError: If text and model do not go together.
    """
    try:
        return _read_text(request)
    except (KeyboardInterrupt, SystemExit):
        say("stopped while the text was being read: nothing was trained yet, and the same command begins anew")
        raise


def _read_text(request: PretrainRequest) -> PretrainingText:
    documents = Documents(request.sources, request.corpus)
    if request.scratch.from_scratch:
        algorithm = request.scratch.algorithm(request.objective)
        if request.objective == "mlm" and algorithm == "bpe":
            raise SettingsError("--tokenizer bpe goes with --objective clm: for mlm leave it out, or give wordpiece")
        files = BackboneFiles(new_tokenizer(documents, algorithm, request.scratch), "a new model", None)
    else:
        files = find_backbone(request.source)
        # Before hours of text are tokenised for nothing.
        require_fit(files, request.objective, request.corpus.block_size)
    vocabulary = Vocabulary.of(files, request.objective)
    corpus = open_corpus(documents, vocabulary)
    tokens, unknown = int(corpus.facts["tokens"]), int(corpus.facts["unknown"])
    if unknown > _MOST_UNKNOWN * tokens:
        raise BackboneError(
            f"the tokenizer of {files.name} does not know {unknown:,} of the text's {tokens:,} tokens: give a --model "
            "for its language, or --from-scratch"
        )
    say("dividing the text into blocks, and counting its words")
    parts = corpus.split(request.corpus)
    blocks = pack(corpus, parts, vocabulary, request.corpus.block_size)
    return PretrainingText(files, vocabulary, corpus, parts, blocks, unigram_loss(corpus, parts, vocabulary))
