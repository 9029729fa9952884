"""The column vocabulary means the same on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from app.core.columns import Instant, choice
from app.services import services

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = datetime(2026, 11, 24, 8, 30, 15, 123_000, tzinfo=UTC)
MOMENT_MS = 1_795_509_015_123
LAST_MS = 4_102_444_800_000  # the year 2100


class PaintColour(StrEnum):
    RED = "deep-red"
    BLUE = "blue"


THINGS = Table(
    "things_of_a_test",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", Instant),
    Column("colour", choice(PaintColour)),
)
RAW_AT = literal_column("at", Integer)


@pytest.fixture
def connection(any_app: Flask) -> Iterator[Connection]:
    with services(any_app).engine.connect() as connection:
        THINGS.create(connection)
        yield connection
        connection.rollback()


def stored_ms(connection: Connection, moment: datetime | int | None) -> int | None:
    """What the database holds for `moment`."""
    connection.execute(insert(THINGS).values(at=moment))
    newest = select(RAW_AT).select_from(THINGS).order_by(THINGS.c.id.desc()).limit(1)
    held: int | None = connection.scalar(newest)
    return held


def read(connection: Connection) -> datetime | None:
    moment: datetime | None = connection.scalar(
        select(THINGS.c.at).order_by(THINGS.c.id.desc()).limit(1)
    )
    return moment


def test_a_moment_is_kept_in_milliseconds_and_comes_back_aware(connection: Connection):
    assert stored_ms(connection, MOMENT) == MOMENT_MS
    moment = read(connection)
    assert moment == MOMENT
    assert moment is not None
    assert moment.tzinfo is UTC


def test_a_moment_of_another_zone_is_the_same_moment(connection: Connection):
    there = MOMENT.astimezone(timezone(timedelta(hours=7)))
    assert stored_ms(connection, there) == MOMENT_MS


def test_a_number_is_taken_as_milliseconds(connection: Connection):
    assert stored_ms(connection, MOMENT_MS) == MOMENT_MS
    assert read(connection) == MOMENT


def test_no_moment_stays_none(connection: Connection):
    assert stored_ms(connection, None) is None
    assert read(connection) is None


def test_moments_compare_with_moments_and_with_numbers(connection: Connection):
    stored_ms(connection, MOMENT)
    later = MOMENT + timedelta(milliseconds=1)
    count = select(THINGS.c.id).where
    for condition, is_met in (
        (THINGS.c.at <= MOMENT, True),
        (THINGS.c.at < MOMENT, False),
        (THINGS.c.at >= later, False),
        (THINGS.c.at == MOMENT_MS, True),
        (THINGS.c.at < MOMENT_MS + 1, True),
    ):
        assert (connection.scalar(count(condition)) is not None) is is_met


@given(st.integers(0, LAST_MS))
def test_every_millisecond_survives_both_ways(at_ms):
    """A moment that lost a millisecond would not find its own row again."""
    column, dialect = Instant(), sqlite.dialect()
    read_back = column.process_result_value(at_ms, dialect)
    assert read_back == EPOCH + timedelta(milliseconds=at_ms)
    assert column.process_bind_param(read_back, dialect) == at_ms


@given(st.integers(0, LAST_MS), st.integers(0, 999))
def test_what_is_finer_than_a_millisecond_is_cut(at_ms, microseconds):
    moment = EPOCH + timedelta(milliseconds=at_ms, microseconds=microseconds)
    assert Instant().process_bind_param(moment, sqlite.dialect()) == at_ms


def test_a_choice_is_stored_as_its_value_and_comes_back_as_its_member(connection: Connection):
    connection.execute(insert(THINGS).values(colour=PaintColour.RED))
    assert connection.scalar(select(literal_column("colour")).select_from(THINGS)) == "deep-red"
    assert connection.scalar(select(THINGS.c.colour)) is PaintColour.RED


@pytest.mark.parametrize("value", ["RED", "green", ""])
def test_the_database_refuses_another_value(connection: Connection, value):
    statement = text("INSERT INTO things_of_a_test (colour) VALUES (:colour)")
    with pytest.raises(IntegrityError, match="paint_colour"):
        connection.execute(statement, {"colour": value})
