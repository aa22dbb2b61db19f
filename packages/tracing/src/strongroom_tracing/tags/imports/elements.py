"""Large XML as a stream: functions for the few elements that matter; entities and DTDs are refused (defusedxml)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports.reading import opened

XML_BYTES_MAX: Final = 2 << 30  # unpacked, so that no bomb of bzip2 costs more; OFAC's list has 121 MB in 2025
_CHUNK: Final = 1 << 20


class Elements(ContentHandler):
    """Calls ``starts[name](attributes)``, which answers whether it wants the text, and ``ends[name](text)``."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: dict[str, Callable[[AttributesImpl], bool]] = {}
        self.ends: dict[str, Callable[[str], None]] = {}
        self.line: Callable[[], int] = int  # of the file, where the reader stands
        self._text: list[str] | None = None

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 -- SAX's own name
        """Ask what begins whether its text is wanted."""
        begin = self.starts.get(name)
        if begin is not None:
            self._text = [] if begin(attrs) else None

    def characters(self, content: str) -> None:
        """Keep text that is wanted; the parser may give it in pieces."""
        if self._text is not None:
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 -- SAX's own name
        """Hand over the text."""
        end = self.ends.get(name)
        if end is not None:
            end("".join(self._text or ()).strip())
            self._text = None


def parse(path: Path, elements: Elements) -> None:
    """Read a file, plain or bzip2.

    Raises ``BadListError`` for what is no XML, has a DTD, or is beyond ``XML_BYTES_MAX``.
    """
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(elements)
    elements.line = parser.getLineNumber
    taken = 0
    try:
        with opened(path) as file:
            while chunk := file.read(_CHUNK):
                taken += len(chunk)
                if taken > XML_BYTES_MAX:
                    message = f"{path.name} has more than {XML_BYTES_MAX} bytes unpacked"
                    raise BadListError(message)
                parser.feed(chunk)
            parser.close()
    except (SAXParseException, DefusedXmlException, OSError, EOFError) as error:
        message = f"{path.name} is no readable XML: {error}"
        raise BadListError(message) from error
