"""`README.md` of a run folder: a model card, made from nothing but what the run recorded."""

import json
import re
from pathlib import Path

from trifold.artifact.run_record import FinetuneRecord
from trifold.evaluate.results import RunResult
from trifold.formatting import percent
from trifold.methods.catalogue import method_entry
from trifold.models.lora import ADAPTER_CONFIG
from trifold.models.named_models import terms_of
from trifold.terminal import printable

_WHOLE = "`model/` is an ordinary folder for `AutoModelForSequenceClassification.from_pretrained` of transformers."
_PAIRS = "\n\nIt reads pairs of texts, which `tokenizer(first, second, truncation=True)` puts together."
_ADAPTER = """\
`model/` is an adapter in peft's format, with its tokenizer and the configuration that the base needs. `BASE` is the hub
id or a folder; `trifold doctor` prints the folder of minilm, which comes with Trifold.

```python
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

BASE, REVISION = {base!r}, {revision!r}
config = AutoConfig.from_pretrained("THIS_FOLDER/model")  # holds num_labels and the labels' names
base = AutoModelForSequenceClassification.from_pretrained(BASE, revision=REVISION, config=config)
model = PeftModel.from_pretrained(base, "THIS_FOLDER/model").eval()
tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER/model")
```"""


def write_card(folder: Path, result: RunResult) -> None:
    """Write `README.md` into `folder`.

    Args:
        folder: The run folder.
        result: What it holds.
    """
    record = result.record
    entry = method_entry(result.method)
    summary = entry.load().summary
    source = Path(record.data.path)
    is_adapter = (folder / "model" / ADAPTER_CONFIG).exists()
    is_whole = entry.whole_model and not is_adapter
    plain = _WHOLE if is_whole else _adapter_use(record) if is_adapter else ""
    card = render_card(
        "card.md",
        # A card is for others, to whom the folders of this machine say nothing.
        run=record,
        command=record.command.replace(str(source), source.name),
        metrics=result.metrics,
        file=source.name,
        library="transformers" if is_whole else "peft" if is_adapter else "trifold",
        what=f"{summary[0].upper()}{summary[1:]}.",
        plain=plain + (_PAIRS if plain and record.pairs else ""),
        percent=percent,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def render_card(template: str, **values: object) -> str:
    """A card from a template and what it names."""
    from jinja2 import Environment, PackageLoader

    # A card is Markdown, not HTML: what comes from data and settings stands in code, where nothing is markup.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("trifold.evaluate"), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"code": _code, "yaml": json.dumps, "terms": terms_of}
    return environment.get_template(template).render(values)


def _adapter_use(record: FinetuneRecord) -> str:
    assert record.backbone is not None
    return _ADAPTER.format(base=record.backbone.name, revision=record.backbone.revision)


def _code(value: object) -> str:
    """A value as a Markdown code span, on one line, fenced by more backticks than it holds in a row."""
    text = printable(" ".join(str(value).split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if not text or "`" in (text[0], text[-1]) else ""
    return f"{fence}{room}{text}{room}{fence}"
