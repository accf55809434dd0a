//! The two spellings of a moment that the protocol needs: `20150830T123600Z` of signatures and `Sun, 30 Aug 2015 12:36:00 GMT` of the `Date` header.
//! Moments are seconds since the Unix epoch, UTC, years 1970 to 9999.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch, now.
pub fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// `20150830T123600Z`.
pub fn amz(time_s: i64) -> String {
    let (year, month, day, second) = civil(time_s);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `Sun, 30 Aug 2015 12:36:00 GMT`.
pub fn http(time_s: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, second) = civil(time_s);
    let weekday = DAYS[usize::try_from(time_s.div_euclid(86_400).rem_euclid(7)).unwrap()];
    let month = MONTHS[usize::try_from(month - 1).unwrap()];
    format!("{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT", second / 3600, second / 60 % 60, second % 60)
}

/// Reads `20150830T123600Z`.
pub fn parse_amz(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| text.get(from..to).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse::<i64>().ok();
    if text.len() != 16 || text.as_bytes()[8] != b'T' || text.as_bytes()[15] != b'Z' {
        return None;
    }
    let days = days_since_epoch(digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    Some(days * 86_400 + digits(9, 11)? * 3600 + digits(11, 13)? * 60 + digits(13, 15)?)
}

/// Year, month, day and second of the day. The calendar repeats every 400 years of 146,097 days; a year is counted from March, so that the leap day is last.
fn civil(time_s: i64) -> (i64, i64, i64, i64) {
    let days = time_s.div_euclid(86_400) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day, time_s.rem_euclid(86_400))
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
