"""Names of weights in files, without the prefixes and spellings that differ between models of one architecture."""

# What the oldest files call the two parameters of a layer normalisation.
_OLD_ENDS = {".gamma": ".weight", ".beta": ".bias"}

# How MPNet calls the parts of an attention, and BERT.
_MPNET = {
    ".attention.attn.q.": ".attention.self.query.",
    ".attention.attn.k.": ".attention.self.key.",
    ".attention.attn.v.": ".attention.self.value.",
    ".attention.attn.o.": ".attention.output.dense.",
    ".attention.LayerNorm.": ".attention.output.LayerNorm.",
}


def bare_name(name: str) -> str:
    """A weight's name without the prefix that a model with a head adds, such as `bert.`."""
    for part in ("embeddings.", "encoder.layer.", "encoder.relative_attention_bias."):
        before, found, rest = name.partition(part)
        name = found + rest if found and before.endswith(".") else name
    for old, new in _OLD_ENDS.items():
        name = name.removesuffix(old) + (new if name.endswith(old) else "")
    return name


def bert_name(name: str) -> str:
    """BERT's name for a weight of MPNet; that of another model as it is.

    Args:
        name: As `bare_name` gives it.
    """
    for theirs, berts in _MPNET.items():
        name = name.replace(theirs, berts)
    return name
