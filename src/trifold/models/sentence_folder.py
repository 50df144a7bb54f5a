"""What sentence-transformers wants to find beside an encoder: how its tokens become one vector of length 1."""

import json
from pathlib import Path

import numpy as np

_KINDS = "sentence_transformers.models."


def write_modules(folder: Path, width: int, max_length: int, projection: np.ndarray | None = None) -> None:
    """Make a folder of transformers one of sentence-transformers, with the mean of the tokens as a text's vector.

    Args:
        folder: Holds the encoder and its tokenizer.
        width: Numbers of a vector.
        max_length: Tokens of a text that are read.
        projection: `(width, out)` that vectors are multiplied by, if they are.
    """
    kinds = ["Transformer", "Pooling", *([] if projection is None else ["Dense"]), "Normalize"]
    paths = ["" if not i else f"{i}_{kind}" for i, kind in enumerate(kinds)]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": _KINDS + kind}
        for i, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    _write(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})
    for path in paths[1:]:
        (folder / path).mkdir()
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    _write(folder / paths[1] / "config.json", pooling)
    if projection is not None:
        from safetensors.numpy import save_file

        width, out = projection.shape
        identity = "torch.nn.modules.linear.Identity"
        described = {"in_features": width, "out_features": out, "bias": False, "activation_function": identity}
        _write(folder / paths[2] / "config.json", described)
        save_file(
            {"linear.weight": np.ascontiguousarray(projection.T, dtype=np.float32)},
            folder / paths[2] / "model.safetensors",
        )


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
