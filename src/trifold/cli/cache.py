"""The verb on what is kept on disk: `cache`."""

from datetime import datetime

from trifold.cli.output import print_json, print_table


def cache(*, clear: bool = False, json: bool = False) -> None:
    """Show what is kept on disk, of what frozen backbones computed and of tokenised text, or clear it.

    Args:
        clear: Remove all of it.
        json: Print JSON instead.
    """
    from trifold.backbone.cache import cache_folder, list_stores
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

    stores, texts = list_stores(), list_texts()
    if json:
        shown = {"stores": [vars(store) for store in stores], "texts": [vars(text) for text in texts]}
        print_json({"folder": str(cache_folder()), **shown})
        return
    if not stores and not texts:
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
                "last used": f"{datetime.fromtimestamp(store.used):%Y-%m-%d %H:%M}",
            }
        )
    if rows:
        print_table(rows, left_aligned=3)
    for text in texts:
        size, used = megabytes(text.size_bytes), f"{datetime.fromtimestamp(text.used):%Y-%m-%d %H:%M}"
        print(f"tokenised text: {text.documents:,} documents, {text.tokens:,} tokens, {size}, last used {used}")
    total = sum(store.size_bytes for store in stores) + sum(text.size_bytes for text in texts)
    print(f"\n{megabytes(total)} in {cache_folder()}; trifold cache --clear frees it")
