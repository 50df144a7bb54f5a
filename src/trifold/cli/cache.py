"""The verb on what is kept on disk: `cache`."""

from datetime import datetime

from trifold.cli.output import print_json, print_table


def cache(*, clear: bool = False, json: bool = False) -> None:
    """Show what frozen backbones computed and was kept, or clear it.

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
    stores = list_stores()
    if json:
        print_json({"folder": str(cache_folder()), "stores": [vars(store) for store in stores]})
        return
    if not stores:
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
    print_table(rows, left_aligned=3)
    print(
        f"\n{megabytes(sum(store.size_bytes for store in stores))} in {cache_folder()}; trifold cache --clear frees it"
    )
