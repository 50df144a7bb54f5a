"""Sort the texts of a file into topics, write the file with them, and draw the map."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from trifold.artifact.run_folder import new_file, require_free_file
from trifold.data.hub import offline_data
from trifold.data.result_file import write_result
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable, Row
from trifold.documents.topics.settings import TopicSettings
from trifold.documents.topics.topic_map import topic_page
from trifold.documents.topics.topics import Topics, find_topics
from trifold.errors import require
from trifold.inference.stream import require_result
from trifold.models.settings import EncodingSettings
from trifold.pipeline.request import unchanged
from trifold.pipeline.texts_of_file import FileEncoder, TextsOfFile, read_texts

_TOPIC, _WORDS = "topic", "topic_words"


@dataclass(frozen=True, kw_only=True)
class TopicsRequest:
    """Which texts to sort, and what to write.

    Attributes:
        data: The file.
        map: File for the map, whose name ends in .html.
        model: The encoder.
        label_column: Column that the map's points may also be coloured by; one of a usual name by default.
        reading: How the file is read.
        topics: How many topics, and the seed.
        encoding: How texts become vectors.
        result: Where to write the rows with their topics.
    """

    data: Path
    map: Path | None = None
    model: str = "minilm"
    label_column: str | None = None
    reading: TextSettings = field(default_factory=TextSettings)
    topics: TopicSettings = field(default_factory=TopicSettings)
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    result: ResultSettings = field(default_factory=ResultSettings)


@dataclass(frozen=True)
class TopicsReport:
    """What was found.

    Attributes:
        data: The file.
        topics: Its topics.
        truncated: Texts of which only the beginning was looked at, because they are longer than the model reads.
    """

    data: TextsOfFile
    topics: Topics
    truncated: int

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "path": str(self.data.path),
            "rows": self.data.all_rows,
            "bad_rows": self.data.bad_rows,
            "truncated": self.truncated,
            "other": self.topics.others,
            "topics": [
                {
                    "topic": number,
                    "name": topic.name,
                    "words": topic.words,
                    "size": topic.size,
                    "examples": [
                        {"line": self.data.lines[position], "text": self.data.texts[position]}
                        for position in topic.examples
                    ],
                }
                for number, topic in enumerate(self.topics.topics, start=1)
            ],
        }


def topics(request: TopicsRequest) -> TopicsReport:
    """Sort a file's texts into topics, and write what was asked for.

    Raises:
        DataError: If the file cannot be read, or has too few texts.
        SettingsError: If a setting is not allowed, or a result would overwrite a file.
        BackboneError: If there is no such encoder.
    """
    result, drawn = request.result, request.map
    if drawn is not None:
        require(drawn.suffix.lower() in (".html", ".htm"), f"--map {drawn}", "name a file that ends in .html")
        require(drawn != result.output, f"--map {drawn} and --output {drawn}", "name two files")
        require_free_file(drawn, request.data, force=result.force)
    require(
        not result.force or drawn is not None or result.output is not None,
        "--force without --output or --map",
        "name the file",
    )
    written_as = require_result(result, request.data) if result.output is not None else ""
    with (
        offline_data(request.encoding.offline),
        new_file(result.output, force=result.force) if result.output else nullcontext() as aside,
        unchanged([request.data]),
    ):
        data = read_texts(request.data, request.reading, request.label_column)
        table = ResultTable(data.table, {_TOPIC: int, _WORDS: str})
        if aside is not None:
            table.require_new("sorting into topics")
        encoder = FileEncoder(request.model, request.encoding)
        vectors = encoder(data.texts)
        encoder.tell()
        report = TopicsReport(data, find_topics(data.texts, vectors, request.topics), encoder.truncated)
        if aside is not None:
            write_result(aside, written_as, table, _result_rows(report), excel_safe=result.excel_safe)
    if drawn is not None:
        _draw(report, drawn, request)
    return report


def _draw(report: TopicsReport, place: Path, request: TopicsRequest) -> None:
    data = report.data
    page = topic_page(
        f"Topics of {data.path.name}",
        data.texts,
        data.lines,
        report.topics,
        request.topics.seed,
        data.labels or None,
        data.label_column,
    )
    with new_file(place, force=request.result.force) as aside:
        aside.write_text(page, encoding="utf-8", newline="\n", errors="replace")


def _result_rows(report: TopicsReport) -> Iterator[Row]:
    """The rows of the file once more, each with the number and words of its topic; none for rows that are near none."""
    topic_of = dict(zip(report.data.rows, report.topics.of_text.tolist(), strict=True))
    for number, row in enumerate(report.data.table.rows(), start=1):
        topic = topic_of.get(number, -1)
        added = {_TOPIC: topic + 1, _WORDS: ", ".join(report.topics.topics[topic].words)} if topic >= 0 else {}
        yield {**row.values, **added}
