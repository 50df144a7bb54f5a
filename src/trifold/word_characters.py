"""Which characters words consist of, for regular expressions, whose own class of letters and digits lacks marks."""

# For the inside of [...]. Scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese; with
# their marks and signs.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Likewise. Parts of words of the other scripts that Python's \w leaves out: accents, points and vowel signs.
MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u0dff\u0f18\u0f19\u0f35\u0f37\u0f39"
    "\u0f3e\u0f3f\u0f71-\u0f84\u0f86\u0f87\u0f8d-\u0fbc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
)
# A character of a script without spaces, with the marks upon it.
UNSPACED_CHARACTER = rf"(?=\w)[{UNSPACED}](?:(?!\w)[{UNSPACED}])*"
# A run of letters, digits and marks of the other scripts.
SPACED_RUN = rf"(?:[^\W_{UNSPACED}]++|[{MARKS}]++)++"
