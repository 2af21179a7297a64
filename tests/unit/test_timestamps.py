"""Timestamps as text become instants of UTC, or an error that names the row."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.runtime.errors import HistoryError
from serving.runtime.timestamps import parse_timestamps
from serving.runtime.zones import utc_offsets

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
]
CHANGES = [
    "1916-04-30", "1995-01-01", "2011-12-30", "2016-03-27", "2016-04-03", "2016-06-05",
    "2016-10-30", "2016-11-06",
]  # fmt: skip
MOMENTS = st.one_of(
    st.integers(-2_208_988_800, 4_102_444_800),
    st.builds(
        lambda day, seconds: int(np.datetime64(day, "s").astype(int)) + seconds,
        st.sampled_from(CHANGES),
        st.integers(-30, 30).map(lambda half_hours: 1800 * half_hours),
    ),
).map(lambda second: datetime.fromtimestamp(second, UTC).replace(tzinfo=None))


def utc(*texts):
    return np.array(texts, "datetime64[s]")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2016-07-01 05:06:07", "2016-07-01T05:06:07"),
        ("2016-07-01T05:06", "2016-07-01T05:06:00"),
        ("2016-07-01", "2016-07-01T00:00:00"),
        ("2016-07-01T05:06:07Z", "2016-07-01T05:06:07"),
        ("2016-07-01T05:06:07.000Z", "2016-07-01T05:06:07"),
        ("2016-07-01 05:06:07+05:30", "2016-06-30T23:36:07"),
        ("2016-07-01T05:06-0330", "2016-07-01T08:36:00"),
        ("2016-07-01T05:06+02", "2016-07-01T03:06:00"),
    ],
)
def test_reads_the_usual_forms_of_iso_8601(text, instant):
    assert parse_timestamps([text], timezone="UTC") == utc(instant)


def test_reads_rows_of_different_forms():
    texts = ["2016-07-01", "2016-07-01 01:00", "2016-07-01T02:00:00", "2016-07-01 03:00:00.0"]
    expected = np.datetime64("2016-07-01T00", "s") + 3600 * np.arange(4)
    np.testing.assert_array_equal(parse_timestamps(texts, timezone="UTC"), expected)


def test_every_row_has_its_own_offset():
    texts = ["2016-10-30T02:00:00+02:00", "2016-10-30T02:00:00+01:00", "2016-10-30T02:00:00Z"]
    expected = utc("2016-10-30T00:00", "2016-10-30T01:00", "2016-10-30T02:00")
    np.testing.assert_array_equal(parse_timestamps(texts, timezone="Asia/Shanghai"), expected)


def test_a_timestamp_without_offset_is_a_local_time():
    instants = parse_timestamps(["2016-01-01 12:00", "2016-07-01 12:00"], timezone="Europe/Berlin")
    np.testing.assert_array_equal(instants, utc("2016-01-01T11:00", "2016-07-01T10:00"))


def test_datetime64_is_a_local_time():
    moments = np.array(["2016-07-01T12:00"], "datetime64[ns]")
    assert parse_timestamps(moments, timezone="Europe/Berlin") == utc("2016-07-01T10:00")


def test_no_timestamps_are_no_instants():
    assert parse_timestamps([], timezone="Europe/Berlin").shape == (0,)


def instants_of(moment, zone):
    """The instants at which zoneinfo's clock shows the moment."""
    folds = [moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = {instant: instant.astimezone(zone).replace(tzinfo=None, fold=0) for instant in folds}
    return [instant.replace(tzinfo=None) for instant in shown if shown[instant] == moment]


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.sampled_from(ZONES))
@settings(deadline=None)
def test_local_times_agree_with_zoneinfo(moments, zone):
    expected = [instants_of(moment, ZoneInfo(zone)) for moment in moments]
    texts = [str(moment) for moment in moments]
    if all(len(instants) == 1 for instants in expected):
        parsed = parse_timestamps(texts, timezone=zone)
        np.testing.assert_array_equal(parsed, np.array(expected, "datetime64[s]")[:, 0])
    else:
        with pytest.raises(HistoryError, match=r"does not exist|comes twice"):
            parse_timestamps(texts, timezone=zone)


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.sampled_from(ZONES))
@settings(deadline=None)
def test_offsets_agree_with_zoneinfo(moments, zone):
    instants = np.array(moments, "datetime64[s]").astype(np.int64)
    expected = [
        moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() / timedelta(seconds=1)
        for moment in moments
    ]
    np.testing.assert_array_equal(utc_offsets(instants, zone=zone), expected)


@given(st.lists(st.tuples(MOMENTS, st.integers(-1439, 1439)), min_size=1, max_size=20))
@settings(deadline=None)
def test_offsets_in_the_text_agree_with_datetime(rows):
    texts = [
        f"{moment}{'-' if o < 0 else '+'}{abs(o) // 60:02}:{abs(o) % 60:02}" for moment, o in rows
    ]
    expected = [datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) for text in texts]
    instants = parse_timestamps(texts, timezone="UTC")
    np.testing.assert_array_equal(instants, np.array(expected, "datetime64[s]"))


@pytest.mark.parametrize(
    "text",
    ["", "NaT", "now", "2016", "2016-07", "01.07.2016", "2016-07-01 05:00:00.5", "2016-07-01Z",
     "2016-07-01x05:00", " 2016-07-01", "2016-07-01 05:00+2", "\uff12016-07-01", "2016-07-01\n",
     "2016-07-01 05:0x", "-016-07-01 05:00"],
)  # fmt: skip
def test_another_form_is_an_error_that_names_the_row(text):
    with pytest.raises(HistoryError, match=r"row 2 .*not a timestamp"):
        parse_timestamps(["2016-07-01 05:00", "2016-07-01 06:00", text], timezone="UTC")


@pytest.mark.parametrize("value", [None, 20160701, 1.5])
def test_what_is_no_text_is_an_error_that_names_the_row(value):
    with pytest.raises(HistoryError, match=r"row 1 .*not a timestamp"):
        parse_timestamps(["2016-07-01", value], timezone="UTC")


@pytest.mark.parametrize("text", ["2016-02-30 05:00", "2016-13-01 05:00", "2016-07-01 24:00"])
def test_a_date_that_is_not_on_the_calendar_is_an_error_that_names_the_row(text):
    with pytest.raises(HistoryError, match=rf"row 1 .*{text}.*no such date"):
        parse_timestamps(["2016-07-01 05:00", text], timezone="UTC")


@pytest.mark.parametrize("text", ["0000-01-01", "1066-10-14", "9999-12-31"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_year_that_tables_cannot_hold_is_an_error_that_names_the_row(text, zone):
    with pytest.raises(HistoryError, match=r"row 1 .*1678"):
        parse_timestamps(["2016-07-01", text], timezone=zone)


def test_rows_of_unequal_length_are_never_read_across_their_borders():
    with pytest.raises(HistoryError, match=r"row 1 "):
        parse_timestamps(
            ["2016-07-01 05:00", "2016-07-01 06:0", "02016-07-01 07:00"], timezone="UTC"
        )


@pytest.mark.parametrize(
    ("texts", "row"),
    [
        (["2016-07-01 00:00", "2016-07-01 01:00+00:00"], 1),
        (["2016-07-01 00:00Z", "2016-07-01 01:00Z", "2016-07-01 02:00"], 2),
    ],
)
def test_offsets_in_some_rows_only_are_an_error_that_names_the_row(texts, row):
    with pytest.raises(HistoryError, match=rf"row {row} .*all timestamps an offset or none"):
        parse_timestamps(texts, timezone="UTC")


def test_a_local_time_skipped_in_spring_is_an_error_that_names_the_row():
    texts = ["2016-03-27 01:59:59", "2016-03-27 03:00:00", "2016-03-27 02:00:00"]
    with pytest.raises(HistoryError, match=r"row 2 .*2016-03-27 02:00:00.*does not exist in Eur"):
        parse_timestamps(texts, timezone="Europe/Berlin")


def test_a_local_time_skipped_at_new_year_is_an_error():
    with pytest.raises(HistoryError, match="does not exist in Asia/Ulaanbaatar"):
        parse_timestamps(["1978-01-01 00:30"], timezone="Asia/Ulaanbaatar")


def test_the_offset_changes_in_the_very_second():
    second = np.datetime64("2016-03-27T01:00:00", "s").astype(np.int64) + np.array([-1, 0])
    assert utc_offsets(second, zone="Europe/Berlin").tolist() == [3600, 7200]


def test_a_local_time_shown_twice_in_autumn_is_an_error_that_names_the_row():
    texts = ["2016-10-30 01:59:59", "2016-10-30 03:00:00", "2016-10-30 02:59:59"]
    with pytest.raises(HistoryError, match=r"row 2 .*2016-10-30 02:59:59.*comes twice in Eur"):
        parse_timestamps(texts, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    "moments",
    [
        np.array(["2016-07-01", "NaT"], "datetime64[s]"),
        np.array(["2016-07-01", "2016-07-01T00:00:00.5"], "datetime64[ms]"),
    ],
)
def test_datetime64_without_whole_seconds_is_an_error_that_names_the_row(moments):
    with pytest.raises(HistoryError, match=r"row 1 .*whole seconds"):
        parse_timestamps(moments, timezone="UTC")
