"""The command `topics`: what the texts of a file are about."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import ResultSettings, TextSettings
from trifold.documents.topics.settings import TopicSettings
from trifold.formatting import counted, shortened
from trifold.models.settings import EncodingSettings

_EXAMPLE_CHARACTERS = 90


def topics(
    data: DataFile,
    /,
    *,
    map_file: Annotated[Path | None, Parameter(name="--map")] = None,
    model: str = "minilm",
    label_column: str | None = None,
    how: Annotated[TopicSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    encoding: Annotated[EncodingSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Sort texts by what they are about; each topic is named by its words, and shown by the texts at its centre.

    Topics are clusters of the texts' vectors; texts near none of them are in none. With --map FILE.html a map of all
    texts is drawn, a page that needs nothing else; with --output FILE the file comes back with the topic of each row.

    Args:
        data: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        map_file: File for the map, whose name ends in .html.
        model: The encoder: minilm, mpnet, gemma-270m, a folder, a GGUF file, a hub id, or a run folder.
        label_column: Column that the map's points may also be coloured by; one called label, class or the like by
            default.
        json: Print JSON instead.
    """
    from trifold.events import say
    from trifold.pipeline.topics import TopicsRequest
    from trifold.pipeline.topics import topics as find

    written = result or ResultSettings()
    report = find(
        TopicsRequest(
            data=data,
            map=map_file,
            model=model,
            label_column=label_column,
            topics=how or TopicSettings(),
            result=written,
            reading=reading or TextSettings(),
            encoding=encoding or EncodingSettings(),
        )
    )
    if json:
        files = {"output": written.output and str(written.output), "map": map_file and str(map_file)}
        print_json({**report.as_dict(), **files})
        return
    found, texts = report.topics, report.data.texts
    without = f", {report.data.bad_rows:,} without a usable text" if report.data.bad_rows else ""
    print(f"{report.data.path}: {counted(len(texts), 'text')} in {counted(len(found.topics), 'topic')}{without}\n")
    rows = [
        {"topic": str(number), "words": ", ".join(topic.words), "texts": f"{topic.size:,}"}
        for number, topic in enumerate(found.topics, start=1)
    ]
    if found.others:
        rows.append({"topic": "other", "words": "(near none of these)", "texts": f"{found.others:,}"})
    print_table(rows, left_aligned=2)
    for number, topic in enumerate(found.topics, start=1):
        print(f"\n{number}  {topic.name}")
        for position in topic.examples:
            print(f"   line {report.data.lines[position]:,}: {shortened(texts[position], _EXAMPLE_CHARACTERS)}")
    for place, what in ((written.output, "the rows with their topics"), (map_file, "the map")):
        if place:
            say(f"{what} written to {place}")
    if not map_file:
        say_next("topics", data, "--map", "map.html")
