"""A program for the soak: load a run folder as `TextClassifier` does, and label two texts with it."""

import json
import sys

from trifold import TextClassifier
from trifold.errors import TrifoldError

try:
    classifier = TextClassifier.load(sys.argv[1], device="cpu")
    found = classifier.predict(["a superb film", "the plot is dull"])
    sys.stdout.write(json.dumps([str(label) for label in found]) + "\n")
except TrifoldError as error:
    sys.stderr.write(f"trifold: {error}\n")
    sys.exit(error.exit_code)
