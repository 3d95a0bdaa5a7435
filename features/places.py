"""Where a country lies, for the speed of travel: a circle that holds nearly all of its people.

From the country of an address nothing nearer is known than "somewhere in there". So the distance of two
countries is that between their circles: what nearly everybody must at least have travelled. It is 0 between
neighbours, and from very large countries (Russia's circle has a radius of 3,500 km) it is far less than most
trips. Two in a hundred may live outside of a circle, and so do the people of far islands (Hawaii, the
Canaries).

The circles are in features/data/places.csv; features/data/README.md says how they are made, and from what.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from features.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

EARTH_KM: Final = 6371.0088
"""Mean radius of the Earth: IUGG, (2a + b) / 3 of WGS 84."""
HALF_WAY_KM: Final = math.pi * EARTH_KM
"""No place on Earth is farther away than this."""
UNKNOWN: Final = -1
"""Index of what is no country that has a place."""

_HEADER: Final = "country,latitude,longitude,radius_km"
_FILE_LIMIT: Final = 1 << 20


class Places:
    """Circles of countries and the distances between them; read-only once made.

    Parameters
    ----------
    path
        A CSV file with the columns country (ISO 3166-1 alpha-2), latitude, longitude (degrees) and radius_km;
        the bundled one by default. InputError if it cannot be read or says what cannot be.

    Attributes
    ----------
    countries
        Codes in alphabetical order; a country's index is its position, and means nothing to another file.
    distances_km
        float32 (n, n), not writable: the least distance between any two countries by index, symmetric, 0 on
        the diagonal. For kernels; guard against UNKNOWN, which would be the last row there.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._circles = _read(path or Path(__file__).with_name("data") / "places.csv")
        self.countries: tuple[str, ...] = tuple(self._circles)
        self._index = {country: index for index, country in enumerate(self.countries)}
        circles = np.array(list(self._circles.values()), np.float64).reshape(-1, 3)
        self.distances_km = _distances(circles)

    def at(self, country: str) -> tuple[float, float, float] | None:
        """Latitude and longitude (degrees) of the middle and radius (km) of a country's circle.

        None for a code that has none: "" (no country), Antarctica, uninhabited islands, "EU".
        """
        return self._circles.get(country)

    def index(self, country: str) -> int:
        """Row and column of a country in `distances_km`; UNKNOWN (-1) where `at` gives None."""
        return self._index.get(country, UNKNOWN)

    def indices(self, countries: Iterable[str]) -> np.ndarray:
        """Indexes of many countries, int32 (n,)."""
        found = self._index
        return np.array([found.get(country, UNKNOWN) for country in countries], np.int32)

    def distance_km(self, a: str, b: str) -> float:
        """What nearly everybody must at least have travelled between two countries.

        The great circle between the middles less both radii, and 0 where the circles touch. 0 too for one
        country and where the place of either is unknown: "at least 0" is true of any two places.
        """
        first, second = self.index(a), self.index(b)
        return 0.0 if UNKNOWN in (first, second) else float(self.distances_km[first, second])


def _distances(circles: np.ndarray) -> np.ndarray:
    """Distances of all pairs of circles, which are float64 (n, 3): latitude, longitude, radius; O(n^2)."""
    latitude, longitude = np.radians(circles[:, 0]), np.radians(circles[:, 1])
    flat = np.cos(latitude)
    points = np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=1)
    # Half the chord is the sine of half the angle: exact for near points, where the arc cosine is not.
    chords = np.linalg.norm(points[:, None, :] - points[None, :, :], axis=2)
    between = 2 * EARTH_KM * np.arcsin(np.minimum(chords / 2, 1.0))
    apart = np.maximum(between - circles[:, 2][:, None] - circles[:, 2][None, :], 0.0)
    least: np.ndarray = apart.astype(np.float32)
    least.setflags(write=False)
    return least


def _read(path: Path) -> dict[str, tuple[float, float, float]]:
    """Circles by country code, in alphabetical order."""
    try:
        with path.open("rb") as file:
            lines = file.read(_FILE_LIMIT).decode("ascii").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not ASCII text"
        raise InputError(f"{path}: cannot read the places of countries: {reason}") from error
    if not lines or lines[0] != _HEADER:
        raise InputError(f"{path}: the first line must be {_HEADER}; see features/data/README.md")
    found: dict[str, tuple[float, float, float]] = {}
    for number, line in enumerate(lines[1:], start=2):
        country, _, rest = line.partition(",")
        circle = _circle(rest)
        if circle is None or not (len(country) == 2 and country.isupper()) or country in found:
            raise InputError(
                f"{path}:{number}: not a new country code, degrees north and east, and a radius in km"
            )
        found[country] = circle
    return dict(sorted(found.items()))


def _circle(text: str) -> tuple[float, float, float] | None:
    try:
        latitude, longitude, radius = map(float, text.split(","))
    except ValueError:
        return None
    fits = abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= radius <= HALF_WAY_KM
    return (latitude, longitude, radius) if fits else None
