import pytest
from servers import Service


@pytest.fixture(scope="session")
def service():
    """One service for all tests of a process that need no settings of their own."""
    with Service() as service:
        yield service
