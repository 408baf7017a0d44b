import pytest
from api_server import running


@pytest.fixture(scope="session")
def server():
    """One server for all tests of a process that need no settings of their own."""
    with running() as running_server:
        yield running_server
