//! Conversion between dates and day numbers. Day 0 is 0001-01-01, a Monday.

use crate::bindings::exports::example::calendar::dates::Date;

const DAYS_IN_400_YEARS: i32 = 146_097;

/// Returns whether a year is a leap year.
pub fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Returns the day of the week, 0 for Monday.
pub fn weekday(days: i32) -> usize {
    days.rem_euclid(7) as usize
}

/// Returns the day number of a date.
///
/// # Errors
/// If the date does not exist, or is not in the years 1 to 9999.
pub fn to_days(date: &Date) -> Result<i32, String> {
    let &Date { year, month, day } = date;
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return Err(format!("there is no date {year:04}-{month:02}-{day:02}"));
    }
    let days_before_month: i32 = (1..month).map(|month| i32::from(days_in_month(year, month))).sum();
    Ok(days_before_year(year) + days_before_month + i32::from(day) - 1)
}

/// Returns the date of a day number.
///
/// # Errors
/// If the date is not in the years 1 to 9999.
pub fn from_days(days: i32) -> Result<Date, String> {
    if !(0..days_before_year(10_000)).contains(&days) {
        return Err("that is not in the years 1 to 9999".into());
    }
    // This estimate is off by at most one year.
    let mut year = (i64::from(days) * 400 / i64::from(DAYS_IN_400_YEARS)) as u16 + 1;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut left = days - days_before_year(year);
    let mut month = 1;
    while left >= i32::from(days_in_month(year, month)) {
        left -= i32::from(days_in_month(year, month));
        month += 1;
    }
    Ok(Date { year, month, day: left as u8 + 1 })
}

/// Adds a number of months, which may be negative. If the resulting month is shorter, returns its last day.
///
/// # Errors
/// If the result is not in the years 1 to 9999.
pub fn add_months(date: &Date, months: i32) -> Result<Date, String> {
    let total = (i32::from(date.year) * 12 + i32::from(date.month) - 1).saturating_add(months);
    let year = total.div_euclid(12);
    if !(1..=9999).contains(&year) {
        return Err("that is not in the years 1 to 9999".into());
    }
    let (year, month) = (year as u16, total.rem_euclid(12) as u8 + 1);
    Ok(Date { year, month, day: date.day.min(days_in_month(year, month)) })
}

/// Returns the day number of January 1.
fn days_before_year(year: u16) -> i32 {
    let years = i32::from(year) - 1;
    years * 365 + years / 4 - years / 100 + years / 400
}

/// Returns the number of days in a month.
fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}
