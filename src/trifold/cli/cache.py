"""The verb on what is kept on disk: `cache`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trifold.cli.output import print_json, print_table
from trifold.cli.output import print_text as print
from trifold.formatting import counted

if TYPE_CHECKING:
    from trifold.features.store_limits import StoredKind


def cache(*, clear: bool = False, json: bool = False) -> None:
    """Show what is kept on disk (what frozen backbones computed, tokenised text, graphs, choices), or clear it.

    Args:
        clear: Remove all of it.
        json: Print JSON instead.
    """
    from trifold.cache_folder import cache_folder, list_choices, list_graphs
    from trifold.cache_folder import clear as clear_all
    from trifold.evaluate.leaderboard import megabytes
    from trifold.features.store_limits import list_stores

    if clear:
        freed = clear_all()
        if json:
            print_json({"folder": str(cache_folder()), "freed_bytes": freed})
        else:
            print(f"{megabytes(freed)} freed in {cache_folder()}")
        return
    from trifold.pretrain.corpus import list_texts

    stores, texts, graphs = list_stores(), list_texts(), list_graphs()
    kept = {"graphs": graphs, "choices": list_choices()}
    if json:
        shown: dict[str, object] = {
            "stores": [vars(store) for store in stores],
            "texts": [vars(text) for text in texts],
            **{what: {"count": len(files), "size_bytes": _bytes(files)} for what, files in kept.items()},
        }
        print_json({"folder": str(cache_folder()), **shown})
        return
    if not stores and not texts and not any(kept.values()):
        print(f"nothing is kept in {cache_folder()}")
        return
    if stores:
        print_table([_in_words(store) for store in stores], left_aligned=3)
    for text in texts:
        held = f"{counted(text.documents, 'document')}, {text.tokens:,} tokens, {megabytes(text.size_bytes)}"
        print(f"tokenised text: {held}, last used {_when(text.used)}")
    for what, files in {"graphs for ONNX Runtime": graphs, "heads and vectors chosen": kept["choices"]}.items():
        if files:
            print(f"{what}: {len(files)}, {megabytes(_bytes(files))}, last used {_when(files[0].stat().st_mtime)}")
    sizes = [
        *(store.size_bytes for store in stores),
        *(text.size_bytes for text in texts),
        *map(_bytes, kept.values()),
    ]
    print(f"\n{megabytes(sum(sizes))} in {cache_folder()}; trifold cache --clear frees it")


def _in_words(store: "StoredKind") -> dict[str, str]:
    from trifold.evaluate.leaderboard import megabytes

    layer = f", below layer {store.described['layer']}" if "layer" in store.described else ""
    return {
        "what": f"{store.described['what']}{layer}",
        "backbone": str(store.described.get("backbone", "")),
        "precision": str(store.described.get("precision", "")),
        "texts": f"{store.texts:,}",
        "size": megabytes(store.size_bytes),
        "last used": _when(store.used),
    }


def _bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
