"""Short passages and questions over them, each collection split once and for all into train and held-out."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infini_cli.training.manifest import Role

SQUAD_TRAIN_ARTICLES = 24  # the first so many by title; the rest is evaluation
LEADS_HELDOUT_EVERY = 20


@dataclass(frozen=True, slots=True)
class PassageQuestion:
    """One question about one or more passages of a list."""

    question: str
    answers: tuple[str, ...]  # accepted answers, the best first; empty when the passages do not say
    needed: tuple[int, ...]  # indices of the passages that hold the answer


@dataclass(frozen=True, slots=True)
class PassageSet:
    """Passages that belong together (the paragraphs of an article, or what came with a question)."""

    title: str
    role: Role
    passages: tuple[str, ...]
    questions: tuple[PassageQuestion, ...]


def _best_first(answers: list[str]) -> tuple[str, ...]:
    """Distinct answers: the most often given first, and of equals the shortest."""
    counts = Counter(answers)
    return tuple(sorted(counts, key=lambda answer: (-counts[answer], len(answer), answer)))


def read_squad(content: bytes) -> list[PassageSet]:
    """One set per article."""
    articles = sorted(json.loads(content)["data"], key=lambda article: article["title"])
    sets = []
    for place, article in enumerate(articles):
        questions = []
        for index, paragraph in enumerate(article["paragraphs"]):
            for entry in paragraph["qas"]:
                given = [answer["text"].strip() for answer in entry["answers"]]
                answers = () if entry["is_impossible"] else _best_first(given)
                if answers or entry["is_impossible"]:
                    questions.append(PassageQuestion(entry["question"].strip(), answers, (index,)))
        sets.append(
            PassageSet(
                title=article["title"].replace("_", " "),
                role="train" if place < SQUAD_TRAIN_ARTICLES else "heldout",
                passages=tuple(paragraph["context"].strip() for paragraph in article["paragraphs"]),
                questions=tuple(questions),
            )
        )
    return sets


def read_hotpotqa(content: bytes) -> list[PassageSet]:
    """One set per question: its ten paragraphs under their titles; the first half by id is for training."""
    entries = sorted(json.loads(content), key=lambda entry: entry["_id"])
    sets = []
    for place, entry in enumerate(entries):
        titles = [title for title, _ in entry["context"]]
        supporting = {title for title, _ in entry["supporting_facts"]}
        needed = tuple(index for index, title in enumerate(titles) if title in supporting)
        sets.append(
            PassageSet(
                title=entry["_id"],
                role="train" if place < len(entries) // 2 else "heldout",
                passages=tuple(
                    f"{title}: {''.join(sentences).strip()}" for title, sentences in entry["context"]
                ),
                questions=(PassageQuestion(entry["question"].strip(), (entry["answer"].strip(),), needed),),
            )
        )
    return sets


def read_leads(content: bytes) -> list[PassageSet]:
    """One set per encyclopedia article: its title and its first paragraph, without questions."""
    leads = sorted((title, " ".join(lead["extract"].split())) for title, lead in json.loads(content).items())
    kept = [(title, extract) for title, extract in leads if extract]
    return [
        PassageSet(title, "heldout" if place % LEADS_HELDOUT_EVERY == 0 else "train", (extract,), ())
        for place, (title, extract) in enumerate(kept)
    ]


QUESTION_READERS: dict[str, Callable[[bytes], list[PassageSet]]] = {
    "squad": read_squad,
    "hotpotqa": read_hotpotqa,
    "leads": read_leads,
}


def save_passage_sets(sets: list[PassageSet], path: Path) -> None:
    """Write the sets as JSON lines, through a temporary name."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        for each in sets:
            stream.write(json.dumps(asdict(each), ensure_ascii=False) + "\n")
    temporary.replace(path)


def load_passage_sets(path: Path) -> list[PassageSet]:
    """Read what `save_passage_sets` wrote."""

    def question(table: dict[str, Any]) -> PassageQuestion:
        return PassageQuestion(table["question"], tuple(table["answers"]), tuple(table["needed"]))

    sets = []
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            table = json.loads(line)
            questions = tuple(question(each) for each in table["questions"])
            sets.append(PassageSet(table["title"], table["role"], tuple(table["passages"]), questions))
    return sets
