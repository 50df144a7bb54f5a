"""Names of weights in files, without the prefixes and spellings that differ between models of one architecture."""

# What the oldest files call the two parameters of a layer normalisation.
_OLD_ENDS = {".gamma": ".weight", ".beta": ".bias"}


def bare_name(name: str) -> str:
    """A weight's name without the prefix that a model with a head adds, such as `bert.`."""
    for part in ("embeddings.", "encoder.layer."):
        before, found, rest = name.partition(part)
        name = found + rest if found and before.endswith(".") else name
    for old, new in _OLD_ENDS.items():
        name = name.removesuffix(old) + (new if name.endswith(old) else "")
    return name
