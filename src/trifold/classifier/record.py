"""The record of a classifier that Python trained, and the parameters that a record stands for."""

from datetime import datetime
from pathlib import Path
from typing import Any

from trifold.artifact.run_record import NEVER_FROM_A_RUN, ClassifierRecord, as_record
from trifold.classifier.parameters import DEFAULTS, method_settings
from trifold.errors import ArtifactError, SettingsError
from trifold.methods.catalogue import method_name
from trifold.methods.contract import Fitted
from trifold.methods.settings import MethodSettings
from trifold.runtime import hardware
from trifold.tasks.metric_choice import choose_metric
from trifold.types import Examples
from trifold.version import versions


def record_of(
    fitted: Fitted, settings: MethodSettings, method: str, started: datetime, examples: Examples
) -> ClassifierRecord:
    """What `run.json` says of a classifier, but for the form of its labels.

    Args:
        fitted: What the method learned.
        settings: That it was told.
        method: Its name.
        started: When training began.
        examples: That it was given.
    """
    labels = fitted.predictor.labels
    return ClassifierRecord(
        method=method,
        command="TextClassifier.fit",
        started=started.isoformat(timespec="seconds"),
        settings=as_record(settings.named()),
        seed=settings.train.seed,
        labels=list(labels.names),
        multi_label=labels.multi_label or None,
        pairs=examples.pairs or None,
        thresholds=list(labels.thresholds) if labels.multi_label else None,
        score_name=choose_metric(settings.ranking.metric, labels, examples.label_counts()),
        choices=fitted.choices,
        trainable_parameters=fitted.trainable_parameters,
        versions=versions(),
        hardware=hardware(),
    )


def parameters_of(record: ClassifierRecord, file: Path) -> dict[str, Any]:
    """The parameters that a run was made with, but for those in which no run has a say.

    Args:
        record: Of the run.
        file: For messages.

    Raises:
        ArtifactError: If they are damaged.
    """
    settings = record.get("settings") or {}
    try:
        known = {name: value for name, value in settings.items() if name in DEFAULTS.keys() - NEVER_FROM_A_RUN}
        # Checked now, and what JSON has no words for is as it was given.
        checked = method_settings({**DEFAULTS, **known}).named()
        return {"method": method_name(record.method), **checked}
    except (SettingsError, AttributeError, KeyError, TypeError) as error:
        raise ArtifactError(f"the settings in {file} are damaged ({error}): train again or restore it") from None
