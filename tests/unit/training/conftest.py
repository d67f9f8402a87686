"""A byte-level tokenizer and a corpus of made-up books, so that no test needs a download."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from infini_cli.tokenizers.protocol import StreamDecoder
from infini_cli.training.books import Book, make_book
from infini_cli.training.corpus import Corpus
from infini_cli.training.manifest import Role
from infini_cli.training.questions import PassageQuestion, PassageSet, save_passage_sets
from infini_cli.training.tasks.sample import Setting

OPEN, CLOSE = 256, 257


class ByteTokenizer:
    """One token per byte, and two markers for conversations."""

    vocab_size = 258
    bos_id = None
    eos_ids = frozenset({CLOSE})
    chat_template = "built in"
    fingerprint = "b" * 64

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def encode_chat(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> list[int]:
        ids: list[int] = []
        for message in messages:
            ids += [OPEN, *self.encode(f"{message['role']}\n{message['content']}"), CLOSE, *self.encode("\n")]
        return [*ids, OPEN, *self.encode("assistant\n")] if add_generation_prompt else ids

    def decode(self, ids: Iterable[int]) -> str:
        return bytes(token for token in ids if token < OPEN).decode(errors="replace")

    def stream_decoder(self) -> StreamDecoder:
        raise NotImplementedError

    def count(self, text: str) -> int:
        return len(text.encode())


def prose(seed: int, n_sentences: int, names: Sequence[str]) -> str:
    """Paragraphs of plain sentences, some of which name someone."""
    rng = Random(seed)
    words = "the old road ran down past a grey wall and over one small bridge into some quiet town".split()
    paragraphs = []
    for _ in range(n_sentences // 5):
        sentences = []
        for _ in range(5):
            drawn = [rng.choice(words) for _ in range(rng.randint(7, 14))]
            if rng.random() < 0.4:
                drawn[3] = rng.choice(names)
            sentences.append(" ".join(drawn).capitalize().replace(drawn[3].lower(), drawn[3]) + ".")
        paragraphs.append(" ".join(sentences))
    return "\n\n".join(paragraphs)


def passage_sets(role: Role) -> list[PassageSet]:
    """Articles with answerable and unanswerable questions."""
    sets = []
    for article in range(3):
        town = f"{role.capitalize()}town {article}"
        passages = tuple(
            f"In {town} there is street {number}. It was built by mason {number} of {role}."
            for number in range(4)
        )
        questions = [
            PassageQuestion(
                f"Who built street {number} of {town}?", (f"mason {number} of {role}", "a mason"), (number,)
            )
            for number in range(4)
        ]
        questions += [
            PassageQuestion(f"Who mayored {town} in year {number}?", (), (number,)) for number in range(4)
        ]
        sets.append(PassageSet(town, role, passages, tuple(questions)))
    return sets


def pairs(role: Role) -> list[PassageSet]:
    """Questions that need two passages each."""
    sets = []
    for number in range(4):
        passages = tuple(f"Title {place}: fact {place} of {role} {number}." for place in range(6))
        question = PassageQuestion(f"What joins facts of {role} {number}?", (f"answer {number}",), (1, 4))
        sets.append(PassageSet(f"{role}-{number}", role, passages, (question,)))
    return sets


@pytest.fixture(scope="session")
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture(scope="session")
def books(tokenizer: ByteTokenizer) -> tuple[Book, ...]:
    described: list[tuple[str, Role, int, Sequence[str]]] = [
        ("road", "train", 400, ("Brown", "Miller")),
        ("bridge", "train", 300, ("Harper", "Mason")),
        ("river", "heldout", 300, ("Quill", "Tanner")),
    ]
    return tuple(
        make_book(name, name.capitalize(), role, prose(seed, length, names), tokenizer)
        for seed, (name, role, length, names) in enumerate(described)
    )


@pytest.fixture(scope="session")
def corpus(books: tuple[Book, ...], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder: Path = tmp_path_factory.mktemp("questions")
    roles: tuple[Role, Role] = ("train", "heldout")
    for name, make in (("squad", passage_sets), ("hotpotqa", pairs)):
        save_passage_sets([each for role in roles for each in make(role)], folder / f"{name}.jsonl")
    leads = [
        PassageSet(
            f"Subject {role} {number}", role, (f"Subject {number} is known. It is {role}. It stays.",), ()
        )
        for role in roles
        for number in range(3)
    ]
    save_passage_sets(leads, folder / "leads.jsonl")
    return Corpus(books, {name: folder / f"{name}.jsonl" for name in ("squad", "hotpotqa", "leads")})


@pytest.fixture(scope="session")
def setting(corpus: Corpus, tokenizer: ByteTokenizer) -> Setting:
    return Setting(corpus, tokenizer, n_segments=4, segment_length=512)
