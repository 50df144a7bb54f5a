"""A model folder that brings code of its own, which leaves a file behind where it is run."""

from pathlib import Path

AUTO_MAP = {
    "AutoConfig": "own.OwnConfig",
    "AutoModel": "own.OwnModel",
    "AutoModelForSequenceClassification": "own.OwnForSequenceClassification",
}
_CODE = """
from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification, BertModel
Path(MARKER).touch()

class OwnConfig(BertConfig):
    model_type = "own"

class OwnModel(BertModel):
    config_class = OwnConfig

class OwnForSequenceClassification(BertForSequenceClassification):
    config_class = OwnConfig
"""


def add_own_code(folder: Path, marker: Path) -> None:
    """Put the code into a model's folder, where nothing names it yet; `marker` appears when it is run."""
    (folder / "own.py").write_text(_CODE.replace("MARKER", repr(str(marker))))
