"""Every failure a user can meet: its exit code, a short kind for programs, and a hint at the next step.

InfiniError            1  bug
├── UsageError         2  usage         the command line, a setting or a name is wrong
├── DocumentError      3  document      a document cannot be read
│   └── LockedError    3  document      it is encrypted, and the password is missing or wrong
├── ModelError         4  model         a model, adapter or tokenizer cannot be loaded
├── SnapshotError      5  snapshot      a memory on disk is missing, damaged, of another model, or in use
│   └── DiskError      5  disk          there is no room, or no permission, to write
├── DeviceMemoryError  6  memory        host or device memory ran out
├── PartialReadError   7  partial       everything went well, but a part of a document was not read
├── NotFoundError      8  not-found     the document does not say (only with --fail-if-not-found)
└── Interrupted      130  interrupted   Ctrl-C or SIGTERM
"""


class InfiniError(Exception):
    """A failure in words for the user; only `main` prints it.

    Args:
        message: what went wrong, one sentence or a few lines, without a leading "error:".
        hint: what to do next, or None when there is nothing better to say.
    """

    exit_code = 1
    kind = "bug"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def describe(self) -> dict[str, str | int | None]:
        """The error for `--json`."""
        return {"code": self.exit_code, "kind": self.kind, "message": self.message, "hint": self.hint}


class UsageError(InfiniError):
    """The command line, a setting or a name given by the user is wrong."""

    exit_code = 2
    kind = "usage"


class DocumentError(InfiniError):
    """A document cannot be read: missing, empty, encrypted, truncated, binary, without text."""

    exit_code = 3
    kind = "document"


class LockedError(DocumentError):
    """A document is encrypted, and the password is missing or wrong."""


class ModelError(InfiniError):
    """A model, adapter or tokenizer cannot be found, fetched, verified or loaded."""

    exit_code = 4
    kind = "model"


class SnapshotError(InfiniError):
    """A memory on disk is missing, damaged, made by another model, or in use."""

    exit_code = 5
    kind = "snapshot"


class DiskError(SnapshotError):
    """There is no room, or no permission, to write a file."""

    kind = "disk"


class DeviceMemoryError(InfiniError):
    """Host or device memory ran out."""

    exit_code = 6
    kind = "memory"


class PartialReadError(InfiniError):
    """The work is done, but a part of a document was not read."""

    exit_code = 7
    kind = "partial"


class NotFoundError(InfiniError):
    """The document does not say what was asked."""

    exit_code = 8
    kind = "not-found"


class Interrupted(InfiniError):
    """The user stopped the command; what was read so far is saved."""

    exit_code = 130
    kind = "interrupted"
