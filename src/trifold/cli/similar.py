"""The verb `similar`: how alike texts are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import OptionalTextOrFile, TextOrFile
from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import ComparedTextSettings, ResultSettings
from trifold.documents.embedding.settings import EmbeddingSettings
from trifold.documents.similarity.settings import SimilaritySettings
from trifold.errors import SettingsError, require
from trifold.models.settings import EncodingSettings

if TYPE_CHECKING:
    from trifold.documents.embedding.embedder import TextEmbedder
    from trifold.documents.similarity.similar import SimilarTexts

_SHOWN_CHARACTERS = 80


def similar(
    first: TextOrFile,
    second: OptionalTextOrFile = None,
    /,
    *,
    model: str = "minilm",
    comparison: Annotated[SimilaritySettings | None, Parameter(name="*")] = None,
    embedding: Annotated[EmbeddingSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    reading: Annotated[ComparedTextSettings | None, Parameter(name="*")] = None,
    encoding: Annotated[EncodingSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Tell how alike texts are: 1 for the same meaning, about 0 for nothing in common.

    Of two texts, the cosine of their vectors is printed. Of two files, --pairs compares row by row, and --top-k finds
    for each row of the first the nearest of the second. Of a text and a file, the file's nearest rows are told. Of one
    file, two columns are compared (--text-column question,answer), or each row with the others (--top-k 3).

    Args:
        first: A text; or a CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        second: Another text or file.
        model: minilm, mpnet, gemma-270m, a folder, a GGUF file, a hub id, or a run folder.
        json: Print JSON: of two texts an object; of files an object a line, or with --output the counts.
    """
    from trifold.data.hub import offline_data
    from trifold.documents.embedding.embedder import TextEmbedder
    from trifold.documents.embedding.models import own_reading
    from trifold.events import say
    from trifold.formatting import counted
    from trifold.inference.stream import require_result, write_labelled
    from trifold.pipeline.similar import compare_texts
    from trifold.runtime import prepare_own

    files = [one for one in (first, second) if isinstance(one, Path)]
    about_files = any(group is not None for group in (comparison, result, reading))
    require(bool(files) or not about_files, "a flag on files with two texts", "leave it out, or name a file")
    if not files and second is None:
        raise SettingsError(
            "similar needs two texts, or a file: trifold similar TEXT TEXT, or trifold similar A.csv B.csv --pairs"
        )
    written, how, chosen = result or ResultSettings(), embedding or EmbeddingSettings(), encoding or EncodingSettings()
    require_result(written, *files, json=json)
    prepare_own()
    embedder = TextEmbedder(model, pooling=how.pooling, dimensions=how.dimensions, normalize=True, settings=chosen)
    prompt = embedder.prompt_text(how.prompt_name, how.prompt)

    if not files:
        _print_of_texts(embedder, str(first), str(second), prompt, json=json)
        return
    own = own_reading(model, offline=chosen.offline)
    with offline_data(chosen.offline):
        found = compare_texts(embedder, first, second, comparison, reading, own, prompt=prompt)
        if len(files) == 1 and second is not None and written.output is None and not json:
            _print_nearest(found)
        else:
            write_labelled(found.rows, found.table, written, json=json)
    if json and written.output:
        print_json({"output": str(written.output), **vars(found.counts)})
    if found.counts.truncated:
        say(f"note: {counted(found.counts.truncated, 'text')} {embedder.too_long}")
    say(found.counts.in_words() + (f", written to {written.output}" if written.output else ""))
    say_next("embed", model, files[0], "--output", "vectors.npy", json=json)


def _print_of_texts(embedder: "TextEmbedder", first: str, second: str, prompt: str, *, json: bool) -> None:
    """Print how alike two texts are."""
    from trifold.documents.similarity.similar import similarity_of
    from trifold.events import say

    score, cut = similarity_of(embedder, first, second, prompt)
    if json:
        print_json({"similarity": round(score, 6)})
    else:
        print(f"{score:.4f}")
    if cut:
        say(f"note: {'both texts' if cut == 2 else 'a text'} {embedder.too_long}")
    say_next("similar", "A.csv", "B.csv", "--pairs", "--output", "similar.csv", json=json)


def _print_nearest(found: "SimilarTexts") -> None:
    """Print the rows that are nearest to a text, best first."""
    from trifold.formatting import shortened

    rows = [
        {
            "text": shortened(str(row["other_text"]), _SHOWN_CHARACTERS),
            "row": f"{row['other_row']:,}",
            "similarity": f"{row['similarity']:.4f}",
        }
        for row in found.rows
    ]
    if rows:
        print_table(rows)
