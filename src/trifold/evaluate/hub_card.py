"""A run's card as the Hugging Face hub reads it: licence, backbone, and the results at its head and in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trifold.errors import ArtifactError, SettingsError
from trifold.evaluate.model_card import render_card
from trifold.formatting import percent
from trifold.models.gguf.reading import SUFFIX
from trifold.models.named_models import NAMED_MODELS, hub_base, named_model

RESULTS_FILE = ".eval_results/trifold.yaml"
_HUB = "hf:"
_FOLDER = "THIS_FOLDER"
_IMPORT = "from sentence_transformers import SentenceTransformer"
_TEXTS_LINE = (
    "- The commonest mistakes are in `errors.csv`; `report.html` shows how far its probabilities can be trusted.\n"
)


@dataclass(frozen=True)
class _Figure:
    """A metric of `metrics.json` as the hub names it."""

    field: str
    kind: str
    name: str
    more: Mapping[str, str]


_FIGURES = (
    _Figure("accuracy", "accuracy", "accuracy", {}),
    _Figure("macro_f1", "f1", "macro-F1", {"average": "macro"}),
    _Figure("micro_f1", "f1", "micro-F1", {"average": "micro"}),
    _Figure("spearman", "spearmanr", "Spearman correlation", {}),
    _Figure("pearson", "pearsonr", "Pearson correlation", {}),
    _Figure("exact_match", "exact_match", "exact match", {}),
    _Figure("perplexity", "perplexity", "perplexity", {}),
    _Figure("pseudo_perplexity", "perplexity", "pseudo-perplexity", {}),
)


def task_of(record: Mapping[str, Any]) -> str:
    """What the hub calls the task of a run."""
    if record.get("method") == "pretrain":
        return "fill-mask" if record.get("objective") == "mlm" else "text-generation"
    return {"generate": "text-generation", "similarity": "sentence-similarity"}.get(
        str(record.get("task")), "text-classification"
    )


def hub_card(
    own: str | None,
    record: dict[str, Any],
    metrics: dict[str, Any] | None,
    *,
    repo: str,
    licence: str | None,
    with_texts: bool,
) -> str:
    """The card for the hub.

    Args:
        own: That of the run folder, which may have been edited; a short one is made where `None`.
        record: Content of `run.json`, without names of this machine.
        metrics: Content of `metrics.json`, if there are some.
        repo: Where it goes.
        licence: As the hub names it; that of the card where `None`.
        with_texts: Whether the mistakes go along, of which the card tells.

    Raises:
        SettingsError: If no licence is given.
        ArtifactError: If the head of the card cannot be read.
    """
    from huggingface_hub import RepoCard
    from huggingface_hub.repocard_data import eval_results_to_model_index

    text = own or _short_card(record, metrics)
    text = _by_name(text, repo)
    if not with_texts:
        text = text.replace(_TEXTS_LINE, "")
    try:
        card = RepoCard(text)
    except Exception as error:  # noqa: BLE001 - it raises what the YAML library raises, which is not ours
        reason = str(error).partition("\n")[0]
        raise ArtifactError(f"the head of README.md is no YAML that can be read ({reason}): correct it") from None
    data = card.data
    data["license"] = licence or data.get("license") or _no_licence(record)
    # Where the model lies in model/, only Trifold finds it there.
    data["library_name"] = "transformers.js" if record.get("exported") else "trifold"
    data["base_model"] = _base_model(record)
    if (name := _data_set(record)) is not None:
        data["datasets"] = [name]
    results = _results(record, metrics or {})
    if results and "model-index" not in data:
        data["model-index"] = eval_results_to_model_index(repo.rpartition("/")[2], results)
    return str(card.content)


def results_file(record: Mapping[str, Any], metrics: Mapping[str, Any] | None) -> bytes | None:
    """The results for the leaderboard of a data set of the hub, of whose own split the test rows are; else `None`."""
    data = record.get("data") or {}
    name, split, config = [*str(data.get("test_file") or "").removeprefix(_HUB).split(":", 2), "", ""][:3]
    if not str(data.get("test_file") or "").startswith(_HUB) or not split or not metrics:
        return None
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    from huggingface_hub.utils import yaml_dump

    value = _value(metrics, record)
    if value is None:
        return None
    entry = EvalResultEntry(
        dataset_id=name,
        task_id=config or "default",
        value=value,
        date=record.get("started") or None,
        notes=f"{record.get('score_name')} on the {split} rows that could be used, {metrics.get('rows')}",
    )
    return str(yaml_dump(eval_result_entries_to_yaml([entry]), sort_keys=False)).encode()


def terms(record: Mapping[str, Any]) -> str | None:
    """Under which terms the backbone of a run may be used, as far as is known; `None` where it has none."""
    backbone = record.get("backbone") or {}
    name = str(backbone.get("name") or (record.get("choices") or {}).get("llm") or "")
    if not name:
        return None
    named = NAMED_MODELS.get(name) or named_model(name, backbone.get("revision"))
    if named is None:
        return f"of its backbone {name}: whoever made that says under which terms it may be passed on"
    return f"of its backbone {named.name}: {named.terms or named.what}"


def _by_name(text: str, repo: str) -> str:
    """The card with the repository in the place of the folder; sentence-transformers opens folders alone."""
    fetched = f"SentenceTransformer(f\"{{snapshot_download('{repo}')}}/model\")"
    if (by_folder := f'SentenceTransformer("{_FOLDER}/model")') in text:
        text = text.replace(by_folder, fetched)
        text = text.replace(_IMPORT, f"from huggingface_hub import snapshot_download\n{_IMPORT}")
    return text.replace(f'"{_FOLDER}/model"', f'"{repo}", subfolder="model"').replace(_FOLDER, repo)


def _no_licence(record: Mapping[str, Any]) -> str:
    """Refuse a card without a licence.

    Raises:
        SettingsError: Always.
    """
    known = terms(record)
    raise SettingsError(
        "nobody may use what has no licence: give one with --license, such as apache-2.0, mit or cc-by-4.0, or as "
        "`license:` at the head of the run's README.md" + (f" ({known})" if known else "")
    )


def _base_model(record: Mapping[str, Any]) -> str | None:
    """The backbone's name on the hub; `None` where it has none there."""
    name, _ = hub_base(str((record.get("backbone") or {}).get("name") or ""), None)
    # A file of a model may be named behind it.
    parts = name.split("/")
    known = len(parts) == 2 or (len(parts) == 3 and name.endswith(SUFFIX))
    return "/".join(parts[:2]) if known and parts[0].strip(".~") else None


def _data_set(record: Mapping[str, Any]) -> str | None:
    path = str((record.get("data") or {}).get("path") or "")
    return path.removeprefix(_HUB).partition(":")[0] if path.startswith(_HUB) else None


def _results(record: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Any]:
    """What the test rows showed; the data are named by their hash, or by their name on the hub."""
    from huggingface_hub import EvalResult

    data = record.get("data") or {}
    sha256 = str(data.get("test_file_sha256") or data.get("sha256") or "")
    name = _data_set(record)
    about: dict[str, Any] = {"rows": metrics.get("rows"), "sha256": sha256 or None}
    return [
        EvalResult(
            task_type=task_of(record),
            dataset_type=name or "private",
            dataset_name=name or (f"data with the SHA-256 {sha256[:16]}…" if sha256 else "data of its own"),
            dataset_split="test",
            dataset_args={field: one for field, one in about.items() if one is not None} or None,
            metric_type=figure.kind,
            metric_name=figure.name,
            metric_value=_number(metrics[figure.field]),
            metric_args=_arguments(figure, metrics[figure.field]),
        )
        for figure in _FIGURES
        # Of rows with one label each, that is the accuracy.
        if metrics.get(figure.field) is not None and (figure.field != "micro_f1" or record.get("multi_label"))
    ]


def _arguments(figure: _Figure, found: Any) -> dict[str, Any] | None:
    """What the hub is told beside a figure: which mean it is, and its interval."""
    interval = {}
    if isinstance(found, dict):
        interval = {"low": round(found["low"], 6), "high": round(found["high"], 6), "confidence": 0.95}
    more = {**figure.more, **interval}
    return more or None


def _number(found: Any) -> float:
    return round(float(found["value"] if isinstance(found, dict) else found), 6)


def _value(metrics: Mapping[str, Any], record: Mapping[str, Any]) -> float | None:
    """The figure that decides, or else the accuracy."""
    for name in (record.get("score_name"), "accuracy", "spearman"):
        if metrics.get(str(name)) is not None:
            return _number(metrics[str(name)])
    return None


def _short_card(record: dict[str, Any], metrics: dict[str, Any] | None) -> str:
    """A card of what no command has written one for: exports, language models, and what Python saved."""
    task, exported = task_of(record), record.get("exported")
    verb = {"fill-mask": "fill-mask", "text-generation": "generate"}.get(task, "predict")
    text = {"fill-mask": '"The film was [MASK]."', "generate": '"…"'}.get(verb, '--text "…"')
    words = {"fill-mask": "Masked language model", "text-generation": "Language model"}.get(task, "Text classifier")
    return render_card(
        "short_card.md",
        run={"labels": None, "backbone": None, "exported": None, "data": None, **record},
        task=task,
        title=f"{words} by {record.get('method')}" + (", exported" if exported else ""),
        figures={
            figure.name: f"{_number(metrics[figure.field]):.4g}"
            for figure in _FIGURES
            if metrics and metrics.get(figure.field) is not None
        },
        command=f"trifold {verb} {_FOLDER} {text}",
        in_javascript=exported
        and (record.get("settings") or {}).get("long_text") != "window"
        and not record.get("pairs"),
        percent=percent,
    )
