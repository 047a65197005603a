from __future__ import annotations

import pytest

from tests.postgres import Postgres, postgres

__all__ = ["postgres"]


@pytest.fixture
def database(postgres: Postgres) -> str:
    name = postgres.database()
    postgres.sql(name, "CREATE EXTENSION vector")
    return name
