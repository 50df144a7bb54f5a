"""Names of weights in files: without the prefixes and spellings that differ between models of one kind."""

# What the oldest files call the two numbers of a normalisation.
_OLD_ENDS = {".gamma": ".weight", ".beta": ".bias"}


def bare_name(name: str) -> str:
    """A weight's name without what a model with a head puts before it, such as `bert.`."""
    for part in ("embeddings.", "encoder.layer."):
        before, found, rest = name.partition(part)
        name = found + rest if found and before.endswith(".") else name
    for old, new in _OLD_ENDS.items():
        name = name.removesuffix(old) + (new if name.endswith(old) else "")
    return name
