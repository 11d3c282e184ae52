//! Dates as the number of days since 0001-01-01, which is a Monday.

use crate::bindings::exports::example::calendar::dates::Date;

const DAYS_OF_400_YEARS: i32 = 146_097;

pub fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The day of the week, 0 for Monday.
pub fn weekday(days: i32) -> usize {
    days.rem_euclid(7) as usize
}

pub fn to_days(date: &Date) -> Result<i32, String> {
    let &Date { year, month, day } = date;
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return Err(format!("there is no date {year:04}-{month:02}-{day:02}"));
    }
    let before: i32 = (1..month).map(|month| i32::from(days_of(year, month))).sum();
    Ok(days_before(year) + before + i32::from(day) - 1)
}

pub fn from_days(days: i32) -> Result<Date, String> {
    if !(0..days_before(10_000)).contains(&days) {
        return Err("that is not in the years 1 to 9999".into());
    }
    // Right, or a year beside.
    let mut year = (i64::from(days) * 400 / i64::from(DAYS_OF_400_YEARS)) as u16 + 1;
    while days_before(year) > days {
        year -= 1;
    }
    while days_before(year + 1) <= days {
        year += 1;
    }
    let mut left = days - days_before(year);
    let mut month = 1;
    while left >= i32::from(days_of(year, month)) {
        left -= i32::from(days_of(year, month));
        month += 1;
    }
    Ok(Date { year, month, day: left as u8 + 1 })
}

pub fn add_months(date: &Date, months: i32) -> Result<Date, String> {
    let total = (i32::from(date.year) * 12 + i32::from(date.month) - 1).saturating_add(months);
    let year = total.div_euclid(12);
    if !(1..=9999).contains(&year) {
        return Err("that is not in the years 1 to 9999".into());
    }
    let (year, month) = (year as u16, total.rem_euclid(12) as u8 + 1);
    Ok(Date { year, month, day: date.day.min(days_of(year, month)) })
}

fn days_before(year: u16) -> i32 {
    let years = i32::from(year) - 1;
    years * 365 + years / 4 - years / 100 + years / 400
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}
