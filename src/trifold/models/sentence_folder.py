"""Write what sentence-transformers wants to find beside an encoder: how its tokens become one vector."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from trifold.models.sentence_modules import MODEL_CONFIG, MODULES, POOLING_NAMES, SentenceModules
from trifold.models.vector_steps import DENSE_CONFIG, Dense, Normalize, Truncate

# By the names that all versions of sentence-transformers know.
_TYPES = "sentence_transformers.models."
_FLAGS = {"first": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "max": "pooling_mode_max_tokens"}


def write_modules(folder: Path, modules: SentenceModules, width: int) -> None:
    """Make a folder of transformers one of sentence-transformers.

    Args:
        folder: Holds the encoder and its tokenizer.
        modules: What becomes of the encoder's states.
        width: Numbers of one state.
    """
    reading = {"max_seq_length": modules.max_length, "do_lower_case": modules.lower_case}
    _write_json(folder / "sentence_bert_config.json", reading)
    listed = [("", "Transformer"), ("1_Pooling", "Pooling")]
    pooling: dict[str, object] = {
        "word_embedding_dimension": width,
        **{flag: how in modules.poolings for how, flag in _FLAGS.items()},
    }
    if len(modules.poolings) > 1:
        # Several are joined in the order of this list, which the flags do not tell.
        names = {ours: theirs for theirs, ours in POOLING_NAMES.items()}
        pooling = {"embedding_dimension": width, "pooling_mode": [names[how] for how in modules.poolings]}
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    before = len(modules.poolings) * width
    for number, step in enumerate(modules.steps, start=2):
        kind = "Normalize" if isinstance(step, Normalize) else "Dense"
        place = f"{number}_{kind}"
        (folder / place).mkdir()
        listed.append((place, kind))
        if isinstance(step, Truncate | Dense):
            _write_dense(folder / place, step.as_dense(before) if isinstance(step, Truncate) else step)
        before = step.width(before)
    named = [
        {"idx": number, "name": str(number), "path": path, "type": _TYPES + kind}
        for number, (path, kind) in enumerate(listed)
    ]
    _write_json(folder / MODULES, named)
    model = {
        "prompts": dict(modules.prompts),
        "default_prompt_name": modules.default_prompt,
        "similarity_fn_name": modules.similarity,
    }
    _write_json(folder / MODEL_CONFIG, model)


def _write_dense(folder: Path, dense: Dense) -> None:
    bias = {} if dense.bias is None else {"linear.bias": dense.bias}
    save_file(
        {"linear.weight": np.ascontiguousarray(dense.weight, dtype=np.float32), **bias}, folder / "model.safetensors"
    )
    kinds = {"Identity": "linear"}
    config = {
        "in_features": dense.weight.shape[1],
        "out_features": dense.weight.shape[0],
        "bias": dense.bias is not None,
        "activation_function": f"torch.nn.modules.{kinds.get(dense.activation, 'activation')}.{dense.activation}",
    }
    _write_json(folder / DENSE_CONFIG, config)


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
