//! The calendar: functions of a Unix time in UTC.

use std::fmt;

const SECONDS_PER_DAY: i64 = 86_400;

/// A day of the proleptic Gregorian calendar and the time in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    year: i64,
    month: i64,
    day: i64,
    /// Days since 1970-01-01.
    days: i64,
    /// Seconds since midnight.
    second: i64,
}

impl Civil {
    /// Of seconds since the Unix epoch.
    ///
    /// Counts in eras of 400 years that begin with March, so that the leap day is a year's last.
    pub(crate) fn of(unix: i64) -> Self {
        if unix == i64::MIN {
            // What Go makes of NaN and of infinities: its clock counts from long before 1970 and goes over the edge.
            return Self { second: Self::of(i64::MAX).second + 1, ..Self::of(i64::MAX) };
        }
        let days = unix.div_euclid(SECONDS_PER_DAY);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            days,
            second: unix.rem_euclid(SECONDS_PER_DAY),
        }
    }

    /// The year.
    pub(crate) const fn year(self) -> i64 {
        self.year
    }

    /// The month, from 1.
    pub(crate) const fn month(self) -> i64 {
        self.month
    }

    /// The day of the month, from 1.
    pub(crate) const fn day_of_month(self) -> i64 {
        self.day
    }

    /// The day of the week; Sunday is 0.
    pub(crate) const fn day_of_week(self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }

    /// The day of the year, from 1.
    pub(crate) const fn day_of_year(self) -> i64 {
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap_day = if self.is_leap() && self.month > 2 { 1 } else { 0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a month is 1..=12")]
        let days_before: i64 = before[(self.month - 1) as usize];
        days_before + leap_day + self.day
    }

    /// How many days the month has.
    pub(crate) const fn days_in_month(self) -> i64 {
        match self.month {
            2 if self.is_leap() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The hour of the day.
    pub(crate) const fn hour(self) -> i64 {
        self.second / 3_600
    }

    /// The minute of the hour.
    pub(crate) const fn minute(self) -> i64 {
        self.second / 60 % 60
    }

    const fn is_leap(self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }
}

/// A time in ms since the Unix epoch, as RFC 3339 has it, down to the second: `2026-01-15T10:00:00Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rfc3339(pub(crate) i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Civil::of(self.0.div_euclid(1_000));
        let (hour, minute, second) = (date.hour(), date.minute(), date.second % 60);
        write!(f, "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", date.year, date.month, date.day)
    }
}
