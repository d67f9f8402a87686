"""Memories cut into parts."""

import itertools
from pathlib import Path

import pytest

from infini_cli.answering.parts import Part, cut_into_parts
from infini_cli.reading.memory import OpenMemory
from tests.unit.answering.fakes import FILLER, Said, make_memory
from tests.unit.answering.test_listings import CONTENTS

PAGE = " ".join(FILLER[:10])  # 140 words


def parts_of(path: Path, passages: list[Said], limit: int) -> tuple[list[Part], OpenMemory]:
    path.mkdir(exist_ok=True)
    memory = make_memory(path / "passages.sqlite", passages)
    return cut_into_parts(memory.passages, limit), memory


def chapters(sizes: list[int], *, level: int = 1) -> list[Said]:
    return [Said(PAGE, f"Chapter {n}", level) for n, size in enumerate(sizes, start=1) for _ in range(size)]


def assert_whole(parts: list[Part], first: int, last: int) -> None:
    """Parts follow each other without a gap."""
    assert parts[0].first == first
    assert parts[-1].last == last
    assert all(one.last + 1 == other.first for one, other in itertools.pairwise(parts))


def test_chapters_are_parts(tmp_path: Path) -> None:
    parts, _ = parts_of(tmp_path, chapters([4, 5, 6, 5]), 12)
    assert [part.title for part in parts] == ["Chapter 1", "Chapter 2", "Chapter 3", "Chapter 4"]
    assert_whole(parts, 1, 20)


def test_too_many_chapters_are_joined_with_their_neighbours(tmp_path: Path) -> None:
    parts, _ = parts_of(tmp_path, chapters([2] * 30), 6)
    assert len(parts) <= 6
    assert_whole(parts, 1, 60)
    assert parts[0].title == f"Chapter 1 – {parts[0].titles[-1]}"
    assert max(part.tokens for part in parts) <= 3 * min(part.tokens for part in parts)


def test_a_single_top_level_gives_way_to_the_level_below(tmp_path: Path) -> None:
    passages = [Said(PAGE, "The whole book", 1), *chapters([6, 6, 6], level=2)]
    parts, _ = parts_of(tmp_path, passages, 12)
    assert [part.title for part in parts] == ["The whole book – Chapter 1", "Chapter 2", "Chapter 3"]
    assert_whole(parts, 1, 19)


def test_a_very_large_chapter_is_cut(tmp_path: Path) -> None:
    parts, _ = parts_of(tmp_path, chapters([3, 30, 3, 3]), 8)
    assert [part.title for part in parts if part.title and part.title.startswith("Chapter 2")][:2] == [
        "Chapter 2 (1)",
        "Chapter 2 (2)",
    ]
    assert len(parts) <= 8
    assert_whole(parts, 1, 39)


def test_without_an_outline_the_parts_are_equal(tmp_path: Path) -> None:
    parts, _ = parts_of(tmp_path, [Said(PAGE)] * 40, 5)
    assert len(parts) == 5
    assert {part.title for part in parts} == {None}
    assert_whole(parts, 1, 40)
    assert {part.last - part.first for part in parts} <= {7, 8}


def test_a_short_text_is_one_part(tmp_path: Path) -> None:
    parts, _ = parts_of(tmp_path, [Said(PAGE)], 12)
    assert [(part.first, part.last) for part in parts] == [(1, 1)]


def test_contents_and_index_are_not_summarized(tmp_path: Path) -> None:
    passages = [Said(CONTENTS, "Contents")] * 3 + chapters([5, 5, 5]) + [Said(CONTENTS, "Index")] * 9
    parts, _ = parts_of(tmp_path, passages, 12)
    assert [part.title for part in parts] == ["Chapter 1", "Chapter 2", "Chapter 3"]


@pytest.mark.parametrize("limit", [1, 4, 12])
def test_every_document_has_its_parts_in_order(tmp_path: Path, limit: int) -> None:
    passages = chapters([4, 4, 4]) + [Said(PAGE, document=2)] * 12
    parts, _ = parts_of(tmp_path, passages, limit)
    assert [part.document_id for part in parts] == sorted(part.document_id for part in parts)
    assert {part.document_id for part in parts} == {1, 2}
    assert_whole(parts, 1, 24)


def test_an_empty_memory_has_no_parts(tmp_path: Path) -> None:
    assert parts_of(tmp_path, [], 12)[0] == []


def test_the_level_with_about_as_many_sections_as_parts_is_taken(tmp_path: Path) -> None:
    passages = [
        Said(PAGE, f"Part {part}" if passage == 0 else f"Chapter {part}.{passage}", 1 if passage == 0 else 2)
        for part in range(1, 4)
        for passage in range(5)
    ]
    assert len(parts_of(tmp_path, passages, 3)[0]) == 3
    fine, _ = parts_of(tmp_path / "fine", passages, 16)
    assert [part.title for part in fine][:3] == ["Part 1", "Chapter 1.1", "Chapter 1.2"]
