"""Blocks cut into stretches: nothing lost, headings with their text, evenly long."""

from hypothesis import given
from hypothesis import strategies as st

from infini_cli.documents.blocks import Block, stretches, with_own_headings

TEXTS = st.sampled_from(
    ["word", "a longer paragraph. " * 30, "line\nline", "x" * 2_500, "words " * 2_000, "名前" * 4_500]
)
BLOCKS = st.builds(
    Block,
    text=TEXTS.map(str.strip),
    level=st.sampled_from([None, None, None, 1, 2]),
    tight=st.booleans(),
)


@given(blocks=st.lists(BLOCKS, max_size=40))
def test_nothing_is_lost_and_headings_begin_where_they_stand(blocks: list[Block]) -> None:
    found = list(stretches(with_own_headings(blocks)))
    assert "".join("".join(s.text.split()) for s in found) == "".join("".join(b.text.split()) for b in blocks)
    headings = [heading for stretch in found for heading in stretch.headings]
    assert [h.title for h in headings] == [
        b.text.replace("\n", " ") for b in blocks if b.level and len(b.text) <= 200
    ]
    for stretch in found:
        assert stretch.text.strip()
        for heading in stretch.headings:
            assert " ".join(stretch.text[heading.offset :].split()).startswith(heading.title)


@given(blocks=st.lists(BLOCKS, max_size=40))
def test_stretches_have_the_length_of_a_page(blocks: list[Block]) -> None:
    found = list(stretches(blocks))
    assert all(len(stretch.text) <= 8_300 for stretch in found)
    total = sum(len(stretch.text) for stretch in found)
    assert len(found) <= total / 1_000 + 1


def test_a_heading_stays_with_its_text() -> None:
    blocks = [Block("word " * 590), Block("Title", 1), Block("Subtitle", 2), Block("word " * 500)]
    one, two = stretches(with_own_headings(blocks))
    assert one.text.strip() == blocks[0].text.strip()
    assert two.text.startswith("Title\n\nSubtitle\n\nword")
    assert [heading.title for heading in two.headings] == ["Title", "Subtitle"]
