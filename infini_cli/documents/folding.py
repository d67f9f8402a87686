"""Letters and digits alone: what is left of a title however it was typeset."""

import unicodedata


def fold_letters(text: str) -> str:
    """The letters and digits of `text`, without case, ligatures, blanks and punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
