"""What a memory's snapshot says about itself: the documents read, how far, by which model."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infini_cli.documents.model import RUNNING_LINES
from infini_cli.errors import SnapshotError

# a count, which SQLite and everything else can hold
Count = Annotated[int, Field(ge=0, lt=2**63)]
MAX_SEGMENT_LENGTH = 2**20  # tokens


class Record(BaseModel):
    """Checked when made from a file's metadata; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


class SkippedPage(Record):
    """A page of which nothing was read."""

    page: Count  # place in the file, from 1
    reason: str
    fault: bool  # False: there was nothing on it to read


class DocumentRecord(Record):
    """How much of one document was read."""

    path: str  # as given by the user, "-" for standard input
    content_hash: str  # SHA-256 of the file
    format: str
    parsers: list[str] = Field(default_factory=list)  # of a PDF; the others read what the first could not
    pages_total: Count | None = None
    pages_read: Count = 0
    pages_skipped: list[SkippedPage] = Field(default_factory=list)
    characters: Count = 0  # extracted
    characters_in_passages: Count = 0  # of these; each of the others is in `dropped`
    dropped: dict[str, Count] = Field(default_factory=dict)  # characters that are in no passage, by rule
    lines_dropped: Count = 0  # running headers, footers and page numbers
    tokens: Count = 0
    segments: Count = 0
    complete: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_earlier_versions(cls, values: Any) -> Any:
        """Accounts that had one rule besides white space, which they did not tell from passages."""
        if isinstance(values, dict) and "characters_dropped" in values:
            values = dict(values)
            left_out, characters = values.pop("characters_dropped"), values.get("characters", 0)
            if not (type(left_out) is type(characters) is int):
                raise ValueError("characters are counted in whole numbers")
            values["dropped"] = {RUNNING_LINES: left_out} if left_out else {}
            values["characters_in_passages"] = characters - left_out
        return values

    @property
    def unaccounted(self) -> int:
        """Characters that are neither in passages nor left out by a rule; any would be a fault of ours."""
        return self.characters - self.characters_in_passages - sum(self.dropped.values())

    @property
    def faults(self) -> list[SkippedPage]:
        """The pages that should have been read but were not."""
        return [page for page in self.pages_skipped if page.fault]

    @property
    def next_page(self) -> int:
        """The first page that was neither read nor skipped."""
        return self.pages_read + len(self.pages_skipped) + 1

    def coverage(self) -> dict[str, Any]:
        """The account of this document in the results of commands (`--json`)."""
        return {
            "path": self.path,
            "format": self.format,
            "pages_total": self.pages_total,
            "pages_read": self.pages_read,
            "pages_skipped": [{"page": page.page, "reason": page.reason} for page in self.pages_skipped],
            "characters": self.characters,
            "characters_in_passages": self.characters_in_passages,
            "dropped": dict(self.dropped),
            "tokens": self.tokens,
        }


class FailedDocument(Record):
    """A document that was to be read, but of which nothing could be."""

    path: str
    content_hash: str
    reason: str


class MemoryRecord(Record):
    """One memory: all that is known of it but its numbers and passages."""

    created: str  # ISO 8601, UTC
    updated: str
    program: str  # version of infini that wrote it last
    model: str  # name or path, as given
    fingerprints: dict[str, str]  # of model, adapter, tokenizer and memory form
    segment_length: Annotated[int, Field(ge=1, le=MAX_SEGMENT_LENGTH)]  # tokens
    device: str
    dtype: str
    documents: list[DocumentRecord] = Field(default_factory=list)
    failed: list[FailedDocument] = Field(default_factory=list)
    tokens: Count = 0
    segments: Count = 0
    passages: Count = 0
    sections: Count = 0
    conversation_tokens: Count = 0  # of conversations read into it; no passage holds them
    memory_bytes: Count = 0  # of the matrices and norms
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0  # spent reading
    complete: bool = False  # False: a read was interrupted
    # digests from format version 2 on
    rows_digest: str | None = None  # of the documents, sections and passages that belong to this snapshot
    passages_sha256: str | None = None  # of the file of passages, once all was read


def parse_record(values: Mapping[str, Any], source: str) -> MemoryRecord:
    """The record in a snapshot's metadata. Raises SnapshotError when it is not one."""
    try:
        return MemoryRecord.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SnapshotError(
            f"{source} does not describe a memory: {place}: {first['msg']}",
            hint="upgrade infini, or read the documents anew with --force",
        ) from None
