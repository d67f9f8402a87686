"""Words of texts as the passage index sees them: the same folding and stemming, by the same SQLite tokenizer."""

import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence

from infini_cli.reading.passages import TOKENIZE

# What a question or sentence is held together by, not about. English, as the stemmer of the index is.
STOP_WORDS = frozenset(
    """a about above after again against all also am an and any are aren as at be because been before being below
    between both but by can cannot could couldn did didn do does doesn doing don done down during each either else
    ever every few for from further get gets give given gives go goes had hadn has hasn have haven having he her here
    hers herself him himself his how however i if in into is isn it its itself just let ll m many may me might more
    most much must my myself no nor not now of off on once one only onto or other our ours ourselves out over own
    please re s same shall she should shouldn since so some still such t than that the their theirs them themselves
    then there these they this those though through thus to too under until up upon us ve very was wasn way we were
    weren what whatever when where whether which while who whom whose why will with within without won would wouldn
    yet you your yours yourself""".split()
)
# Words by which people ask, which say little about where the answer stands.
ASKING_WORDS = frozenset(
    """answer according chapter defined describe described describes difference exactly explain explained explains find
    happen happened happens know list mean meaning means mention mentioned mentions name part passage purpose reason
    role say says section state stated states summarize summary tell text title told used""".split()
)
# The document itself; a question of nothing but these and asking words is about all of it.
DOCUMENT_WORDS = frozenset(
    """article author authors book document documents essay file guide handbook manual memory novel paper report story
    text wrote written""".split()
)

_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010][ \t]*\r?\n[ \t]*(?=[a-z])")
_TOKEN = re.compile(r"[^\W_]+")
_local = threading.local()


def mend(text: str) -> str:
    """Join words that a line end has cut in two ("config-" / "uration"), and drop soft hyphens."""
    return _HYPHENATED.sub("", text).replace("\u00ad", "")


def tokens(text: str) -> list[str]:
    """The runs of letters and digits of `text`, in order, as written."""
    return _TOKEN.findall(text)


def token_spans(text: str) -> list[tuple[int, int]]:
    """Where the runs of letters and digits of `text` start and end."""
    return [match.span() for match in _TOKEN.finditer(text)]


def stem_all(texts: Sequence[str]) -> list[list[str]]:
    """Stems of the words of each text, in order, exactly as the passage index makes them.

    An in-memory FTS5 table does the work and its vocabulary gives the words back with their places, so that
    scores computed here and matches found in the index can never disagree about what a word is.
    """
    connection = _connection()
    connection.execute("DELETE FROM words")
    connection.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", enumerate(texts))
    rows = connection.execute('SELECT doc, "offset", term FROM places').fetchall()
    rows.sort()
    stems: list[list[str]] = [[] for _ in texts]
    for number, _, term in rows:
        stems[number].append(term)
    return stems


def stem(text: str) -> list[str]:
    """Stems of the words of one text, in order."""
    return stem_all([text])[0]


def content_stems(texts: Iterable[str]) -> list[set[str]]:
    """For each text, the stems of its words that carry meaning: no stop words, no single letters."""
    kept = [" ".join(word for word in tokens(mend(text)) if is_content(word)) for text in texts]
    return [set(stems) for stems in stem_all(kept)]


def is_content(word: str) -> bool:
    """Whether a word carries meaning by itself; a single letter does so only in scripts without capitals."""
    if len(word) == 1:
        return word.isdigit() or (word.isalpha() and word.lower() == word.upper())
    return word.lower() not in STOP_WORDS


def _connection() -> sqlite3.Connection:
    # One per thread: SQLite connections stay with the thread that made them.
    connection: sqlite3.Connection | None = getattr(_local, "connection", None)
    if connection is None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute(f"CREATE VIRTUAL TABLE words USING fts5(text, tokenize='{TOKENIZE}')")
        connection.execute("CREATE VIRTUAL TABLE places USING fts5vocab(words, 'instance')")
        _local.connection = connection
    return connection
