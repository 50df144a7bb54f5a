"""The command `cache`: list or clear what is kept on disk for later runs."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trifold.cli.output import print_json, print_table, say_next
from trifold.cli.output import print_text as print
from trifold.formatting import counted, megabytes

if TYPE_CHECKING:
    from trifold.features.store_limits import StoredKind


def cache(*, clear: bool = False, json: bool = False) -> None:
    """List what is kept on disk for later runs (results of frozen backbones, tokenised text, models), or clear it.

    Args:
        clear: Remove everything that is kept.
        json: Print JSON instead.
    """
    from trifold.cache_folder import cache_folder, list_choices, list_graphs
    from trifold.features.store_limits import list_stores

    if clear:
        _clear(json=json)
        return
    from trifold.models.gguf.conversion import list_models
    from trifold.pretrain.corpus import list_texts

    stores, texts, graphs, choices = list_stores(), list_texts(), list_graphs(), list_choices()
    models = list_models()
    if json:
        print_json(
            {
                "folder": str(cache_folder()),
                "stores": [vars(store) for store in stores],
                "texts": [vars(text) for text in texts],
                "graphs": {"count": len(graphs), "size_bytes": _size_bytes(graphs)},
                "choices": {"count": len(choices), "size_bytes": _size_bytes(choices)},
                "models": [{"folder": str(one.path), "size_bytes": one.size_bytes} for one in models],
            }
        )
        return
    if not (stores or texts or graphs or choices or models):
        print(f"nothing is kept in {cache_folder()}")
        say_next("demo")
        return
    if stores:
        print_table([_table_row(store) for store in stores], left_aligned=3)
    for text in texts:
        held = f"{counted(text.documents, 'document')}, {text.tokens:,} tokens, {megabytes(text.size_bytes)}"
        print(f"tokenised text: {held}, last used {_date(text.used)}")
    for model in models:
        print(f"model in {model.path}: {megabytes(model.size_bytes)}, last used {_date(model.used)}")
    for what, files in {"graphs for ONNX Runtime": graphs, "heads and vectors chosen": choices}.items():
        if files:
            print(f"{what}: {len(files)}, {megabytes(_size_bytes(files))}, last used {_date(files[0].stat().st_mtime)}")
    sizes = [
        *(one.size_bytes for one in stores),
        *(one.size_bytes for one in texts),
        *(one.size_bytes for one in models),
    ]
    total = sum(sizes) + _size_bytes([*graphs, *choices])
    print(f"\n{megabytes(total)} in {cache_folder()}; trifold cache --clear frees it")
    say_next("cache", "--clear")


def _clear(*, json: bool) -> None:
    from trifold.cache_folder import cache_folder, clear

    freed = clear()
    if json:
        print_json({"folder": str(cache_folder()), "freed_bytes": freed})
    else:
        print(f"{megabytes(freed)} freed in {cache_folder()}")
        say_next("cache")


def _table_row(store: "StoredKind") -> dict[str, str]:
    layer = f", below layer {store.described['layer']}" if "layer" in store.described else ""
    return {
        "what": f"{store.described['what']}{layer}",
        "backbone": str(store.described.get("backbone", "")),
        "precision": str(store.described.get("precision", "")),
        "texts": f"{store.texts:,}",
        "size": megabytes(store.size_bytes),
        "last used": _date(store.used),
    }


def _size_bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _date(seconds: float) -> str:
    """Seconds since 1970 as local date and time."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
