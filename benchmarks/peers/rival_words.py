"""TF-IDF and logistic regression by scikit-learn, C chosen on the validation rows.

python benchmarks/peers/rival_words.py ROWS MODEL ANSWERS.json
"""

import json
import sys
from pathlib import Path

import rival_rows
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

parts = {part: rival_rows.read(sys.argv[1], part) for part in ("train", "validation", "test")}
vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
train = vectorizer.fit_transform(parts["train"][0])
validation, test = (vectorizer.transform(parts[part][0]) for part in ("validation", "test"))
heads = [LogisticRegression(C=c, max_iter=1000).fit(train, parts["train"][1]) for c in (1, 10, 100)]
best = max(heads, key=lambda head: head.score(validation, parts["validation"][1]))
Path(sys.argv[3]).write_text(json.dumps({"words": best.predict(test).tolist()}))
print(json.dumps({"chose": f"C={best.C}", "rival": f"scikit-learn {sklearn.__version__}"}))
