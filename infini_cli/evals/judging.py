"""Whether an answer is right.

Sources: the first integer of an answer is how the pass key is scored (github.com/epfml/landmark-attention,
llama/run_test.py); words in common and normalised equality are SQuAD's official measures (arXiv 1806.03822).
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

Judge = Callable[[str, Sequence[str]], bool]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def first_integer(answer: str, accepted: Sequence[str]) -> bool:
    """Whether the first number in an answer is the accepted one."""
    found = re.search(r"\d+", answer)
    return found is not None and int(found[0]) in {int(each) for each in accepted}


def nothing_else(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an answer is an accepted one, apart from case, white space and a final full stop."""
    return _plain(answer) in {_plain(each) for each in accepted}


def contained(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an accepted answer occurs, as words of its own, in an answer."""
    return any(re.search(rf"(?<!\w){re.escape(_plain(each))}(?!\w)", answer.casefold()) for each in accepted)


def _plain(text: str) -> str:
    return " ".join(text.split()).removesuffix(".").casefold()


def normalise(text: str) -> str:
    """SQuAD's: small letters, no punctuation, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an answer is an accepted one after normalisation."""
    return normalise(answer) in {normalise(each) for each in accepted}


def token_f1(answer: str, accepted: Sequence[str]) -> float:
    """The best harmonic mean of precision and recall over words in common with an accepted answer."""
    return max(_f1(normalise(answer).split(), normalise(each).split()) for each in accepted)


def _f1(found: list[str], expected: list[str]) -> float:
    if not found or not expected:
        return float(found == expected)
    common = sum((Counter(found) & Counter(expected)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(found), common / len(expected)
    return 2 * precision * recall / (precision + recall)
