"""Kinds of jobs, what each needs, and names to give to people."""

from __future__ import annotations

from dataclasses import dataclass

from training.simulate.catalogue import (
    ACROBAT,
    ADMIN_WINDOWS,
    DEVELOPER_LINUX,
    DEVELOPER_WINDOWS,
    DISPATCH,
    FINANCE,
    MARKETING,
    SALES,
    WORD,
    Program,
)


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of job.

    Attributes
    ----------
    part
        Share of the people.
    shares
        File shares that the job needs, most used first.
    web, files, cloud_files, launches, calls, remote
        Mean numbers a working day: web requests, files of shares, files in the cloud, program starts, cloud
        API calls, sessions on servers.
    start_hour
        Mean local hour at which work begins.
    home
        Mean share of days worked from home.
    linux
        Share of people whose workstation runs Linux.
    shifts
        Whether the job goes round the clock: two early, two late and two night shifts, then two days off.
    external
        Whether the people are contractors: from a line of their own, some days a week, by way of a jump host.
    """

    name: str
    part: float
    programs: tuple[Program, ...]
    shares: tuple[str, ...]
    web: float = 15.0
    files: float = 14.0
    cloud_files: float = 11.0
    launches: float = 18.0
    calls: float = 0.0
    remote: float = 0.0
    start_hour: float = 8.6
    home: float = 0.35
    linux: float = 0.0
    shifts: bool = False
    external: bool = False


ROLES = (
    Role("engineering", 0.26, DEVELOPER_WINDOWS, ("Engineering", "Projects", "Public"), files=6,
         cloud_files=6, launches=30, calls=14, remote=1.0, start_hour=9.3, home=0.55, linux=0.55),
    Role("sales", 0.17, SALES, ("Sales", "Projects", "Public", "Marketing"), cloud_files=17, home=0.5),
    Role("finance", 0.12, FINANCE, ("Finance", "Public", "People"), files=24, web=15, start_hour=8, home=0.2),
    Role("dispatch", 0.10, DISPATCH, ("Dispatch", "Public", "Sales"), files=20, start_hour=7, home=0.1),
    Role("marketing", 0.09, MARKETING, ("Marketing", "Public", "Projects"), web=26, cloud_files=17),
    Role("people", 0.06, (ACROBAT, WORD), ("People", "Public", "Finance"), files=17),
    Role("it", 0.09, ADMIN_WINDOWS, ("IT", "Public", "Projects"), launches=28, calls=6, remote=3.0,
         start_hour=8.2),
    Role("operations", 0.07, DISPATCH, ("Operations", "Dispatch", "Public"), files=14, web=14, home=0.0,
         start_hour=6, shifts=True),
    Role("contractor", 0.04, DEVELOPER_WINDOWS, ("Projects", "Engineering"), files=8, cloud_files=8, web=12,
         launches=18, calls=5, remote=1.2, start_hour=8.8, home=0.95, external=True),
)  # fmt: skip
LINUX_PROGRAMS = {"engineering": DEVELOPER_LINUX}

GIVEN_NAMES = (
    "anna", "ben", "carla", "david", "elif", "frank", "grace", "hannes", "ines", "jonas", "katrin", "lars",
    "maya", "nils", "olga", "paul", "rosa", "stefan", "tara", "uwe", "vera", "willem", "yara", "zoe", "amit",
    "bhavna", "chloe", "derek", "emma", "finn", "george", "helen", "imran", "jill", "kofi", "lena", "marco",
    "nadia", "oscar", "priya", "quentin", "rahul", "sofia", "tom", "usha", "viktor", "wendy", "xenia",
    "yusuf", "zara", "arjun", "beth", "colin", "deepa", "erik", "fatma", "greta", "henry", "isla", "jan",
)  # fmt: skip
FAMILY_NAMES = (
    "keller", "brandt", "wolf", "schaefer", "lorenz", "peters", "jansen", "krause", "vogel", "hansen",
    "ahmed", "patel", "sharma", "iyer", "nair", "rao", "gupta", "kulkarni", "walker", "hughes", "price",
    "cooper", "barnes", "foster", "reed", "murphy", "shaw", "clarke", "bennett", "hayes", "torres", "rivera",
    "morgan", "bailey", "cruz", "long", "diaz", "ross", "perry", "marsh", "lindner", "sommer", "winter",
    "busch", "engel", "graf", "kern", "ritter", "seidel", "voss", "arndt", "thoma", "moreau", "costa",
    "novak", "kowalski", "yilmaz", "demir", "petrov", "marin", "okafor", "mensah",
)  # fmt: skip
