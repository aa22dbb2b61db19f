"""Make the dated copies of lists that come with tracing, in our own format, from what their publishers gave out.

Usage: python tools/make_snapshots.py SDN_ADVANCED.XML[.bz2] FBI_BYBIT_ADDRESSES.txt [FOLDER]

Publishers: US Treasury, OFAC (Specially Designated Nationals List, "advanced" XML) and the FBI (IC3 PSA I-022625, the
addresses of the Bybit theft, one a line). The same files make the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from strongroom_tracing.tags.imports import csv, fbi, ofac_xml
from strongroom_tracing.tags.model import Problem
from strongroom_tracing.tags.snapshots import FOLDER

_ARGUMENTS = 2


def main(arguments: list[str]) -> int:
    """Write both copies; 2 on a wrong call."""
    if not _ARGUMENTS <= len(arguments) <= _ARGUMENTS + 1:
        sys.stderr.write(__doc__ or "")
        return 2
    folder = Path(arguments[2]) if len(arguments) > _ARGUMENTS else FOLDER
    for path, problems in (ofac(Path(arguments[0]), folder), bybit(Path(arguments[1]), folder)):
        sys.stdout.write(f"{path}\n" + "".join(f"  {problem}\n" for problem in problems))
    return 0


def ofac(xml: Path, folder: Path) -> tuple[Path, list[Problem]]:
    """Write the sanctioned addresses, named by the list's date of issue.

    Lines that could not be read are given back.
    """
    problems: list[Problem] = []
    tags = ofac_xml.read(xml, problems=problems)
    issued = tags[0].source_date
    path = folder / f"ofac-sdn-{issued.isoformat()}.csv"
    csv.write(path, tags, source=ofac_xml.SOURCE, as_of=issued, notes=[f"licence: {ofac_xml.LICENCE}"])
    return path, problems


def bybit(addresses: Path, folder: Path) -> tuple[Path, list[Problem]]:
    """Write the addresses of the Bybit theft; lines that could not be read are given back."""
    problems: list[Problem] = []
    tags = fbi.read(addresses, problems=problems)
    published = tags[0].source_date
    path = folder / f"fbi-bybit-{published.isoformat()}.csv"
    csv.write(path, tags, source=fbi.BYBIT.source, as_of=published, notes=[f"licence: {fbi.BYBIT.licence}"])
    return path, problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
