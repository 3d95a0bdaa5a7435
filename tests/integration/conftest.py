from __future__ import annotations

import pytest

from tests.service_process import Service


@pytest.fixture
def service(tmp_path):
    """A service that has not started yet; it is gone when the test ends."""
    made = Service(tmp_path / "data")
    yield made
    made.end()
