from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.http import logs


@given(st.text())
def test_a_line_has_no_control_characters_whatever_is_logged(text):
    record = logging.LogRecord("x", logging.INFO, "", 1, "%s", (text,), None)
    setattr(record, logs.FIELDS, {"path": text})
    line = logs.JsonFormatter().format(record)
    assert line.isprintable() or all(ord(c) >= 32 for c in line)
    assert "\x9b" not in line
    assert "\u202e" not in line
    assert json.loads(line)["level"] == "info"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETSECRET",
        "key hab_0123456789ab_SECRETSECRETSECRETSECRETSECRETSECRETSECRETSEC refused",
        "x-api-key: SECRETSECRET",
        "Splunk SECRETSECRET",
    ],
)
def test_a_key_is_never_written(text):
    assert "SECRET" not in logs.clean(text)


def test_a_traceback_is_one_line():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("habitus.test")
    logger.addHandler(handler)
    try:
        raise ValueError("a\nb")
    except ValueError:
        logger.exception("it failed")
    finally:
        logger.removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    assert "ValueError" in json.loads(line)["traceback"]


def test_of_a_long_traceback_the_error_itself_stays():
    def deep(left):
        if left:
            deep_too(left - 1)
        raise ValueError("what really happened")

    def deep_too(left):
        deep(left)

    try:
        deep(60)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    told = json.loads(logs.JsonFormatter().format(record))["traceback"]
    assert told.startswith("…")
    assert told.endswith("ValueError: what really happened")
    assert len(told) <= logs.TRACEBACK_LIMIT
