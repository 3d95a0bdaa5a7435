"""Where countries lie: circles that hold their people, and distances that nobody can undercut."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import features
from features.enrich import GeoDatabase
from features.errors import InputError
from features.places import EARTH_KM, HALF_WAY_KM, UNKNOWN, Places

DATA = Path(features.__file__).with_name("data")
HEADER = "country,latitude,longitude,radius_km\n"

CITIES = {
    "New York": ("US", 40.71, -74.01), "Los Angeles": ("US", 34.05, -118.24), "Miami": ("US", 25.76, -80.19),
    "Seattle": ("US", 47.61, -122.33), "London": ("GB", 51.51, -0.13), "Edinburgh": ("GB", 55.95, -3.19),
    "Madrid": ("ES", 40.42, -3.70), "Lisbon": ("PT", 38.72, -9.14), "Sydney": ("AU", -33.87, 151.21),
    "Perth": ("AU", -31.95, 115.86), "Auckland": ("NZ", -36.85, 174.76), "Tokyo": ("JP", 35.68, 139.69),
    "Sapporo": ("JP", 43.06, 141.35), "Moscow": ("RU", 55.76, 37.62), "Vladivostok": ("RU", 43.12, 131.89),
    "Suva": ("FJ", -18.14, 178.44), "Singapore": ("SG", 1.29, 103.85), "Mumbai": ("IN", 19.08, 72.88),
    "Lagos": ("NG", 6.45, 3.40), "Cape Town": ("ZA", -33.92, 18.42), "Manaus": ("BR", -3.10, -60.02),
    "Ushuaia": ("AR", -54.80, -68.30), "Tromso": ("NO", 69.65, 18.96), "Copenhagen": ("DK", 55.68, 12.57),
    "Kuala Lumpur": ("MY", 3.14, 101.69), "Jakarta": ("ID", -6.21, 106.85), "Paris": ("FR", 48.86, 2.35),
}  # fmt: skip
OUTSIDE = {"Ushuaia", "Manaus"}
"""Two in a hundred may live farther out."""


def haversine(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The textbook's formula, written apart from the product's."""
    (a, b), (c, d) = (map(math.radians, place) for place in (one, other))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(half))


@pytest.fixture(scope="module")
def places() -> Places:
    return Places()


@pytest.mark.parametrize("name", sorted(CITIES.keys() - OUTSIDE))
def test_a_large_city_lies_in_the_circle_of_its_country(places: Places, name: str) -> None:
    country, latitude, longitude = CITIES[name]
    circle = places.at(country)
    assert circle is not None
    assert haversine((latitude, longitude), circle[:2]) <= circle[2]


def test_the_united_states_reach_from_coast_to_coast_and_not_to_hawaii(places: Places) -> None:
    circle = places.at("US")
    assert circle is not None
    assert 2_000 < circle[2] < 2_400
    assert haversine((21.31, -157.86), circle[:2]) > circle[2]


@pytest.mark.parametrize(
    ("country", "least", "most"),
    [("ES", 400, 700), ("PT", 200, 400), ("DE", 300, 450), ("SG", 10, 30), ("VA", 10, 10), ("JP", 700, 1000)],
)
def test_far_islands_do_not_blow_up_a_circle(places: Places, country: str, least: int, most: int) -> None:
    circle = places.at(country)
    assert circle is not None
    assert least <= circle[2] <= most


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("DE", "US", 4_500, 5_800),  # Frankfurt - New York 6,200
        ("GB", "AU", 11_000, 13_500),  # London - Perth 14,500
        ("FR", "SG", 9_800, 10_700),  # Paris - Singapore 10,700
        ("NZ", "ES", 17_000, 19_500),  # nearly opposite on the globe
        ("DE", "FR", 0, 0),
        ("US", "CA", 0, 0),
        ("US", "MX", 0, 0),
        ("SG", "MY", 0, 0),
        ("FJ", "TO", 300, 900),  # over the date line, Suva - Nuku'alofa 750
    ],
)
def test_distances_are_those_of_the_map(
    places: Places, one: str, other: str, least: float, most: float
) -> None:
    assert least <= places.distance_km(one, other) <= most


def test_no_trip_between_two_cities_is_shorter_than_the_distance_of_their_countries(places: Places) -> None:
    inside = [city for name, city in CITIES.items() if name not in OUTSIDE]
    for one, *here in inside:
        for other, *there in inside:
            assert places.distance_km(one, other) <= haversine(tuple(here), tuple(there)) + 1.0  # type: ignore[arg-type]


def test_every_distance_is_the_great_circle_less_both_radii(places: Places) -> None:
    circles = [places.at(country) for country in places.countries]
    for first, one in enumerate(circles[::7]):
        for second, other in enumerate(circles[::5]):
            assert one is not None
            assert other is not None
            expected = max(haversine(one[:2], other[:2]) - one[2] - other[2], 0.0)
            if first * 7 == second * 5:
                expected = 0.0
            assert places.distances_km[first * 7, second * 5] == pytest.approx(expected, abs=0.01)


def test_the_matrix_is_symmetric_within_the_globe_and_not_writable(places: Places) -> None:
    matrix = places.distances_km
    assert matrix.dtype == np.float32
    assert matrix.shape == (len(places.countries),) * 2
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()
    assert 0 <= matrix.min() <= matrix.max() <= HALF_WAY_KM
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1.0


@given(st.text(max_size=3))
def test_what_is_no_country_has_no_place_and_is_at_least_nothing_away(text: str) -> None:
    places = _shared()
    if text not in places.countries:
        assert places.at(text) is None
        assert places.index(text) == UNKNOWN
        assert places.distance_km("US", text) == places.distance_km(text, "US") == 0.0
    assert places.distance_km(text, text) == 0.0


@functools.cache
def _shared() -> Places:
    """The bundled places, read once for all examples."""
    return Places()


@njit
def _sum_of_trips(indexes: np.ndarray, distances: np.ndarray) -> float:
    total = 0.0
    for i in range(1, indexes.shape[0]):
        if indexes[i - 1] >= 0 and indexes[i] >= 0:
            total += distances[indexes[i - 1], indexes[i]]
    return total


def test_a_kernel_adds_up_the_distances_that_people_read(places: Places) -> None:
    trip = ["DE", "US", "", "NZ", "NZ", "SG", "DE"]
    indexes = places.indices(trip)
    assert indexes.dtype == np.int32
    assert indexes.tolist() == [places.index(country) for country in trip]
    expected = sum(places.distance_km(a, b) for a, b in itertools.pairwise(trip))
    assert _sum_of_trips(indexes, places.distances_km) == pytest.approx(expected, rel=1e-6)


def test_countries_that_addresses_are_in_have_a_place(places: Places) -> None:
    with GeoDatabase(autonomous_systems=False) as geo:
        found = {
            geo.country(f"{first}.{second}.9.9") for first in range(1, 224) for second in range(0, 256, 16)
        }
    assert len(found) > 100
    assert {country for country in found if country and places.at(country) is None} <= {"EU", "AP", "AQ"}


def test_the_bundled_circles_are_those_that_their_page_names() -> None:
    checksum = hashlib.sha256((DATA / "places.csv").read_bytes()).hexdigest()
    assert checksum in (DATA / "README.md").read_text(encoding="utf-8")
    assert "GeoNames" in (DATA / "NOTICE").read_text(encoding="utf-8")


def test_a_file_of_ones_own_is_read_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(HEADER + "ZZ,0,90,10\nAA,0,-90,10\n")
    own = Places(path)
    assert own.countries == ("AA", "ZZ")
    assert own.distance_km("AA", "ZZ") == pytest.approx(HALF_WAY_KM - 20, abs=0.01)


def test_a_file_without_countries_knows_no_distance(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text(HEADER)
    assert Places(path).distances_km.shape == (0, 0)
    assert Places(path).distance_km("DE", "US") == 0.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line"),
        ("US,1,2,3\n", "first line"),
        (HEADER + "US,91,0,1\n", "own.csv:2"),
        (HEADER + "US,0,181,1\n", "own.csv:2"),
        (HEADER + "US,0,0,-1\n", "own.csv:2"),
        (HEADER + "US,0,0,nan\n", "own.csv:2"),
        (HEADER + "US,0,0\n", "own.csv:2"),
        (HEADER + "usa,0,0,1\n", "own.csv:2"),
        (HEADER + "US,0,0,1\nUS,0,0,1\n", "own.csv:3"),
        (HEADER + "\u00dcS,0,0,1\n", "not ASCII"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        Places(path)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: cannot read"):
        Places(tmp_path / "none.csv")
