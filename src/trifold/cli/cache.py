"""The verb on what is kept on disk: `cache`."""

from datetime import datetime

from trifold.cli.output import print_json, print_table


def cache(*, clear: bool = False, json: bool = False) -> None:
    """Show what is kept on disk (what frozen backbones computed, tokenised text, graphs), or clear it.

    Args:
        clear: Remove all of it.
        json: Print JSON instead.
    """
    from trifold.backbone.cache import cache_folder, list_graphs, list_stores
    from trifold.backbone.cache import clear as clear_all
    from trifold.evaluate.leaderboard import megabytes

    if clear:
        freed = clear_all()
        if json:
            print_json({"folder": str(cache_folder()), "freed_bytes": freed})
        else:
            print(f"{megabytes(freed)} freed in {cache_folder()}")
        return
    from trifold.pretrain.corpus import list_texts

    stores, texts, graphs = list_stores(), list_texts(), list_graphs()
    graph_bytes = sum(graph.stat().st_size for graph in graphs)
    if json:
        shown = {"stores": [vars(store) for store in stores], "texts": [vars(text) for text in texts]}
        print_json(
            {"folder": str(cache_folder()), **shown, "graphs": {"count": len(graphs), "size_bytes": graph_bytes}}
        )
        return
    if not stores and not texts and not graphs:
        print(f"nothing is kept in {cache_folder()}")
        return
    rows = []
    for store in stores:
        layer = f", below layer {store.described['layer']}" if "layer" in store.described else ""
        rows.append(
            {
                "what": f"{store.described['what']}{layer}",
                "backbone": str(store.described["backbone"]),
                "precision": str(store.described["precision"]),
                "texts": f"{store.texts:,}",
                "size": megabytes(store.size_bytes),
                "last used": _when(store.used),
            }
        )
    if rows:
        print_table(rows, left_aligned=3)
    for text in texts:
        held = f"{text.documents:,} documents, {text.tokens:,} tokens, {megabytes(text.size_bytes)}"
        print(f"tokenised text: {held}, last used {_when(text.used)}")
    if graphs:
        used = _when(graphs[0].stat().st_mtime)
        print(f"graphs for ONNX Runtime: {len(graphs)}, {megabytes(graph_bytes)}, last used {used}")
    total = sum(store.size_bytes for store in stores) + sum(text.size_bytes for text in texts) + graph_bytes
    print(f"\n{megabytes(total)} in {cache_folder()}; trifold cache --clear frees it")


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
