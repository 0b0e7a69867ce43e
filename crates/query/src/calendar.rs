//! Dates and times: text → a place on the line of time.

use crate::digits::{self, POWERS, WORD};

/// Years that a query may name.
const LITERAL_YEARS: std::ops::RangeInclusive<i64> = 1900..=2999;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant {
    /// Of universal time, counted from 1 March of year -400.
    pub(crate) second: i64,
    /// Nanoseconds of it; finer is cut off.
    pub(crate) nanos: u32,
}

impl Instant {
    /// The same in nanoseconds.
    pub(crate) fn point(self) -> i128 {
        i128::from(self.second) * 1_000_000_000 + i128::from(self.nanos)
    }
}

/// The day of a date in a query, `yyyy-mm-dd`.
pub(crate) fn literal_date(text: &[u8]) -> Option<i64> {
    let (year, day) = date(text)?;
    LITERAL_YEARS.contains(&year).then_some(day)
}

/// The second of a time in a query: RFC 3339 without a fraction.
pub(crate) fn literal_time(text: &[u8]) -> Option<i64> {
    let (year, instant) = time(text)?;
    (LITERAL_YEARS.contains(&year) && !text.contains(&b'.')).then_some(instant.second)
}

/// The day of a value that is exactly a date.
pub(crate) fn value_date(text: &[u8]) -> Option<i64> {
    Some(date(text)?.1)
}

/// The instant of a value that is exactly an RFC 3339 time.
pub(crate) fn value_time(text: &[u8]) -> Option<Instant> {
    Some(time(text)?.1)
}

/// The year and the number of the day.
fn date(text: &[u8]) -> Option<(i64, i64)> {
    let &[.., d1, d2] = text else { return None };
    if text.len() == 10 { day(text, two(d1, d2)?) } else { None }
}

/// The year and the number of a day, of which a text begins with `yyyy-mm-`.
#[inline]
fn day(text: &[u8], day: i64) -> Option<(i64, i64)> {
    const FORM: u64 = u64::from_le_bytes(*b"0000-00-");
    let [y12, _, y34, _, _, month, ..] = fields(digits::word(text, 0), FORM)?;
    let (year, month) = (y12 * 100 + y34, month);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = *DAYS.get(month as usize)? + i64::from(month == 2 && leap);
    if !(1..=days).contains(&day) {
        return None;
    }
    // Counted from March, a leap day is the last of its year. Years from -400, so that January
    // and February of year 0 are no special case.
    let shifted = year + 400 - i64::from(month < 3);
    let month = (month + 9) % 12;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400;
    Some((year, days + (month * 153 + 2) / 5 + day - 1))
}

/// The days of each month of a year that is no leap year.
static DAYS: [i64; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The year as written, and the instant.
fn time(text: &[u8]) -> Option<(i64, Instant)> {
    const FORM: u64 = u64::from_le_bytes(*b"00T00:00");
    let &[b':', s1, s2] = text.get(16..19)? else { return None };
    let [date, _, _, hour, _, _, minute, _] = fields(digits::word(text, 8), FORM)?;
    let (year, day) = day(text, date)?;
    let second = two(s1, s2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = fraction(&text[19..])?;
    let offset = match *zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let second = day * 86_400 + (hour * 60 + minute - offset) * 60 + second;
    Some((year, Instant { second, nanos }))
}

/// What each byte of a word and the next one say as digits, if the word has digits where a form
/// has zeros, and is the same elsewhere.
#[inline]
fn fields(word: u64, form: u64) -> Option<[i64; 8]> {
    // Bytes that differ from the form become what they would be as digits, and others `0`.
    let digits = word ^ form ^ 0x3030_3030_3030_3030;
    // What is no digit in the form may not differ at all.
    let signs = form ^ 0x3030_3030_3030_3030;
    let is_sign = (signs.wrapping_add(0x7f7f_7f7f_7f7f_7f7f) & 0x8080_8080_8080_8080) >> 7;
    if (word ^ form) & (is_sign * 0xff) != 0 || digits::count(digits) < WORD {
        return None;
    }
    Some(digits::pairs(word).to_le_bytes().map(i64::from))
}

/// Nanoseconds behind a point, if there is one, and what follows.
#[inline]
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let (mut length, mut nanos) = (0, 0);
    loop {
        let word = digits::word(digits, length);
        let count = digits::count(word);
        match length {
            0 => nanos = digits::number(word, count) * POWERS[9 - count],
            WORD => nanos += digits::number(word, count.min(1)),
            _ => {}
        }
        length += count;
        if count < WORD {
            return (length > 0).then_some((nanos as u32, &digits[length..]));
        }
    }
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_each_other() {
        let days = [
            "0000-02-29",
            "0000-03-01",
            "0001-01-01",
            "1899-12-31",
            "1900-01-01",
            "1900-03-01",
            "2000-02-28",
            "2000-02-29",
            "2000-03-01",
            "9999-12-31",
        ];
        let days: Vec<i64> = days.iter().map(|day| value_date(day.as_bytes()).unwrap()).collect();
        assert!(days.is_sorted_by(|a, b| a < b), "{days:?}");
        assert_eq!(days[1] - days[0], 1);
        assert_eq!(days[4] - days[3], 1);
        assert_eq!(days[5] - days[4], 31 + 28, "1900 was no leap year");
        assert_eq!(days[8] - days[6], 2, "2000 was one");
        // From the birth of Unix to the end of 9999: 2,932,896 days.
        assert_eq!(days[9] - value_date(b"1970-01-01").unwrap(), 2_932_896);
    }

    #[test]
    fn what_is_no_date() {
        for text in ["", "2013-1-03", "2013-13-01", "2013-02-29", "2013-00-01", "2013-01-00"] {
            assert_eq!(value_date(text.as_bytes()), None, "{text}");
        }
        for text in ["2013-04-31", "2013-01-011", " 2013-01-01", "2013/01/01", "2o13-01-01"] {
            assert_eq!(value_date(text.as_bytes()), None, "{text}");
        }
        assert_eq!(literal_date(b"1899-12-31"), None);
        assert_eq!(literal_date(b"3000-01-01"), None);
        assert!(literal_date(b"1900-01-01").is_some() && literal_date(b"2999-12-31").is_some());
    }

    #[test]
    fn instants_are_compared_across_zones_and_fractions() {
        let at = |text: &str| value_time(text.as_bytes());
        assert_eq!(at("2013-05-03T14:45:00+02:00"), at("2013-05-03T12:45:00Z"));
        assert_eq!(at("2013-05-03T23:45:00-02:15"), at("2013-05-04T02:00:00.000Z"));
        assert!(at("2013-05-03T12:45:00.000000001Z") > at("2013-05-03T12:45:00Z"));
        assert_eq!(at("2013-05-03T12:45:00.0000000019Z"), at("2013-05-03T12:45:00.000000001Z"));
        for text in [
            "2013-05-03T12:45:00",
            "2013-05-03 12:45:00Z",
            "2013-05-03T24:00:00Z",
            "2013-05-03T12:60:00Z",
            "2013-05-03T12:45:60Z",
            "2013-05-03T12:45:00.Z",
            "2013-05-03T12:45:00+2:00",
            "2013-05-03T12:45:00+24:00",
            "2013-05-03T12:45:00Z ",
            "2013-05-03",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
        assert_eq!(literal_time(b"2013-05-03T12:45:00.5Z"), None);
    }
}
