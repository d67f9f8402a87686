"""Books that are encrypted for one reader's devices, told from those that only obfuscate their fonts."""

from infini_cli.documents.xml_parts import attribute, descendants, parse_xml, resolve
from infini_cli.documents.zip_archive import MemberError, ZipArchive
from infini_cli.errors import DocumentError

_LIMIT_BYTES = 16 << 20
_FONT_OBFUSCATION = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
# The file in which a scheme keeps its licence, and whose scheme it is.
_LICENCES = (
    ("META-INF/license.lcpl", "Readium LCP"),
    ("META-INF/sinf.xml", "Apple FairPlay"),
    ("META-INF/rights.xml", "rights management such as Adobe's"),
)
_CONTENT_SUFFIXES = (".xhtml", ".html", ".htm", ".xml", ".opf", ".ncx")


def refuse_protected(archive: ZipArchive, name: str) -> None:
    """Raise DocumentError when the text of a book is encrypted, or is under rights management."""
    scheme = next((scheme for member, scheme in _LICENCES if archive.find(member)), None)
    if scheme is not None or _has_encrypted_text(archive):
        raise DocumentError(
            f"{name} is protected by DRM ({scheme or 'its text is encrypted'}) and cannot be read",
            hint="get a copy without DRM from the publisher or shop",
        )


def _has_encrypted_text(archive: ZipArchive) -> bool:
    member = archive.find("META-INF/encryption.xml")
    if member is None:
        return False
    try:
        root = parse_xml(archive.read(member, _LIMIT_BYTES))
    except (MemberError, ValueError):
        return False  # chapters that cannot be read for it will say so
    for data in descendants(root, "EncryptedData"):
        methods = {attribute(method, "Algorithm") for method in descendants(data, "EncryptionMethod")}
        if methods and methods <= _FONT_OBFUSCATION:
            continue
        for reference in descendants(data, "CipherReference"):
            target, _ = resolve("", attribute(reference, "URI") or "")
            if target.lower().endswith(_CONTENT_SUFFIXES):
                return True
    return False
