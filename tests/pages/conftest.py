"""Pages in a real browser, from a running sandbox."""

import pytest

from tests.scenarios.conftest import scene  # noqa: F401

from .browser import Browser


@pytest.fixture(scope="module")
def browser():
    """A browser for the module."""
    with Browser() as browser:
        yield browser
