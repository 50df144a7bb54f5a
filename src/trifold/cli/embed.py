"""The command `embed`: texts as vectors."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile, require_one
from trifold.cli.output import print_json, say_next
from trifold.data.settings import TextSettings
from trifold.documents.embedding.settings import EmbeddingSettings
from trifold.errors import DataError, require
from trifold.models.settings import EncodingSettings


def embed(
    model: str,
    source: OptionalDataFile = None,
    /,
    *,
    text: str | None = None,
    output: Path | None = None,
    embedding: Annotated[EmbeddingSettings | None, Parameter(name="*")] = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    encoding: Annotated[EncodingSettings | None, Parameter(name="*")] = None,
    force: bool = False,
    json: bool = False,
) -> None:
    """Turn texts into vectors of length 1, whose dot products are their cosines.

    A folder of sentence-transformers gives the vectors that sentence-transformers gives. Of any other encoder, a text's
    vector is the mean of its tokens in the last layer. A row without a usable text gets a vector of NaN, so that row i
    of the result is row i of the file. A command that was cut short goes on where it was when it is given again.

    Args:
        model: minilm, mpnet, gemma-270m, a folder, a GGUF file, a hub id, or a run folder.
        source: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        text: A single text; its vector is printed.
        output: File for the vectors: .npy, or .parquet or .jsonl with the columns of the file and the vectors.
        force: Overwrite --output where it is there already.
        json: With a file, print JSON about what was written.
    """
    from trifold.data.columns import unusable_text
    from trifold.data.hub import offline_data
    from trifold.documents.embedding.embed import embed_file
    from trifold.documents.embedding.embedder import TextEmbedder
    from trifold.documents.embedding.models import own_reading
    from trifold.events import say
    from trifold.formatting import counted
    from trifold.runtime import prepare_own

    needs = "embed needs a file and --output, or a text"
    usage = "trifold embed MODEL FILE --output vectors.npy, or trifold embed MODEL --text TEXT"
    require_one(needs, usage, source, text)
    require_one(needs, usage, text if source is None else output)
    require(text is None or not force, "--force with --text", "it is for --output")
    reason = unusable_text(text) if text is not None else None
    if reason:
        raise DataError(f"{reason}: give a text with at least one word")
    prepare_own()
    chosen, how = encoding or EncodingSettings(), embedding or EmbeddingSettings()
    embedder = TextEmbedder(model, pooling=how.pooling, dimensions=how.dimensions, settings=chosen)
    prompts = {"prompt_name": how.prompt_name, "prompt": how.prompt}
    if text is not None:
        embedder.require_words([text])
        one = embedder.encode_counting([text], **prompts)
        if one.truncated[0]:
            say(f"note: the text {embedder.too_long}")
        print_json([round(float(value), 7) for value in one.vectors[0]])
        say_next("embed", model, "FILE.csv", "--output", "vectors.npy", json=json)
        return
    assert source is not None
    assert output is not None
    with offline_data(chosen.offline):
        settings, own = reading or TextSettings(), own_reading(model, offline=chosen.offline)
        found = embed_file(embedder, source, output, settings, own, force=force, **prompts)
    for line, why in found.bad[:10]:
        say(f"note: line {line} has no vector: {why}")
    if found.truncated:
        say(f"note: {counted(found.truncated, 'text')} {embedder.too_long}")
    if json:
        print_json({"output": str(output), **vars(found)})
    else:
        say(f"{counted(found.rows, 'vector')} of {found.width} numbers written to {output}")
        say_next("finetune", "LABELLED.csv", "--method", "features", "--model", model)
