"""`README.md` of a run folder: a model card, made from nothing but what the run recorded."""

import json
import re
from pathlib import Path

from trifold.artifact.run_record import FinetuneRecord
from trifold.evaluate.results import RunResult
from trifold.formatting import percent
from trifold.methods.catalogue import method_entry
from trifold.models.lora import ADAPTER_CONFIG
from trifold.models.named_models import NAMED_MODELS, hub_base, terms_of
from trifold.terminal import printable

_WHOLE = """\
`AutoModelForSequenceClassification.from_pretrained("THIS_FOLDER/model")` of transformers opens it: the model is in
`model/`, not in the run folder itself."""
_PAIRS = "\n\nIt reads pairs of texts, which `tokenizer(first, second, truncation=True)` puts together."
_ADAPTER = """\
`model/` is an adapter in peft's format, with its tokenizer and the configuration that the base needs. `BASE` is the hub
id or a folder; `trifold doctor` prints the folder of minilm, which comes with Trifold.

```python
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

BASE, REVISION = {base!r}, {revision!r}
{offline}config = AutoConfig.from_pretrained("THIS_FOLDER/model")  # holds num_labels and the labels' names
base = AutoModelForSequenceClassification.from_pretrained(BASE, revision=REVISION, config=config)
model = PeftModel.from_pretrained(base, "THIS_FOLDER/model").eval()
tokenizer = AutoTokenizer.from_pretrained("THIS_FOLDER/model")
```

transformers reports the classifier's weights, such as `classifier.weight`, as MISSING when it opens the base. That is
right: they come with the adapter, in the next line."""
_BUNDLED = """# Offline: BASE, REVISION = str(locate("minilm").folder), None  (from trifold.models.locate import locate)
"""

_ROUNDED = "\n\nIt was trained on `{name}`, these weights in fewer bits, so it answers a little differently there."


def plain_use(result: RunResult) -> str:
    """In one line, how the model of a run opens without Trifold; empty where it does not."""
    model = result.folder / "model"
    if (model / ADAPTER_CONFIG).exists():
        return f"without Trifold, peft loads the adapter {model}, as {result.folder / 'README.md'} shows"
    if method_entry(result.method).whole_model:
        return f'without Trifold: AutoModelForSequenceClassification.from_pretrained("{model}") of transformers'
    return ""


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
    environment.filters |= {
        "code": _code,
        "yaml": json.dumps,
        "terms": terms_of,
        "hub": lambda name: hub_base(name, None)[0],
    }
    return environment.get_template(template).render(values)


def _adapter_use(record: FinetuneRecord) -> str:
    assert record.backbone is not None
    name, revision = hub_base(record.backbone.name, record.backbone.revision)
    rounded = "" if name == record.backbone.name else _ROUNDED.format(name=record.backbone.name)
    offline = _BUNDLED if name == NAMED_MODELS["minilm"].hub_id else ""
    return _ADAPTER.format(base=name, revision=revision, offline=offline) + rounded


def _code(value: object) -> str:
    """A value as a Markdown code span, on one line, fenced by more backticks than it holds in a row."""
    text = printable(" ".join(str(value).split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if not text or "`" in (text[0], text[-1]) else ""
    return f"{fence}{room}{text}{room}{fence}"
