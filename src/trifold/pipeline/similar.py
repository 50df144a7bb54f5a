"""`similar`: which comparison is meant by what was named."""

from dataclasses import replace
from pathlib import Path

from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.similarity.nearest_rows import nearest_rows
from trifold.documents.similarity.settings import SimilaritySettings
from trifold.documents.similarity.similar import SimilarTexts, similar_pairs
from trifold.errors import SettingsError, require

_OF_A_TEXT = 10


def compare_texts(
    embedder: TextEmbedder,
    first: Path | str,
    second: Path | str | None = None,
    settings: SimilaritySettings | None = None,
    reading: TextSettings | None = None,
    own: RecordedColumns | None = None,
    *,
    prompt: str = "",
) -> SimilarTexts:
    """Compare what was named: two files, a text and a file, or the rows of one file.

    Args:
        embedder: Makes the vectors.
        first: A file, or a text.
        second: Another file, or a text; not two texts, for which there is `similarity_of`.
        settings: What is compared with what.
        reading: How to read the files.
        own: The columns of the run that the model belongs to, if it belongs to one.
        prompt: What stands before every text.

    Raises:
        DataError: If a file cannot be read, or two that are compared row by row differ in their number of rows.
        SettingsError: If the settings do not say what is to be compared with what.
    """
    chosen, read = settings or SimilaritySettings(), reading or TextSettings()
    other = chosen.other_text_column
    query = next((one for one in (first, second) if isinstance(one, str)), None)
    files = [one for one in (first, second) if isinstance(one, Path)]
    require(
        other is None or len(files) == 2,
        f"--other-text-column {other}",
        "it is for a second file: of one, name two columns by --text-column question,answer",
    )
    if query is not None:
        require(not chosen.pairs, "--pairs with a text", "it is for two files")
        return nearest_rows(embedder, query, files[0], chosen.top_k or _OF_A_TEXT, read, own=own, prompt=prompt)
    second_file = files[1] if len(files) > 1 else None
    other_read = read if other is None else replace(read, text_column=other)
    if chosen.top_k is not None:
        return nearest_rows(embedder, files[0], second_file, chosen.top_k, read, other_read, own, prompt=prompt)
    if second_file is not None and not chosen.pairs:
        raise SettingsError(
            "two files are compared row by row, or each row of the first with those of the second that are nearest: "
            "add --pairs, or --top-k 3"
        )
    return similar_pairs(embedder, files[0], second_file, read, other_read, own, prompt=prompt)
