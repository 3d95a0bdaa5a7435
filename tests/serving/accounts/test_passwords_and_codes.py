from __future__ import annotations

import pytest

from features.errors import InputError
from serving.accounts import passwords, totp
from serving.accounts.throttle import FROM_EVERYWHERE, FROM_ONE_PLACE, Throttle, TooOften
from tests.serving.accounts.desk import cheap

RFC_6238 = {59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
            2000000000: "69279037", 20000000000: "65353130"}  # fmt: skip
SECRET = b"12345678901234567890"


@pytest.mark.parametrize(("seconds", "code"), RFC_6238.items())
def test_codes_are_those_of_rfc_6238(seconds, code):
    assert totp.code(SECRET, seconds // 30, digits=8) == code


def test_a_code_fits_around_its_time_and_never_twice():
    step = 1_000_000
    code = totp.code(SECRET, step)
    for drift in (-1, 0, 1):
        assert totp.fitting_step(SECRET, code, 30 * (step + drift) + 7, 0) == step
    assert not totp.fitting_step(SECRET, code, 30 * (step + 2), 0)
    assert not totp.fitting_step(SECRET, code, 30 * step, step), "it was used before"
    assert totp.fitting_step(SECRET, f"{code[:3]} {code[3:]}", 30 * step, 0) == step
    for wrong in ("", "000000", code[:5], code + "0", "١٢٣٤٥٦"):
        assert not totp.fitting_step(SECRET, wrong, 30 * step, 0)


def test_the_url_is_what_authenticators_read():
    assert totp.url(SECRET, "zoe@example.org") == (
        "otpauth://totp/habitus:zoe%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=habitus&digits=6&period=30"
    )


def test_a_hash_fits_its_password_and_an_empty_one_fits_nothing():
    hasher = cheap()
    hashed = hasher.hashed("correct horse battery")
    assert hashed.startswith("$argon2id$")
    assert hasher.fits("correct horse battery", hashed)
    assert not hasher.fits("correct horse batterz", hashed)
    assert not hasher.fits("", "")
    assert not hasher.fits("x" * 10_000_000, hashed)
    assert not hasher.fits("anything", "$argon2id$broken")
    assert passwords.Passwords(memory_kib=128).is_outdated(hashed)
    assert not hasher.is_outdated(hashed)


@pytest.mark.parametrize("password", ["", "short", "a" * 20, "abab" * 4, "x" * 257, "my-name-is-zoe-ok"])
def test_a_password_that_is_guessed_soon_is_refused(password):
    with pytest.raises(InputError, match="password"):
        passwords.checked(password, "zoe@example.org")


def test_one_time_passwords_are_accepted_as_passwords_and_differ():
    made = {passwords.one_time() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        passwords.checked(password, "zoe")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_after_some_failures_an_attempt_has_to_wait_and_others_do_not():
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FROM_ONE_PLACE.burst):
        throttle.take("zoe", "here")
    with pytest.raises(TooOften) as caught:
        throttle.take("zoe", "here")
    assert 0 < caught.value.retry_after_s <= FROM_ONE_PLACE.every_seconds
    throttle.take("zoe", "there")
    throttle.take("ann", "here")
    clock.now += caught.value.retry_after_s
    throttle.take("zoe", "here")
    with pytest.raises(TooOften):
        throttle.take("zoe", "here")


def test_who_gets_in_is_forgiven_but_not_what_others_tried():
    throttle = Throttle(Clock())
    for _ in range(100):
        throttle.take("zoe", "here")
        throttle.succeed("zoe", "here")
    for number in range(FROM_EVERYWHERE.burst):
        throttle.take("zoe", f"host{number}")
    with pytest.raises(TooOften):
        throttle.take("zoe", "another")


def test_the_memory_of_failures_is_bounded_and_runs_out_in_favour_of_nobody():
    clock = Clock()
    throttle = Throttle(clock)
    refused = False
    for number in range(50_000):
        try:
            throttle.take(f"login{number}", "here")
        except TooOften:
            refused = True
    assert refused
    assert len(throttle._paid_until) < 50_000
    clock.now += 3600
    throttle.take("zoe", "here")
