"""Build features/data/asn.mmdb from the CSV files of the npm package `@ip-location-db/asn`.

Not part of the product: it runs when the data are refreshed, in an environment that has `mmdb_writer`. The
commands, the version of the data and the checksum of the result stand in features/data/README.md.

    python tools/build_asn_database.py FOLDER_OF_THE_UNPACKED_PACKAGE features/data/asn.mmdb

The same package always gives the same bytes. What is changed on the way:

- touching ranges of one system are one; where ranges overlap, the shorter one holds
- numbers that nobody owns (RFC 7607, 6996, 5398, 7300, 6793) are left out, and 6to4 (2002::/16, RFC 7526),
  whose addresses belong to whoever owns the IPv4 address inside
- names are at most 48 characters, printable, one blank between words; names that say nothing are left out

Before the file is put in place it is compared with the CSV files: 1,000 random IPv4 addresses, and both ends
and both outer neighbours of 2,000 ranges of each family.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import ipaddress
import json
import random
import sys
from bisect import bisect_right
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import maxminddb
from mmdb_writer import SearchTreeLeaf, SearchTreeNode, TreeWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME_LIMIT: Final = 48
"""Characters of an organisation's name."""
_SHORTEST_CUT: Final = 32
"""A name that is too long ends at a word, if this much of it is left then."""
_SAMPLES: Final = 1000
_WIDEST_OVERLAP: Final = 64
"""Rows before an address that are looked at for a range that overlaps the last one."""
_SIX_TO_FOUR: Final = 0x2002
"""First 16 bits of such addresses."""


class Row(NamedTuple):
    """One line of a CSV file: an inclusive range of addresses as integers, and who announces it."""

    first: int
    last: int
    number: int
    name: str


def rows(path: Path) -> list[Row]:
    """Lines of a CSV file, by address.

    Raises
    ------
    ValueError
        If a line is not `first,last,number,name` with a range that goes upwards.
    """
    found = []
    with path.open(encoding="utf-8", newline="") as lines:
        for count, fields in enumerate(csv.reader(lines), start=1):
            try:
                first, last, number, name = fields
                ends = int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last))
                row = Row(*ends, int(number), name)
            except ValueError as error:
                raise ValueError(f"{path}:{count}: not a range, a number and a name") from error
            if row.first > row.last or not 0 <= row.number < 2**32:
                raise ValueError(f"{path}:{count}: a range or a number that cannot be")
            found.append(row)
    return sorted(found)


def is_owned(number: int) -> bool:
    """Whether somebody can own the number: not 0, AS_TRANS, documentation, private use or reserved."""
    return number not in {0, 23456} and not 64496 <= number <= 65551 and number < 4_200_000_000


def organisation(number: int, name: str) -> str:
    """Name as it is stored: short and printable; "" if it says no more than the number does."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if text in ("-Reserved AS-", f"AS{number}", "-"):
        return ""
    if len(text) > NAME_LIMIT:
        whole = text[: NAME_LIMIT + 1].rpartition(" ")[0]
        text = whole if len(whole) >= _SHORTEST_CUT else text[:NAME_LIMIT]
        text = text.rstrip(" ,.-&(/")
    return text


def merged(wanted: list[Row]) -> list[Row]:
    """Join touching ranges of one system; longest first, so that shorter ones written later hold."""
    joined: list[Row] = []
    for row in wanted:
        before = joined[-1] if joined else None
        if before is not None and before.last + 1 == row.first and before.number == row.number:
            joined[-1] = before._replace(last=row.last)
        else:
            joined.append(row)
    return sorted(joined, key=lambda row: (row.first - row.last, row.first))


def prefixes(first: int, last: int, bits: int) -> Iterator[tuple[int, int]]:
    """Fewest prefixes (address, length) that make up an inclusive range."""
    while first <= last:
        size = min(first & -first or 1 << bits, 1 << ((last - first + 1).bit_length() - 1))
        yield first, bits + 1 - size.bit_length()
        first += size


def insert(root: SearchTreeNode, address: int, length: int, leaf: SearchTreeLeaf) -> None:
    """Put a leaf at a prefix of 1 to 128 bits; what a shorter prefix said holds for the rest of it."""
    node = root
    for position in range(127, 128 - length, -1):
        bit = address >> position & 1
        child = node[bit]
        if not isinstance(child, SearchTreeNode):
            child = SearchTreeNode(child, child)
            node[bit] = child
        node = child
    node[address >> (128 - length) & 1] = leaf


def tree(four: list[Row], six: list[Row]) -> tuple[SearchTreeNode, int, int]:
    """Search tree of both families, the IPv4 addresses at ::/96; with its prefixes and systems counted."""
    leaves: dict[int, SearchTreeLeaf] = {}
    root = SearchTreeNode()
    count = 0
    # IPv6 goes first: a short prefix put in later would replace the IPv4 addresses below it.
    for family, bits, offset in ((six, 128, 0), (four, 32, 96)):
        for row in merged([row for row in family if is_owned(row.number)]):
            leaf = leaves.get(row.number)
            if leaf is None:
                value: dict[str, int | str] = {"autonomous_system_number": row.number}
                name = organisation(row.number, row.name)
                if name:
                    value["autonomous_system_organization"] = name
                leaf = leaves[row.number] = SearchTreeLeaf(value)
            for address, length in prefixes(row.first, row.last, bits):
                insert(root, address, length + offset, leaf)
                count += 1
    return root, count, len(leaves)


def metadata(version: str) -> dict[str, object]:
    """Metadata of the file; its time is that of the data: versions of the package end in `yyyymmddhh`."""
    built = datetime.strptime(version.rsplit(".", 1)[-1], "%Y%m%d%H").replace(tzinfo=UTC)
    return {
        "ip_version": 6,
        "database_type": "habitus-ASN",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": int(built.timestamp()),
        "description": {
            "en": "Autonomous systems: IP Geolocation by DB-IP (https://db-ip.com), RouteViews "
            "(https://www.routeviews.org), NRO (https://www.nro.net); CC BY 4.0; "
            f"ip-location-db {version}, modified"
        },
    }


def differences(path: Path, four: list[Row], six: list[Row]) -> list[str]:
    """Compare the file with the rows; say where they differ. Sampled with a fixed seed."""
    wrong = []
    dice = random.Random(4)  # noqa: S311 - a sample, no secret
    with maxminddb.open_database(path) as database:
        for family, kind, bits in ((four, ipaddress.IPv4Address, 32), (six, ipaddress.IPv6Address, 128)):
            starts = [row.first for row in family]
            ends = dice.sample(family, min(2 * _SAMPLES, len(family)))
            asked = [near for row in ends for near in (row.first - 1, row.first, row.last, row.last + 1)]
            if family is four:
                asked += [dice.randrange(1 << bits) for _ in range(_SAMPLES)]
            for address in (address for address in asked if 0 <= address < 1 << bits):
                row = _covering(family, starts, address)
                expected = row.number if row is not None and is_owned(row.number) else None
                found = database.get(kind(address))
                number = found.get("autonomous_system_number") if isinstance(found, dict) else None
                name = found.get("autonomous_system_organization", "") if isinstance(found, dict) else ""
                if number != expected:
                    wrong.append(f"{kind(address)}: {number} instead of {expected}")
                elif row is not None and number is not None and name != organisation(row.number, row.name):
                    wrong.append(f"{kind(address)}: AS{number} has another name")
    return wrong


def _covering(family: list[Row], starts: list[int], address: int) -> Row | None:
    """Find the shortest row that holds the address, without the tree."""
    end = bisect_right(starts, address)
    near = [row for row in family[max(0, end - _WIDEST_OVERLAP) : end] if row.last >= address]
    return min(near, key=lambda row: row.last - row.first, default=None)


def main() -> None:
    """Build, compare and put in place; print what README.md says about the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", type=Path, help="folder of the unpacked npm package")
    parser.add_argument("output", type=Path, help="file to write")
    arguments = parser.parse_args()
    package, output = arguments.package, arguments.output
    version = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    four = rows(package / "asn-ipv4.csv")
    six = [row for row in rows(package / "asn-ipv6.csv") if row.first >> 112 != _SIX_TO_FOUR]
    root, count, systems = tree(four, six)
    # A running service has the old file mapped into memory: it must be replaced, never written to.
    draft = output.with_name(output.name + ".new")
    TreeWriter(root, metadata(version), int_type="u32").write(str(draft))
    wrong = differences(draft, four, six)
    if wrong:
        draft.unlink()
        sys.exit("\n".join([*wrong[:20], f"{len(wrong)} addresses differ from the CSV files"]))
    draft.replace(output)
    content = output.read_bytes()
    print(f"data {version}: {len(four)} IPv4 and {len(six)} IPv6 ranges, {systems} systems, {count} prefixes")
    print(f"{output}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
